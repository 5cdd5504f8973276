// SPDX-License-Identifier: Apache-2.0
// CONNECT and WebSockets.
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

constexpr std::string_view established = "HTTP/1.1 200 Connection established\r\n";
// The first octets of a TLS handshake: no HTTP.
const std::string opaque("\x16\x03\x01\x00\x05hello", 10);

class TunnelTest : public ::testing::Test {
protected:
    void start(std::vector<policy::RuleSource> rules = {}, std::string_view default_action = "allow", const Bench::Adjust& adjust = {}) {
        bench = std::make_unique<Bench>(std::move(rules), default_action, adjust);
        origin = "127.0.0.1:" + std::to_string(bench->listen());
        client = &bench->client();
    }
    std::string connect_head(std::string_view fields = "") const {
        return "CONNECT " + origin + " HTTP/1.1\r\nHost: " + origin + "\r\n" + std::string(fields) + "\r\n";
    }
    // As far as bytes go both ways.
    void open() {
        client->send(connect_head());
        server = &bench->accept();
        EXPECT_THAT(client->wait_for("\r\n\r\n"), StartsWith(established));
        client->send(opaque);
        EXPECT_EQ(server->wait_for(opaque), opaque);
        server->send("pong");
        EXPECT_EQ(client->wait_for("pong"), "pong");
    }

    std::unique_ptr<Bench> bench;
    std::string origin;
    Peer* client = nullptr;
    Peer* server = nullptr;
};

TEST_F(TunnelTest, passes_bytes_both_ways) {
    start();
    open();
    client->shutdown_write();
    EXPECT_EQ(server->wait_for_end(), "");
    server->send("the end");
    server->close();
    EXPECT_EQ(client->wait_for_end(), "the end");
    EXPECT_TRUE(bench->wait_for_sessions());
    const Record& event = bench->event();
    EXPECT_EQ(value(event, "event.action"), "tunnelled");
    EXPECT_EQ(value(event, "http.request.method"), "CONNECT");
    EXPECT_EQ(value(event, "url.full"), origin);
    EXPECT_EQ(value(event, "server.ip"), "127.0.0.1");
    EXPECT_EQ(value(event, "server.bytes"), "11");
    EXPECT_EQ(value(event, "client.bytes"), std::to_string(connect_head().size() + opaque.size()));
    EXPECT_EQ(value(event, "scan.verdict"), "skipped");
    EXPECT_EQ(value(event, "scan.reason"), "tunnel");
    EXPECT_EQ(value(event, "error.type"), "");
    EXPECT_EQ(bench->gauge(audit::Gauge::tunnels), 0);
    EXPECT_EQ(bench->gauge(audit::Gauge::server_connections), 0);
}

TEST_F(TunnelTest, first_bytes_may_come_with_the_head) {
    start();
    client->send(connect_head() + opaque);
    server = &bench->accept();
    EXPECT_EQ(server->wait_for(opaque), opaque);
    EXPECT_THAT(client->wait_for("\r\n\r\n"), StartsWith(established));
}

TEST_F(TunnelTest, the_server_may_speak_first) {
    start();
    client->send(connect_head());
    server = &bench->accept();
    EXPECT_THAT(client->wait_for("\r\n\r\n"), StartsWith(established));
    server->send("220 hello\r\n");
    EXPECT_EQ(client->wait_for("hello\r\n"), "220 hello\r\n");
    client->send("HELO me\r\n");
    EXPECT_EQ(server->wait_for("\r\n"), "HELO me\r\n");
}

TEST_F(TunnelTest, a_server_that_breaks_is_a_reset) {
    start();
    open();
    server->abort();
    client->wait_for_end();
    EXPECT_TRUE(client->was_reset());
    EXPECT_TRUE(bench->wait_for_sessions());
    EXPECT_EQ(value(bench->event(), "event.action"), "tunnelled");
    EXPECT_NE(value(bench->event(), "error.type"), "");
}

TEST_F(TunnelTest, plain_http_inside_is_judged_like_any_other) {
    start({rule("no-x", "url.path == \"/x\"", "block")});
    client->send(connect_head());
    server = &bench->accept();
    EXPECT_THAT(client->wait_for("\r\n\r\n"), StartsWith(established));
    client->send("GET /a HTTP/1.1\r\nHost: " + origin + "\r\n\r\n");
    EXPECT_EQ(server->wait_for("\r\n\r\n"), "GET /a HTTP/1.1\r\nHost: " + origin + "\r\nVia: 1.1 sluice\r\n\r\n");
    server->send(ok("x"));
    EXPECT_EQ(client->wait_for("\r\n\r\nx"), ok_relayed("x"));
    client->send("GET /x HTTP/1.1\r\nHost: " + origin + "\r\n\r\n");
    EXPECT_THAT(client->take(), StartsWith("HTTP/1.1 403 "));
    client->send("GET /y HTTP/1.1\r\nHost: elsewhere.test\r\n\r\n");
    EXPECT_THAT(client->take(), AllOf(StartsWith("HTTP/1.1 421 "), HasSubstr("Connection: close")));
    EXPECT_TRUE(client->has_ended());
    ASSERT_EQ(bench->events().size(), 4U);
    EXPECT_EQ(value(bench->events()[0], "http.request.method"), "CONNECT");
    EXPECT_EQ(value(bench->events()[1], "url.full"), "http://" + origin + "/a");
    EXPECT_EQ(value(bench->events()[2], "rule.name"), "no-x");
}

TEST_F(TunnelTest, there_is_no_tunnel_inside_a_tunnel) {
    start();
    client->send(connect_head());
    bench->accept();
    client->wait_for("\r\n\r\n");
    client->send(connect_head());
    EXPECT_THAT(client->take(), StartsWith("HTTP/1.1 403 "));
    EXPECT_TRUE(client->has_ended());
}

TEST_F(TunnelTest, the_identity_of_a_connect_holds_inside) {
    const Users users;
    policy::RuleSource login = rule("login", "url.port > 1", "authenticate");
    login.realm = text("ours");
    login.users = text(users.path());
    start({login, rule("ann", "user.name == \"ann\"", "allow")}, "block");
    client->send(connect_head());
    EXPECT_THAT(client->take(), StartsWith("HTTP/1.1 407 "));
    client->send(connect_head(authorization("ann:secret")));
    server = &bench->accept();
    EXPECT_THAT(client->wait_for("\r\n\r\n"), StartsWith(established));
    client->send("GET /a HTTP/1.1\r\nHost: " + origin + "\r\n\r\n");
    EXPECT_THAT(server->wait_for("\r\n\r\n"), StartsWith("GET /a "));
    server->send(ok("x"));
    EXPECT_EQ(client->wait_for("\r\n\r\nx"), ok_relayed("x"));
    EXPECT_EQ(value(bench->events().back(), "user.name"), "ann");
}

TEST_F(TunnelTest, a_port_must_be_one_of_those_listed) {
    start({}, "allow", [](Settings& settings) { settings.connect_ports = {{443, 443}, {8000, 8010}}; });
    client->send("CONNECT server.test:8011 HTTP/1.1\r\nHost: server.test:8011\r\n\r\n");
    EXPECT_THAT(client->take(), AllOf(StartsWith("HTTP/1.1 403 "), HasSubstr("error=http_request_denied")));
    EXPECT_EQ(value(bench->event(), "event.action"), "refused");
}

TEST_F(TunnelTest, a_server_that_is_not_there) {
    start();
    client->send("CONNECT 127.0.0.1:" + std::to_string(Bench::dead_port()) + " HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_THAT(client->wait_for("</html>"), AllOf(StartsWith("HTTP/1.1 502 "), HasSubstr("error=connection_refused")));
}

TEST_F(TunnelTest, rules_refuse_it) {
    policy::RuleSource redirecting = rule("r", "url.domain == \"server.test\"", "redirect");
    redirecting.to = text("http://elsewhere.test/");
    start({redirecting});
    client->send("CONNECT server.test:443 HTTP/1.1\r\nHost: server.test:443\r\n\r\n");
    EXPECT_THAT(client->take(), AllOf(StartsWith("HTTP/1.1 403 "), Not(HasSubstr("Location"))));
    EXPECT_EQ(value(bench->event(), "event.action"), "blocked");
}

TEST_F(TunnelTest, a_reload_ends_it_where_the_new_policy_says_no) {
    struct Case {
        policy::RuleSource rule;
        std::string_view default_action;
        std::string_view name;
    };
    const Case cases[] = {
        {rule("name", "url.domain == \"127.0.0.1\"", "block"), "allow", "name"},
        {rule("method", "http.request.method == \"CONNECT\"", "reset"), "allow", "method"},
        {rule("address", "server.ip == 127.0.0.1", "block"), "allow", "address"},
        {rule("client", "client.ip == 127.0.0.1", "block"), "allow", "client"},
        {rule("nobody", "url.domain == \"elsewhere.test\"", "allow"), "block", ""},
    };
    for (const Case& each : cases) {
        start();
        open();
        bench->reload({each.rule}, each.default_action);
        EXPECT_EQ(client->wait_for_end(), "") << each.name;
        ASSERT_TRUE(bench->wait_for_sessions());
        EXPECT_EQ(value(bench->event(), "event.action"), each.name == "method" ? "reset" : "blocked") << each.name;
        EXPECT_EQ(value(bench->event(), "rule.name"), each.name);
        server->wait_for_end();
    }
}

TEST_F(TunnelTest, a_reload_leaves_it_where_the_new_policy_lets_it) {
    const std::vector<policy::RuleSource> policies[] = {
        {},
        {rule("a", "url.domain == \"127.0.0.1\"", "allow")},
        {rule("t", "client.ip == 127.0.0.1", "trust"), rule("b", "url.domain == \"127.0.0.1\"", "block")},
        {rule("other", "url.domain == \"elsewhere.test\"", "block")},
    };
    for (const auto& rules : policies) {
        start();
        open();
        bench->reload(rules, rules.size() == 1 && rules[0].action->value == "allow" ? "block" : "allow");
        client->send("more");
        EXPECT_EQ(server->wait_for("more"), "more");
        EXPECT_TRUE(bench->events().empty());
    }
}

TEST_F(TunnelTest, a_reload_ends_it_where_its_client_or_port_is_not_served_any_more) {
    const std::pair<Bench::Adjust, std::string_view> cases[] = {
        {[](Settings& settings) { settings.clients = {*IpNetwork::parse("10.0.0.0/8")}; }, "the client's address is not in http.clients"},
        {[](Settings& settings) { settings.connect_ports = {{1, 1}}; }, "not in http.connect_ports"},
    };
    for (const auto& [adjust, reason] : cases) {
        start();
        open();
        bench->reload({}, "allow", adjust);
        EXPECT_EQ(client->wait_for_end(), "") << reason;
        ASSERT_TRUE(bench->wait_for_sessions());
        EXPECT_EQ(value(bench->event(), "event.action"), "refused");
        EXPECT_EQ(value(bench->event(), "error.type"), "http_request_denied");
        EXPECT_EQ(value(bench->event(), "event.reason"), reason);
        server->wait_for_end();
    }
}

TEST_F(TunnelTest, with_plain_http_inside_obeys_a_reload_too) {
    start();
    client->send(connect_head());
    server = &bench->accept();
    client->wait_for("\r\n\r\n");
    const std::string inside = "GET /a HTTP/1.1\r\nHost: " + origin + "\r\n\r\n";
    client->send(inside);
    server->wait_for("\r\n\r\n");
    server->send(ok("x"));
    EXPECT_EQ(client->wait_for("\r\n\r\nx"), ok_relayed("x"));
    bench->reload({}, "allow", [](Settings& settings) { settings.connect_ports = {{1, 1}}; });
    client->send(inside);
    EXPECT_THAT(client->wait_for("</html>"), StartsWith("HTTP/1.1 403 "));
    EXPECT_EQ(value(bench->events().back(), "event.reason"), "not in http.connect_ports");
}

// Trust that a rule of `dial` gave is of the address, and the next request inside may go to another.
TEST_F(TunnelTest, with_plain_http_inside_is_judged_where_only_its_address_was_trusted) {
    start({rule("near", "server.ip == 127.0.0.1", "trust"), rule("kept-out", "url.path == \"/a\"", "block")});
    client->send(connect_head());
    server = &bench->accept();
    client->wait_for("\r\n\r\n");
    client->send("GET /a HTTP/1.1\r\nHost: " + origin + "\r\n\r\n");
    EXPECT_THAT(client->wait_for("</html>"), StartsWith("HTTP/1.1 403 "));
    EXPECT_EQ(value(bench->events().back(), "rule.name"), "kept-out");
}

TEST_F(TunnelTest, that_a_reload_ends_before_it_begins_sends_nothing) {
    start();
    client->send(connect_head());
    server = &bench->accept();
    client->wait_for("\r\n\r\n");
    bench->reload({rule("name", "url.domain == \"127.0.0.1\"", "block")});
    client->send(opaque);
    EXPECT_EQ(server->wait_for_end(), "");
    ASSERT_TRUE(bench->wait_for_sessions());
    EXPECT_EQ(value(bench->event(), "event.action"), "blocked");
    EXPECT_EQ(value(bench->event(), "rule.name"), "name");
}

TEST_F(TunnelTest, the_rule_that_ends_it_is_counted) {
    start();
    open();
    bench->reload({rule("name", "url.domain == \"127.0.0.1\"", "block")});
    ASSERT_TRUE(bench->wait_for_sessions());
    EXPECT_EQ(bench->matches("name"), 1U);
    server->wait_for_end();
}

TEST_F(TunnelTest, draining_leaves_it_open) {
    start();
    open();
    bench->drain();
    client->send("more");
    EXPECT_EQ(server->wait_for("more"), "more");
}

TEST_F(TunnelTest, that_lasts_has_an_event_for_its_start) {
    start({}, "allow", [](Settings& settings) { settings.limits.long_lived = std::chrono::milliseconds(1); });
    open();
    bench->wait_ticks(3);
    EXPECT_EQ(value(bench->event(), "event.type"), "[\"connection\",\"start\",\"allowed\"]") << value(bench->event(), "event.type");
    client->close();
    server->wait_for_end();
    server->close();
    EXPECT_TRUE(bench->wait_for_sessions());
    EXPECT_EQ(bench->events().size(), 2U);
    EXPECT_EQ(value(bench->events()[0], "event.id"), value(bench->events()[1], "event.id"));
}

TEST_F(TunnelTest, in_which_nothing_moves_ends) {
    start({}, "allow", [](Settings& settings) { settings.limits.tunnel_idle = std::chrono::milliseconds(300); });
    open();
    client->wait_for_end();
    EXPECT_TRUE(bench->wait_for_sessions());
    EXPECT_EQ(value(bench->event(), "event.reason"), "nothing moved for limits.tunnel_idle");
}

const std::string handshake =
    get("/chat", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\nSec-WebSocket-Version: 13\r\n");
constexpr std::string_view switching =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: a\r\n\r\n";

TEST(WebSocket, is_upgraded_and_then_bytes_are_theirs) {
    Bench bench;
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(handshake);
    EXPECT_EQ(server.take(),
              "GET /chat HTTP/1.1\r\nHost: server.test\r\nSec-WebSocket-Key: k\r\nSec-WebSocket-Version: 13\r\n"
              "Connection: Upgrade\r\nUpgrade: websocket\r\nVia: 1.1 sluice\r\n\r\n");
    server.send(std::string(switching) + "first");
    EXPECT_EQ(client.take(),
              "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nVia: 1.1 "
              "sluice\r\n\r\nfirst");
    for (int i = 0; i < 3; ++i) {
        client.send("ping");
        EXPECT_EQ(server.take(), "ping");
        server.send("pong");
        EXPECT_EQ(client.take(), "pong");
    }
    EXPECT_EQ(bench.gauge(audit::Gauge::tunnels), 1);
    server.close();
    client.close();
    EXPECT_EQ(bench.live(), 0U);
    EXPECT_EQ(value(bench.event(), "event.action"), "tunnelled");
    EXPECT_EQ(value(bench.event(), "http.response.status_code"), "101");
    EXPECT_EQ(value(bench.event(), "scan.reason"), "upgrade");
    EXPECT_EQ(bench.gauge(audit::Gauge::tunnels), 0);
}

TEST(WebSocket, frames_sent_ahead_are_not_lost) {
    Bench bench;
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(handshake + "early");
    EXPECT_THAT(server.take(), Not(HasSubstr("early")));
    server.send(switching);
    EXPECT_EQ(server.take(), "early");
    client.send("later");
    EXPECT_EQ(server.take(), "later");
}

TEST(WebSocket, may_be_declined) {
    Bench bench;
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(handshake);
    server.take();
    server.send(ok("no"));
    EXPECT_EQ(client.take(), ok_relayed("no"));
    client.send(get());
    EXPECT_THAT(server.take(), StartsWith("GET / "));
}

TEST(WebSocket, is_the_only_protocol_that_is_switched_to) {
    for (const std::string_view answer :
         {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\n\r\n"}) {
        Bench bench;
        Peer& server = bench.server();
        Peer& client = bench.client();
        client.send(handshake);
        server.take();
        server.send(answer);
        EXPECT_THAT(client.take(), StartsWith("HTTP/1.1 502 "));
        EXPECT_EQ(bench.pooled(), 0U);
    }
    Bench bench;
    Peer& server = bench.server();
    bench.client().send(get("/", "Connection: Upgrade\r\nUpgrade: h2c, other/2\r\n"));
    EXPECT_THAT(server.take(), AllOf(Not(HasSubstr("Upgrade")), Not(HasSubstr("Connection"))));
}

TEST(WebSocket, is_judged_by_its_response_too) {
    Bench bench({rule("no-chat", "http.response.status_code == 101", "block")});
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(handshake);
    server.take();
    server.send(switching);
    EXPECT_THAT(client.take(), StartsWith("HTTP/1.1 403 "));
    server.take();
    EXPECT_TRUE(server.has_ended());
    EXPECT_EQ(value(bench.event(), "rule.name"), "no-chat");
}

TEST(WebSocket, is_ended_by_a_reload_too) {
    Bench bench;
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(handshake);
    server.take();
    server.send(switching);
    client.take();
    bench.reload({rule("no-chat", "url.path == \"/chat\"", "block")});
    EXPECT_EQ(client.take(), "");
    EXPECT_EQ(bench.live(), 0U);
    EXPECT_EQ(value(bench.event(), "event.action"), "blocked");
    EXPECT_EQ(value(bench.event(), "rule.name"), "no-chat");
}

}  // namespace
}  // namespace sluice::http
