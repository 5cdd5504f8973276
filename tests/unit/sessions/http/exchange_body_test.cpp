// SPDX-License-Identifier: Apache-2.0
// Bodies, both ways.
#include <gmock/gmock.h>

#include "unit/sessions/http/support.h"

namespace sluice::http {
namespace {

using namespace testing;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string post(std::string_view fields, std::string_view body = "") {
    return "POST http://server.test/ HTTP/1.1\r\nHost: server.test\r\n" + std::string(fields) + "\r\n" + std::string(body);
}

constexpr std::string_view chunked = "Transfer-Encoding: chunked\r\n";

TEST(Download, with_a_length) {
    Bench bench;
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(get());
    server.take();
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234");
    EXPECT_EQ(client.take(), "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nVia: 1.1 sluice\r\n\r\n01234");
    EXPECT_TRUE(bench.events().empty());
    server.send("56789");
    EXPECT_EQ(client.take(), "56789");
    EXPECT_EQ(value(bench.event(), "http.response.body.bytes"), "10");
    EXPECT_EQ(bench.pooled(), 1U);
}

TEST(Download, that_is_large) {
    Bench bench;
    Peer& server = bench.server();
    Peer& client = bench.client();
    std::string body(3'000'000, '\0');
    for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>('a' + i % 23);
    client.send(get());
    server.take();
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n");
    std::string got = client.take();
    for (std::size_t i = 0; i < body.size(); i += 50'000) {
        server.send(std::string_view(body).substr(i, 50'000));
        got += client.take();
    }
    EXPECT_TRUE(got.ends_with("\r\n\r\n" + body));
    EXPECT_EQ(value(bench.event(), "http.response.body.bytes"), "3000000");
}

TEST(Download, in_chunks_with_trailers) {
    Bench bench;
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(get());
    server.take();
    server.send("HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\n");
    EXPECT_EQ(client.take(), "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\nVia: 1.1 sluice\r\n\r\n5\r\nhello\r\n");
    server.send("1\r\n,\r\n5\r\nworld\r\n0\r\nX-Sum: 11\r\nContent-Length: 3\r\n\r\n");
    EXPECT_EQ(client.take(), "6\r\n,world\r\n0\r\nX-Sum: 11\r\n\r\n");
    EXPECT_EQ(value(bench.event(), "http.response.body.bytes"), "11");
    EXPECT_EQ(bench.pooled(), 1U);
}

TEST(Download, until_the_server_closes) {
    Bench bench;
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(get());
    server.take();
    server.send("HTTP/1.1 200 OK\r\n\r\nhello");
    EXPECT_EQ(client.take(), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nVia: 1.1 sluice\r\n\r\n5\r\nhello\r\n");
    server.close();
    EXPECT_EQ(client.take(), "0\r\n\r\n");
    EXPECT_EQ(value(bench.event(), "event.action"), "allowed");
    EXPECT_EQ(bench.pooled(), 0U);
    EXPECT_FALSE(client.has_ended());
}

TEST(Download, to_a_client_of_http_1_0) {
    for (const std::string_view answer :
         {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nhello"}) {
        Bench bench;
        Peer& server = bench.server();
        Peer& client = bench.client();
        client.send("GET http://server.test/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        EXPECT_EQ(server.take(), "GET / HTTP/1.1\r\nHost: server.test\r\nVia: 1.0 sluice\r\n\r\n");
        server.send(answer);
        server.close();
        EXPECT_EQ(client.take(), "HTTP/1.1 200 OK\r\nVia: 1.1 sluice\r\nConnection: close\r\n\r\nhello");
        EXPECT_TRUE(client.has_ended());
        EXPECT_EQ(bench.live(), 0U);
    }
}

// RFC 9110 9.3.2, 15.3.5, 15.4.5
TEST(Download, that_has_no_body) {
    struct Case {
        std::string_view method, answer, relayed;
    };
    const Case cases[] = {
        {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nVia: 1.1 sluice\r\n\r\n"},
        {"HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 200 OK\r\nVia: 1.1 sluice\r\n\r\n"},
        {"GET", "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 204 No Content\r\nVia: 1.1 sluice\r\n\r\n"},
        {"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
         "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nVia: 1.1 sluice\r\n\r\n"},
        {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nVia: 1.1 sluice\r\n\r\n"},
    };
    Bench bench;
    Peer& server = bench.server();
    Peer& client = bench.client();
    for (const Case& each : cases) {
        client.send(std::string(each.method) + " http://server.test/ HTTP/1.1\r\nHost: server.test\r\n\r\n");
        EXPECT_THAT(server.take(), StartsWith(each.method));
        server.send(each.answer);
        EXPECT_EQ(client.take(), each.relayed);
        EXPECT_EQ(bench.pooled(), 1U);
    }
    EXPECT_EQ(bench.events().size(), 5U);
}

TEST(Download, shorter_than_its_length_is_cut) {
    Bench bench;
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(get());
    server.take();
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
    client.take();
    server.close();
    EXPECT_EQ(client.take(), "");
    EXPECT_TRUE(client.was_reset());
    EXPECT_EQ(value(bench.event(), "event.action"), "failed");
    EXPECT_EQ(value(bench.event(), "error.type"), "http_response_incomplete");
    EXPECT_EQ(bench.live(), 0U);
}

TEST(Download, in_chunks_that_break_off_has_no_last_chunk) {
    Bench bench;
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(get());
    server.take();
    server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    EXPECT_THAT(client.take(), EndsWith("5\r\nhello\r\n"));
    server.close();
    EXPECT_EQ(client.take(), "");
    EXPECT_TRUE(client.was_reset());
    EXPECT_EQ(value(bench.event(), "error.type"), "http_response_incomplete");
}

// What stood before a malformed chunk must not go on without its framing: its data would be read as chunks of the server's making.
TEST(Download, with_a_malformed_chunk_passes_no_raw_bytes) {
    Bench bench;
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(get());
    server.take();
    server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
    EXPECT_THAT(client.take(), EndsWith("1\r\nx\r\n"));
    server.send("a\r\n5\r\nevil!\r\n\r\nzz\r\n");
    EXPECT_EQ(client.unread(), "");
    client.take();
    EXPECT_TRUE(client.was_reset());
    EXPECT_EQ(value(bench.event(), "error.type"), "http_protocol_error");
}

TEST(Download, with_bytes_behind_it_ends_the_use_of_its_connection) {
    Bench bench;
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(get());
    server.take();
    server.send(ok("x") + "HTTP/1.1 200 OK\r\n");
    EXPECT_EQ(client.take(), ok_relayed("x"));
    EXPECT_EQ(bench.pooled(), 0U);
    server.take();
    EXPECT_TRUE(server.has_ended() || server.was_reset());
}

TEST(Download, of_a_server_that_closes_ends_the_use_of_its_connection) {
    for (const std::string_view answer :
         {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx"}) {
        Bench bench;
        Peer& server = bench.server();
        Peer& client = bench.client();
        client.send(get());
        server.take();
        server.send(answer);
        EXPECT_THAT(client.take(), EndsWith("\r\n\r\nx"));
        EXPECT_EQ(bench.pooled(), 0U);
        EXPECT_FALSE(client.has_ended());
    }
}

TEST(Download, of_a_client_that_left_is_given_up) {
    Bench bench;
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(get());
    server.take();
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
    client.take();
    client.close();
    server.send("worl");
    EXPECT_TRUE(bench.wait_for_sessions());
    EXPECT_EQ(value(bench.event(), "event.action"), "aborted");
}

// The server is silent, and the client goes: nobody waits for that answer any more.
TEST(Download, is_given_up_when_the_client_leaves_a_slow_server) {
    for (const bool begun : {false, true}) {
        Bench bench({}, "allow", [](Settings& settings) { settings.limits.client_watch = std::chrono::milliseconds(1); });
        Peer& server = bench.server();
        Peer& client = bench.client();
        client.send(get());
        server.take();
        if (begun) server.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
        client.take();
        client.close();
        EXPECT_TRUE(bench.wait_for_sessions());
        EXPECT_EQ(value(bench.event(), "event.action"), "aborted") << begun;
        server.take();
        EXPECT_TRUE(server.has_ended());
    }
}

// What a client sent ahead while a server was slow is answered afterwards, however often that happens.
TEST(Download, of_a_slow_server_keeps_what_was_sent_ahead) {
    Bench bench({}, "allow", [](Settings& settings) { settings.limits.client_watch = std::chrono::milliseconds(1); });
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(get("/1"));
    EXPECT_THAT(server.take(), StartsWith("GET /1 "));
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n");
    client.wait_for("\r\n\r\n");
    bench.wait_ticks(3);
    client.send(get("/2") + get("/3"));
    server.send("1");
    EXPECT_EQ(client.take(), "1");
    EXPECT_THAT(server.take(), StartsWith("GET /2 "));
    server.send(ok("2"));
    EXPECT_THAT(server.take(), StartsWith("GET /3 "));
    server.send(ok("3"));
    EXPECT_EQ(client.take(), ok_relayed("2") + ok_relayed("3"));
}

TEST(Download, of_slow_servers_never_takes_more_ahead_than_there_is_room_for) {
    Bench bench({}, "allow", [](Settings& settings) { settings.limits.client_watch = std::chrono::milliseconds(1); });
    bench.set_capacity(1024 * 1024);
    Peer& server = bench.server();
    Peer& client = bench.client();
    // A head that makes the buffer large, and behind it more requests than it has room for.
    std::string ahead = get("/first", "X-Large: " + std::string(20'000, 'x') + "\r\n");
    const std::string next = get("/next", "X-Large: " + std::string(2'000, 'x') + "\r\n");
    std::size_t sent = 1;
    for (; ahead.size() < 400'000; ++sent) ahead += next;
    client.send(ahead);
    for (std::size_t i = 0; i < sent; ++i) {
        EXPECT_THAT(server.take(), StartsWith(i == 0 ? "GET /first " : "GET /next "));
        if (i < 15) bench.wait_ticks(3);
        server.send(ok("x"));
        EXPECT_EQ(client.take(), ok_relayed("x"));
    }
    EXPECT_EQ(bench.events().size(), sent);
}

TEST(Download, that_stops_is_cut) {
    Bench bench({}, "allow", [](Settings& settings) { settings.limits.body_idle = std::chrono::milliseconds(1); });
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(get());
    server.take();
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
    EXPECT_THAT(client.take(), EndsWith("hello"));
    client.wait_for_end();
    EXPECT_TRUE(client.was_reset());
    EXPECT_EQ(value(bench.event(), "event.action"), "failed");
    EXPECT_EQ(value(bench.event(), "error.type"), "http_response_timeout");
}

TEST(Download, that_is_an_event_stream_may_pause) {
    Bench bench({}, "allow", [](Settings& settings) { settings.limits.body_idle = std::chrono::milliseconds(1); });
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(get());
    server.take();
    server.send("HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream; charset=utf-8\r\n\r\ndata: 1\n\n");
    EXPECT_THAT(client.take(), EndsWith("9\r\ndata: 1\n\n\r\n"));
    bench.wait_ticks(4);
    server.send("data: 2\n\n");
    EXPECT_EQ(client.take(), "9\r\ndata: 2\n\n\r\n");
}

TEST(Download, that_does_not_begin_is_a_504) {
    Bench bench({}, "allow", [](Settings& settings) { settings.limits.first_byte = std::chrono::milliseconds(1); });
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(get("/", "Accept: application/json\r\n"));
    server.take();
    EXPECT_THAT(client.wait_for("\"event\""), AllOf(StartsWith("HTTP/1.1 504 "), HasSubstr("error=http_response_timeout")));
    EXPECT_EQ(value(bench.event(), "event.action"), "failed");
}

TEST(Upload, that_stops_is_a_408) {
    Bench bench({}, "allow", [](Settings& settings) { settings.limits.body_idle = std::chrono::milliseconds(1); });
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(post("Content-Length: 10\r\n", "hello"));
    EXPECT_THAT(client.wait_for_end(), StartsWith("HTTP/1.1 408 "));
    server.take();
    EXPECT_TRUE(server.has_ended());
    EXPECT_EQ(value(bench.event(), "event.action"), "refused");
}

TEST(Upload, that_hardly_moves_is_a_408) {
    Bench bench({}, "allow", [](Settings& settings) { settings.limits.body_idle = std::chrono::milliseconds(500); });
    bench.server();
    Peer& client = bench.client();
    client.send(post("Content-Length: 1000\r\n", "a"));
    std::string answer;
    for (int i = 0; i < 20 && answer.empty(); ++i) {
        bench.wait_ticks(2);
        client.send("a");
        answer = client.take();
    }
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 408 "));
    EXPECT_EQ(value(bench.event(), "event.reason"), "the request body came too slowly");
}

TEST(Upload, with_a_length) {
    Bench bench;
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(post("Content-Length: 10\r\n", "01234"));
    EXPECT_EQ(server.take(), "POST / HTTP/1.1\r\nHost: server.test\r\nContent-Length: 10\r\nVia: 1.1 sluice\r\n\r\n01234");
    client.send("56789" + get("/next"));
    EXPECT_EQ(server.take(), "56789");
    server.send(ok("done"));
    EXPECT_EQ(client.take(), ok_relayed("done"));
    EXPECT_THAT(server.take(), StartsWith("GET /next "));
    EXPECT_EQ(value(bench.event(), "http.request.body.bytes"), "10");
}

TEST(Upload, in_chunks_with_trailers) {
    Bench bench;
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(post(chunked, "5\r\nhello\r\n"));
    EXPECT_EQ(server.take(), "POST / HTTP/1.1\r\nHost: server.test\r\nTransfer-Encoding: chunked\r\nVia: 1.1 sluice\r\n\r\n5\r\nhello\r\n");
    client.send("5;a=\"b\"\r\nworld\r\n0\r\nX-Sum: 1\r\nHost: evil\r\n\r\n" + get("/next"));
    EXPECT_EQ(server.take(), "5\r\nworld\r\n0\r\nX-Sum: 1\r\n\r\n");
    server.send(ok("done"));
    EXPECT_EQ(client.take(), ok_relayed("done"));
    EXPECT_THAT(server.take(), StartsWith("GET /next "));
    EXPECT_EQ(value(bench.event(), "http.request.body.bytes"), "10");
}

TEST(Upload, that_is_malformed_from_the_start_reaches_no_server) {
    for (const std::string_view body :
         {"x\r\n", "5\r\nhelloX", "5\nhello\r\n", "-5\r\n", "5 \r\nhello\r\n", "ffffffffffffffffff\r\n", "2\r\nok\r\nzz\r\n"}) {
        Bench bench;
        Peer& server = bench.server();
        Peer& client = bench.client();
        client.send(post(chunked, body));
        EXPECT_THAT(client.take(), AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("\r\nConnection: close\r\n"))) << body;
        EXPECT_EQ(server.take(), "") << body;
        EXPECT_TRUE(client.has_ended());
        client.close();
        EXPECT_EQ(bench.live(), 0U);
        EXPECT_EQ(value(bench.event(), "event.action"), "refused");
        EXPECT_EQ(value(bench.event(), "error.type"), "http_request_error");
    }
}

TEST(Upload, that_turns_malformed_is_never_ended) {
    Bench bench;
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(post(chunked, "5\r\nhello\r\n"));
    server.take();
    client.send("3\r\nabcd\r\n");
    EXPECT_THAT(client.take(), StartsWith("HTTP/1.1 400 "));
    EXPECT_THAT(server.take(), Not(HasSubstr("0\r\n\r\n")));
    EXPECT_TRUE(server.has_ended() || server.was_reset());
    EXPECT_EQ(value(bench.event(), "event.action"), "refused");
}

TEST(Upload, whose_client_leaves_is_never_ended) {
    Bench bench;
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(post(chunked, "5\r\nhello\r\n"));
    server.take();
    client.close();
    EXPECT_EQ(server.take(), "");
    EXPECT_TRUE(server.has_ended() || server.was_reset());
    EXPECT_EQ(value(bench.event(), "event.action"), "aborted");
    EXPECT_EQ(bench.live(), 0U);
}

TEST(Upload, that_is_answered_early_is_cut_short) {
    Bench bench;
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(post("Content-Length: 1000000\r\n", "01234"));
    server.take();
    server.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno!");
    EXPECT_EQ(client.take(), "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nVia: 1.1 sluice\r\nConnection: close\r\n\r\nno!");
    EXPECT_TRUE(client.has_ended());
    EXPECT_EQ(bench.live(), 1U);                         // lingers, so that the client gets to read that
    client.send("still sending");
    client.close();
    EXPECT_EQ(bench.live(), 0U);
    EXPECT_EQ(bench.pooled(), 0U);
    EXPECT_EQ(value(bench.event(), "event.action"), "allowed");
    EXPECT_EQ(value(bench.event(), "http.response.status_code"), "413");
}

// The server answers and closes before it has read all: writing to it fails, yet its answer counts.
TEST(Upload, whose_server_answers_and_closes_still_gets_the_answer) {
    Bench bench;
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(post("Content-Length: 1000000\r\n", "01234"));
    server.take();
    server.send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno");
    server.shutdown_write();
    EXPECT_THAT(client.take(), AllOf(StartsWith("HTTP/1.1 401 "), EndsWith("no")));
}

TEST(Upload, may_go_on_while_its_answer_comes) {
    Bench bench;
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(post(chunked, "1\r\na\r\n"));
    server.take();
    server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nA\r\n");
    EXPECT_THAT(client.take(), EndsWith("1\r\nA\r\n"));
    client.send("1\r\nb\r\n0\r\n\r\n");
    EXPECT_EQ(server.take(), "1\r\nb\r\n0\r\n\r\n");
    server.send("1\r\nB\r\n0\r\n\r\n");
    EXPECT_EQ(client.take(), "1\r\nB\r\n0\r\n\r\n");
    EXPECT_EQ(bench.pooled(), 1U);
    EXPECT_EQ(value(bench.event(), "http.request.body.bytes"), "2");
}

TEST(Upload, waits_for_100_where_the_client_does) {
    Bench bench;
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(post("Expect: 100-continue\r\nContent-Length: 5\r\n"));
    EXPECT_THAT(server.take(), HasSubstr("\r\nExpect: 100-continue\r\n"));
    EXPECT_EQ(client.take(), "");
    server.send("HTTP/1.1 100 Continue\r\n\r\n");
    EXPECT_EQ(client.take(), "HTTP/1.1 100 Continue\r\nVia: 1.1 sluice\r\n\r\n");
    client.send("hello");
    EXPECT_EQ(server.take(), "hello");
    server.send(ok("x"));
    EXPECT_EQ(client.take(), ok_relayed("x"));
    EXPECT_EQ(bench.pooled(), 1U);
}

TEST(Upload, whose_body_is_there_expects_nothing) {
    Bench bench;
    Peer& server = bench.server();
    bench.client().send(post("Expect: 100-continue\r\nContent-Length: 5\r\n", "hello"));
    EXPECT_THAT(server.take(), AllOf(Not(HasSubstr("Expect")), EndsWith("\r\n\r\nhello")));
}

TEST(Upload, that_is_refused_instead_of_100) {
    Bench bench;
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(post("Expect: 100-continue\r\nContent-Length: 5\r\n"));
    server.take();
    server.send("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n");
    EXPECT_THAT(client.take(), AllOf(StartsWith("HTTP/1.1 417 "), HasSubstr("Connection: close")));
    EXPECT_TRUE(client.has_ended());
}

TEST(Upload, that_expects_something_else_is_refused) {
    Bench bench;
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(post("Expect: 200-ok\r\nContent-Length: 5\r\n", "hello"));
    EXPECT_THAT(client.take(), StartsWith("HTTP/1.1 417 "));
    EXPECT_EQ(server.take(), "");
}

}  // namespace
}  // namespace sluice::http
