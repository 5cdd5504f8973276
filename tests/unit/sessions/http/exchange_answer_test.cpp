// SPDX-License-Identifier: Apache-2.0
// What is answered without a server.
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

TEST(Answer, to_a_request_that_is_none) {
    struct Case {
        std::string_view request, status;
    };
    const Case cases[] = {
        {"GET http://server.test/ HTTP/1.1\r\n\r\n", "400"},
        {"GET http://server.test/ HTTP/1.1\r\nHost: server.test\r\nHost: b\r\n\r\n", "400"},
        {"GET http://server.test/ HTTP/1.1\nHost: server.test\n\n", "400"},
        {"GET http://server.test/ HTTP/2.0\r\nHost: server.test\r\n\r\n", "505"},
        {"POST http://server.test/ HTTP/1.1\r\nHost: server.test\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "400"},
        {"GET http://server.test/%00 HTTP/1.1\r\nHost: server.test\r\n\r\n", "400"},
        {"GET http:/// HTTP/1.1\r\nHost: server.test\r\n\r\n", "400"},
        {"GET / HTTP/1.1\r\nHost: server.test\r\n\r\n", "400"},
        {"CONNECT server.test HTTP/1.1\r\nHost: server.test\r\n\r\n", "400"},
    };
    for (const Case& each : cases) {
        Bench bench;
        Peer& server = bench.server();
        Peer& client = bench.client();
        client.send(each.request);
        const std::string answer = client.take();
        EXPECT_THAT(answer, StartsWith("HTTP/1.1 " + std::string(each.status) + " ")) << each.request;
        EXPECT_THAT(answer, HasSubstr("Proxy-Status: sluice; error=http_request_error\r\n"));
        EXPECT_THAT(answer, HasSubstr("\r\nConnection: close\r\n"));
        EXPECT_TRUE(client.has_ended());
        EXPECT_EQ(server.take(), "");
        client.close();
        EXPECT_EQ(bench.live(), 0U);
        EXPECT_EQ(value(bench.event(), "event.action"), "refused") << each.request;
    }
}

TEST(Answer, to_a_head_that_is_too_large) {
    Bench bench;
    Peer& client = bench.client();
    client.send(get("/", "X: " + std::string(70'000, 'x') + "\r\n").substr(0, 64'000));
    client.send(std::string(8'000, 'x'));
    EXPECT_THAT(client.take(), StartsWith("HTTP/1.1 431 "));
    Peer& other = bench.client();
    other.send(get("/" + std::string(40'000, 'x')));
    EXPECT_THAT(other.take(), StartsWith("HTTP/1.1 414 "));
}

TEST(Answer, to_a_head_that_does_not_come) {
    Bench bench({}, "allow", [](Settings& settings) { settings.limits.head = std::chrono::milliseconds(1); });
    Peer& client = bench.client();
    client.send("GET http://server.test/ HT");
    EXPECT_THAT(client.wait_for_end(), StartsWith("HTTP/1.1 408 "));
    EXPECT_EQ(value(bench.event(), "event.action"), "refused");
}

TEST(Answer, to_nobody) {
    Bench bench;
    Peer& silent = bench.client();
    silent.close();
    EXPECT_TRUE(bench.events().empty());
    Peer& halfway = bench.client();
    halfway.send("GET http://server.test/ HT");
    halfway.shutdown_write();
    EXPECT_EQ(halfway.take(), "");
    EXPECT_TRUE(halfway.was_reset());
    EXPECT_EQ(value(bench.event(), "event.action"), "aborted");
    EXPECT_EQ(bench.live(), 0U);
}

TEST(Answer, to_a_client_that_says_nothing_is_the_end) {
    Bench bench({}, "allow", [](Settings& settings) { settings.limits.client_idle = std::chrono::milliseconds(1); });
    Peer& client = bench.client();
    EXPECT_EQ(client.wait_for_end(), "");
    EXPECT_TRUE(client.has_ended());
    EXPECT_TRUE(bench.events().empty());
}

TEST(Answer, to_a_client_from_elsewhere) {
    Bench bench;
    Peer& client = bench.client("203.0.113.5:1");
    client.send(get());
    EXPECT_THAT(client.take(), AllOf(StartsWith("HTTP/1.1 403 "), HasSubstr("Connection: close")));
    EXPECT_EQ(value(bench.event(), "event.action"), "refused");
    EXPECT_EQ(value(bench.event(), "client.ip"), "203.0.113.5");
}

TEST(Answer, to_a_client_with_too_many_connections) {
    Bench bench;
    bench.limit_clients(1);
    Peer& first = bench.client();
    Peer& second = bench.client();
    second.send(get());
    EXPECT_THAT(second.take(), AllOf(StartsWith("HTTP/1.1 503 "), HasSubstr("error=connection_limit_reached")));
    first.send(get("/", "Via: 1.1 sluice\r\n"));
    EXPECT_THAT(first.take(), StartsWith("HTTP/1.1 502 "));
}

TEST(Answer, to_clients_that_are_refused_is_given_to_a_few_at_a_time) {
    Bench bench;
    bench.limit_clients(0, 32);                          // so two of them have a place
    std::vector<Peer*> strangers;
    for (int i = 0; i < 5; ++i) strangers.push_back(&bench.client("203.0.113.5:1"));
    bench.settle();
    EXPECT_EQ(bench.live(), 2U);
    for (int i = 2; i < 5; ++i) {
        EXPECT_EQ(strangers[static_cast<std::size_t>(i)]->take(), "");
        EXPECT_TRUE(strangers[static_cast<std::size_t>(i)]->was_reset());
    }
    ASSERT_EQ(bench.events().size(), 3U);
    EXPECT_EQ(value(bench.events()[0], "event.action"), "refused");
    EXPECT_EQ(value(bench.events()[0], "error.type"), "http_request_denied");
    EXPECT_EQ(value(bench.events()[0], "event.reason"), "the client's address is not in http.clients");
    EXPECT_EQ(bench.refusals(audit::Refusal::client_not_allowed), 5U);
    strangers[0]->send(get());
    EXPECT_THAT(strangers[0]->take(), StartsWith("HTTP/1.1 403 "));
    strangers[0]->close();
    Peer& next = bench.client("203.0.113.6:1");
    next.send(get());
    EXPECT_THAT(next.take(), StartsWith("HTTP/1.1 403 ")) << "a place was free again";
}

TEST(Answer, to_a_client_that_a_reload_has_put_outside) {
    Bench bench;
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(get());
    server.take();
    server.send(ok("x"));
    EXPECT_EQ(client.take(), ok_relayed("x"));
    bench.reload({}, "allow", [](Settings& settings) { settings.clients = {*IpNetwork::parse("10.0.0.0/8")}; });
    client.send(get());
    EXPECT_THAT(client.take(), AllOf(StartsWith("HTTP/1.1 403 "), HasSubstr("Connection: close")));
    EXPECT_EQ(server.take(), "");
}

TEST(ProxyHeader, that_is_bad_is_a_refused_connection_in_the_log) {
    const auto balanced = [](Settings& settings) {
        settings.proxy_from = {*IpNetwork::parse("127.0.0.0/8")};
        settings.limits.proxy_header = std::chrono::milliseconds(1);
    };
    const std::pair<std::string_view, std::string_view> cases[] = {{"GET / HTTP/1.1\r\n\r\n", "PROXY header"},
                                                                   {"PROXY TCP4 10.1", "the PROXY header did not come in time"}};
    for (const auto& [sent, reason] : cases) {
        Bench bench({}, "allow", balanced);
        Peer& client = bench.client();
        client.send(sent);
        EXPECT_EQ(client.wait_for_end(), "");
        EXPECT_TRUE(client.was_reset());
        ASSERT_TRUE(bench.wait_for_sessions());
        const Record& event = bench.event();
        EXPECT_EQ(value(event, "event.action"), "refused");
        EXPECT_EQ(value(event, "error.type"), "http_request_error");
        EXPECT_THAT(value(event, "event.reason"), HasSubstr(reason));
        EXPECT_EQ(value(event, "client.ip"), "127.0.0.1");
        EXPECT_EQ(value(event, "client.bytes"), std::to_string(sent.size()));
        EXPECT_EQ(bench.refusals(audit::Refusal::proxy_header), 1U);
    }
    Bench bench({}, "allow", balanced);
    bench.client().close();                              // a balancer that looks whether we are there
    EXPECT_TRUE(bench.wait_for_sessions());
    EXPECT_TRUE(bench.events().empty());
    EXPECT_EQ(bench.refusals(audit::Refusal::proxy_header), 0U);
}

TEST(Answer, to_other_schemes_and_bad_ports) {
    Bench bench;
    Peer& client = bench.client();
    client.send("GET https://server.test/ HTTP/1.1\r\nHost: server.test\r\n\r\n");
    EXPECT_THAT(client.take(), StartsWith("HTTP/1.1 501 "));
    client.send("GET ftp://server.test/ HTTP/1.1\r\nHost: server.test\r\n\r\n");
    EXPECT_THAT(client.take(), StartsWith("HTTP/1.1 501 "));
    client.send("GET http://server.test:25/ HTTP/1.1\r\nHost: server.test:25\r\n\r\n");
    EXPECT_THAT(client.take(), StartsWith("HTTP/1.1 403 "));
    EXPECT_EQ(bench.events().size(), 3U);
}

TEST(Answer, max_forwards_ends_here) {
    Bench bench;
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send("TRACE http://server.test/ HTTP/1.1\r\nHost: server.test\r\nMax-Forwards: 0\r\nCookie: a\r\nX-Mine: 1\r\n\r\n");
    EXPECT_THAT(client.take(),
                AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), HasSubstr("\r\nContent-Type: message/http\r\n"),
                      EndsWith("TRACE http://server.test/ HTTP/1.1\r\nHost: server.test\r\nMax-Forwards: 0\r\nX-Mine: 1\r\n\r\n")));
    client.send("OPTIONS http://server.test/ HTTP/1.1\r\nHost: server.test\r\nMax-Forwards: 0\r\n\r\n");
    EXPECT_THAT(client.take(), AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), HasSubstr("\r\nAllow: GET, ")));
    EXPECT_EQ(server.take(), "");
    client.send("OPTIONS http://server.test/ HTTP/1.1\r\nHost: server.test\r\nMax-Forwards: x\r\n\r\n");
    EXPECT_THAT(client.take(), StartsWith("HTTP/1.1 400 "));
}

TEST(Answer, max_forwards_counts_down) {
    Bench bench;
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send("OPTIONS http://server.test HTTP/1.1\r\nHost: server.test\r\nMax-Forwards: 3\r\n\r\n");
    EXPECT_EQ(server.take(), "OPTIONS * HTTP/1.1\r\nHost: server.test\r\nMax-Forwards: 2\r\nVia: 1.1 sluice\r\n\r\n");
    server.send(ok(""));
    client.take();
    client.send(get("/", "Max-Forwards: 0\r\n"));
    EXPECT_THAT(server.take(), HasSubstr("\r\nMax-Forwards: 0\r\n"));
}

TEST(Answer, proxy_pac_and_options_are_the_listeners_own) {
    Bench bench;
    Peer& client = bench.client();
    client.send("GET /proxy.pac HTTP/1.1\r\nHost: proxy.test:3128\r\n\r\n");
    EXPECT_THAT(client.take(), AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), HasSubstr("application/x-ns-proxy-autoconfig"),
                                     HasSubstr("PROXY proxy.test:3128")));
    client.send("HEAD /wpad.dat?x HTTP/1.1\r\nHost: proxy.test:3128\r\n\r\n");
    EXPECT_TRUE(client.take().ends_with("\r\n\r\n"));
    client.send("POST /proxy.pac HTTP/1.1\r\nHost: proxy.test:3128\r\nContent-Length: 0\r\n\r\n");
    EXPECT_THAT(client.take(), StartsWith("HTTP/1.1 405 "));
    client.send("OPTIONS * HTTP/1.1\r\nHost: proxy.test:3128\r\n\r\n");
    EXPECT_THAT(client.take(), AllOf(StartsWith("HTTP/1.1 204 "), HasSubstr("Allow: ")));
}

TEST(Answer, the_page_can_be_replaced) {
    Bench bench({rule("all", "url.scheme == \"http\"", "block")}, "allow",
                [](Settings& settings) { settings.page = "<p>{{url}} {{rule}}</p>"; });
    Peer& client = bench.client();
    client.send(get("/<b>?a=1&token=x"));
    EXPECT_THAT(client.take(), EndsWith("\r\n\r\n<p>http://server.test/%3Cb%3E?a=1&amp;token=REDACTED all</p>"));
}

// Without it, a peer that speaks the PROXY protocol is not believed to be another.
TEST(Answer, the_proxy_header_says_who_the_client_is) {
    const auto believe = [](Settings& settings) { settings.proxy_from = {*IpNetwork::parse("127.0.0.1/32")}; };
    Bench bench({}, "allow", believe);
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send("PROXY TCP4 127.0.0.77 127.0.0.1 5000 3128\r\n" + get());
    server.take();
    server.send(ok("x"));
    EXPECT_EQ(client.take(), ok_relayed("x"));
    EXPECT_EQ(value(bench.event(), "client.ip"), "127.0.0.77");
    Peer& without = bench.client();
    without.send(get());
    EXPECT_EQ(without.take(), "");
    EXPECT_TRUE(without.was_reset());
    EXPECT_EQ(bench.live(), 1U);
}

}  // namespace
}  // namespace sluice::http
