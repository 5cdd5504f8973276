// SPDX-License-Identifier: Apache-2.0
// Requests out, responses back: what is written anew, what is left out, what a connection is used for again.
#include <gmock/gmock.h>

#include "unit/sessions/http/support.h"

namespace sluice::http {
namespace {

using namespace testing;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(Forward, a_request_is_written_anew_and_so_is_its_answer) {
    Bench bench;
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send("GET http://SERVER.test:80/a%41/../b?c=%20 HTTP/1.1\r\nHost: server.test\r\nAccept:   x/y  \r\n\r\n");
    EXPECT_EQ(server.take(), "GET /a%41/../b?c=%20 HTTP/1.1\r\nHost: server.test\r\nAccept: x/y\r\nVia: 1.1 sluice\r\n\r\n");
    server.send(ok("hello", "Server: s\r\n"));
    EXPECT_EQ(client.take(), ok_relayed("hello", "Server: s\r\n"));
    const Record& event = bench.event();
    EXPECT_EQ(value(event, "event.action"), "allowed");
    EXPECT_EQ(value(event, "event.outcome"), "success");
    EXPECT_EQ(value(event, "url.full"), "http://server.test/b?c=%20");
    EXPECT_EQ(value(event, "http.response.status_code"), "200");
    EXPECT_EQ(value(event, "http.response.body.bytes"), "5");
    EXPECT_EQ(value(event, "server.ip"), "192.0.2.80");
    EXPECT_EQ(value(event, "scan.verdict"), "skipped");
    EXPECT_EQ(value(event, "scan.reason"), "no-engine");
    EXPECT_EQ(bench.pooled(), 1U);
}

TEST(Forward, both_connections_are_kept) {
    Bench bench;
    Peer& server = bench.server();
    Peer& client = bench.client();
    for (const std::string body : {"one", "two", "three"}) {
        client.send(get("/" + body));
        EXPECT_THAT(server.take(), StartsWith("GET /" + body + " HTTP/1.1\r\n"));
        server.send(ok(body));
        EXPECT_EQ(client.take(), ok_relayed(body));
    }
    client.close();
    EXPECT_EQ(bench.live(), 0U);
    EXPECT_EQ(bench.events().size(), 3U);
    EXPECT_EQ(bench.counter(audit::Counter::pool_reused), 3U);
    EXPECT_EQ(bench.gauge(audit::Gauge::server_connections), 0);
    EXPECT_EQ(bench.gauge(audit::Gauge::client_connections), 0);
}

TEST(Forward, pipelined_requests_are_answered_in_their_order) {
    Bench bench;
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(get("/1") + get("/2") + get("/3").substr(0, 20));
    EXPECT_THAT(server.take(), StartsWith("GET /1 "));
    server.send(ok("1"));
    EXPECT_THAT(server.take(), StartsWith("GET /2 "));
    server.send(ok("2"));
    EXPECT_EQ(client.take(), ok_relayed("1") + ok_relayed("2"));
    client.send(get("/3").substr(20));
    EXPECT_THAT(server.take(), StartsWith("GET /3 "));
    server.send(ok("3"));
    EXPECT_EQ(client.take(), ok_relayed("3"));
}

TEST(Forward, the_outcome_does_not_depend_on_where_bytes_are_cut) {
    Bench bench;
    bench.longest_read(1);
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(
        "POST http://server.test/ HTTP/1.1\r\nHost: server.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-End: 1\r\n\r\n" +
        get("/2"));
    EXPECT_EQ(server.take(),
              "POST / HTTP/1.1\r\nHost: server.test\r\nTransfer-Encoding: chunked\r\nVia: 1.1 sluice\r\n\r\n"
              "1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\nX-End: 1\r\n\r\n");
    server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nxy\r\n0\r\n\r\n");
    EXPECT_EQ(client.take(), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nVia: 1.1 sluice\r\n\r\n1\r\nx\r\n1\r\ny\r\n0\r\n\r\n");
    EXPECT_THAT(server.take(), StartsWith("GET /2 "));
    server.send(ok(""));
    EXPECT_EQ(client.take(), ok_relayed(""));
}

// RFC 9110 7.6.1
TEST(Forward, what_is_for_one_hop_stays_there) {
    Bench bench;
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(get("/",
                    "Connection: keep-alive, X-Mine, Host, Content-Length\r\nKeep-Alive: 5\r\nProxy-Connection: keep-alive\r\nX-Mine: "
                    "1\r\nx-mine: 2\r\n"
                    "TE: trailers, deflate\r\nTrailer: X\r\nProxy-Authorization: Basic YTpi\r\nUpgrade: h2c, foo/1\r\nX-Yours: 3\r\n"));
    EXPECT_EQ(server.take(),
              "GET / HTTP/1.1\r\nHost: server.test\r\nX-Yours: 3\r\nConnection: TE\r\nTE: trailers\r\nVia: 1.1 sluice\r\n\r\n");
    server.send(
        ok("x", "Connection: X-Mine\r\nX-Mine: 1\r\nKeep-Alive: timeout=5\r\nUpgrade: h2c\r\nProxy-Authenticate: Basic\r\nX-Yours: 2\r\n"));
    EXPECT_EQ(client.take(), ok_relayed("x", "X-Yours: 2\r\n"));
}

TEST(Forward, via_is_added_to_what_was_there) {
    Bench bench;
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send("GET http://server.test/ HTTP/1.0\r\nVia: 1.1 other (sluice), 1.0 sluice2\r\n\r\n");
    EXPECT_EQ(server.take(), "GET / HTTP/1.1\r\nHost: server.test\r\nVia: 1.1 other (sluice), 1.0 sluice2\r\nVia: 1.0 sluice\r\n\r\n");
    server.send("HTTP/1.0 200 OK\r\nContent-Length: 1\r\nVia: 1.1 inner\r\n\r\nx");
    EXPECT_EQ(client.take(), "HTTP/1.1 200 OK\r\nVia: 1.1 inner\r\nContent-Length: 1\r\nVia: 1.0 sluice\r\nConnection: close\r\n\r\nx");
}

TEST(Forward, a_loop_is_refused) {
    for (const std::string_view via : {"1.1 sluice", "1.1 a, 1.1 SLUICE (x)", "1.1 a\r\nVia: HTTP/1.1 sluice"}) {
        Bench bench;
        Peer& server = bench.server();
        Peer& client = bench.client();
        client.send(get("/", "Via: " + std::string(via) + "\r\n"));
        const std::string answer = client.take();
        EXPECT_THAT(answer, StartsWith("HTTP/1.1 502 "));
        EXPECT_THAT(answer, HasSubstr("Proxy-Status: sluice; error=proxy_loop_detected\r\n"));
        EXPECT_EQ(server.take(), "");
        EXPECT_EQ(value(bench.event(), "event.action"), "failed");
    }
}

TEST(Forward, the_client_is_told_of_only_where_that_is_wanted) {
    {
        Bench bench({}, "allow", [](Settings& settings) { settings.forwarded = Forwarded::x_forwarded_for; });
        Peer& server = bench.server();
        bench.client("127.0.0.9:1000").send(get("/", "X-Forwarded-For: 10.0.0.1\r\n"));
        EXPECT_THAT(server.take(), HasSubstr("\r\nX-Forwarded-For: 10.0.0.1, 127.0.0.9\r\n"));
    }
    Bench bench({}, "allow", [](Settings& settings) {
        settings.forwarded = Forwarded::forwarded;
        settings.clients.push_back(*IpNetwork::parse("2001:db8::/32"));
    });
    Peer& server = bench.server();
    bench.client("[2001:db8::7]:1000").send(get());
    EXPECT_THAT(server.take(), HasSubstr("\r\nForwarded: for=\"[2001:db8::7]\";proto=http\r\n"));
}

// A connection from the pool that a server closed just then is no fault of the request (RFC 9110 9.2.2).
TEST(Forward, an_idempotent_request_gets_a_new_connection_for_a_stale_one) {
    Bench bench;
    const std::string origin = "127.0.0.1:" + std::to_string(bench.listen());
    Peer& stale = bench.server(origin, origin);
    Peer& client = bench.client();
    client.send("GET http://" + origin + "/ HTTP/1.1\r\nHost: " + origin + "\r\n\r\n");
    EXPECT_THAT(stale.take(), StartsWith("GET / "));
    stale.close();
    Peer& fresh = bench.accept();
    EXPECT_THAT(fresh.wait_for("\r\n\r\n"), StartsWith("GET / "));
    fresh.send(ok("x"));
    EXPECT_EQ(client.wait_for("\r\n\r\nx"), ok_relayed("x"));
    EXPECT_EQ(bench.events().size(), 1U);
    EXPECT_EQ(bench.counter(audit::Counter::pool_stale), 1U);
    EXPECT_EQ(bench.gauge(audit::Gauge::server_connections), 0);
}

TEST(Forward, nothing_else_is_asked_twice) {
    for (const std::string_view request : {"POST / HTTP/1.1\r\nContent-Length: 0\r\n", "PUT / HTTP/1.1\r\nContent-Length: 1\r\n"}) {
        Bench bench;
        const std::string origin = "127.0.0.1:" + std::to_string(bench.listen());
        Peer& stale = bench.server(origin, origin);
        Peer& client = bench.client();
        std::string head(request);
        head.insert(head.find('/'), "http://" + origin);
        client.send(head + "Host: " + origin + "\r\n\r\n" + (head.starts_with("PUT") ? "x" : ""));
        EXPECT_NE(stale.take(), "");
        stale.close();
        const std::string answer = client.take();
        EXPECT_THAT(answer, StartsWith("HTTP/1.1 502 "));
        EXPECT_THAT(answer, HasSubstr("error=connection_terminated"));
        EXPECT_EQ(value(bench.event(), "event.action"), "failed");
    }
}

TEST(Forward, an_answer_that_had_begun_is_not_asked_for_again) {
    Bench bench;
    const std::string origin = "127.0.0.1:" + std::to_string(Bench::dead_port());
    Peer& stale = bench.server(origin, origin);
    Peer& client = bench.client();
    client.send("GET http://" + origin + "/ HTTP/1.1\r\nHost: " + origin + "\r\n\r\n");
    stale.take();
    stale.send("HTTP/1.1 200");
    stale.close();
    EXPECT_THAT(client.take(), HasSubstr("error=connection_terminated"));
}

TEST(Forward, a_server_that_is_not_there) {
    Bench bench;
    const std::string origin = "127.0.0.1:" + std::to_string(Bench::dead_port());
    Peer& client = bench.client();
    client.send("GET http://" + origin + "/ HTTP/1.1\r\nHost: " + origin + "\r\nAccept: text/plain\r\n\r\n");
    const std::string answer = client.wait_for("Event:");
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 502 "));
    EXPECT_THAT(answer, HasSubstr("error=connection_refused"));
    EXPECT_THAT(answer, HasSubstr(value(bench.event(), "event.id")));
    EXPECT_EQ(value(bench.event(), "error.type"), "connection_refused");
    client.send(get("/", "Via: 1.1 sluice\r\n"));        // the connection is in order
    EXPECT_THAT(client.take(), StartsWith("HTTP/1.1 502 "));
}

TEST(Forward, an_answer_that_breaks_the_rules_is_not_passed_on) {
    for (const std::string_view answer :
         {"SSH-2.0-x\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n"}) {
        Bench bench;
        Peer& server = bench.server();
        Peer& client = bench.client();
        client.send(get());
        server.take();
        server.send(answer);
        EXPECT_THAT(client.take(), AllOf(StartsWith("HTTP/1.1 502 "), HasSubstr("error=http_protocol_error"))) << answer;
        EXPECT_EQ(bench.pooled(), 0U);
    }
}

TEST(Forward, interim_answers_go_on_to_who_knows_them) {
    Bench bench;
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(get());
    server.take();
    server.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x\r\n\r\n");
    EXPECT_EQ(client.take(), "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nVia: 1.1 sluice\r\n\r\n");
    server.send("HTTP/1.1 102 Processing\r\n\r\n" + ok("x"));
    EXPECT_EQ(client.take(), "HTTP/1.1 102 Processing\r\nVia: 1.1 sluice\r\n\r\n" + ok_relayed("x"));

    Peer& old = bench.client();
    old.send("GET http://server.test/ HTTP/1.0\r\n\r\n");
    server.take();
    server.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok("x"));
    EXPECT_EQ(old.take(), "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nVia: 1.1 sluice\r\nConnection: close\r\n\r\nx");
    EXPECT_TRUE(old.has_ended());
}

TEST(Forward, an_interim_answer_may_end_the_use_of_its_connection) {
    Bench bench;
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(get());
    server.take();
    server.send("HTTP/1.1 103 Early Hints\r\nConnection: close\r\n\r\n" + ok("x"));
    EXPECT_THAT(client.take(), ::testing::EndsWith(ok_relayed("x")));
    EXPECT_EQ(bench.pooled(), 0U);
}

TEST(Forward, interim_answers_have_an_end) {
    Bench bench;
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(get());
    server.take();
    std::string many;
    for (int i = 0; i < 17; ++i) many += "HTTP/1.1 102 Processing\r\n\r\n";
    server.send(many);
    EXPECT_THAT(client.take(), HasSubstr("HTTP/1.1 502 "));
}

TEST(Forward, a_reload_counts_from_the_next_request_on) {
    Bench bench;
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(get());
    server.take();
    bench.reload({rule("all", "", "block")});
    server.send(ok("x"));
    EXPECT_EQ(client.take(), ok_relayed("x"));
    client.send(get());
    EXPECT_THAT(client.take(), StartsWith("HTTP/1.1 403 "));
    EXPECT_EQ(server.take(), "");
}

TEST(Forward, draining_ends_idle_connections_now_and_busy_ones_after_their_answer) {
    Bench bench;
    Peer& server = bench.server();
    Peer& idle = bench.client();
    Peer& busy = bench.client();
    busy.send(get());
    server.take();
    bench.drain();
    EXPECT_EQ(idle.take(), "");
    EXPECT_TRUE(idle.has_ended());
    server.send(ok("x"));
    EXPECT_EQ(busy.take(), "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nVia: 1.1 sluice\r\nConnection: close\r\n\r\nx");
    EXPECT_TRUE(busy.has_ended());
    EXPECT_EQ(bench.live(), 0U);
}

}  // namespace
}  // namespace sluice::http
