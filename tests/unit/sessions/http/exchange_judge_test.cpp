// SPDX-License-Identifier: Apache-2.0
// Rules, as a client and a server feel them.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "policy/countries.h"
#include "unit/policy/country_database.h"
#include "unit/sessions/http/support.h"

namespace sluice::http {
namespace {

using namespace testing;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

policy::RuleSource with_header(policy::RuleSource source, std::string_view name, std::string_view content = {}) {
    source.header = text(name);
    if (!content.empty()) source.value = text(content);
    return source;
}

policy::RuleSource authenticating(const Users& users, std::string_view name, std::string_view when) {
    policy::RuleSource source = rule(name, when, "authenticate");
    source.realm = text("ours");
    source.users = text(users.path());
    return source;
}

std::string get_as(std::string_view user_and_password, std::string_view path = "/") { return get(path, authorization(user_and_password)); }

TEST(Judge, block_is_a_page_and_the_connection_goes_on) {
    policy::RuleSource blocking = rule("no-ads", "url.path starts_with \"/ads\"", "block");
    blocking.reason = text("Ads & such.");
    blocking.status = policy::Number{.value = 451, .place = {}, .source_line = {}};
    Bench bench({blocking});
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(get("/ads/1?token=secret", "Accept: application/json\r\n"));
    const std::string answer = client.take();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 451 Unavailable For Legal Reasons\r\nProxy-Status: sluice; error=http_request_denied\r\n"));
    EXPECT_THAT(answer, HasSubstr("\r\nContent-Type: application/json\r\n"));
    EXPECT_THAT(answer, HasSubstr("\"reason\":\"Ads & such.\""));
    EXPECT_THAT(answer, HasSubstr("\"rule\":\"no-ads\""));
    EXPECT_THAT(answer, Not(HasSubstr("secret")));
    EXPECT_THAT(answer, Not(HasSubstr("Connection: close")));
    EXPECT_THAT(answer, HasSubstr("\"event\":\"" + value(bench.event(), "event.id") + "\""));
    EXPECT_EQ(value(bench.event(), "event.action"), "blocked");
    EXPECT_EQ(value(bench.event(), "rule.name"), "no-ads");
    EXPECT_EQ(value(bench.event(), "event.reason"), "Ads & such.");
    EXPECT_EQ(server.take(), "");

    client.send(get("/news"));
    EXPECT_THAT(server.take(), StartsWith("GET /news "));
    server.send(ok("x"));
    EXPECT_EQ(client.take(), ok_relayed("x"));
}

TEST(Judge, a_refused_upload_that_is_here_whole_costs_no_connection) {
    Bench bench({rule("no-post", "http.request.method == \"POST\"", "block")});
    Peer& client = bench.client();
    const std::string head = "POST http://server.test/ HTTP/1.1\r\nHost: server.test\r\nContent-Length: 5\r\n\r\n";
    client.send(head + "hello" + head + "he");
    const std::string answers = client.take();
    EXPECT_THAT(answers, StartsWith("HTTP/1.1 403 "));
    const std::string second = answers.substr(answers.find("HTTP/1.1 403 ", 1));
    EXPECT_THAT(second, HasSubstr("Connection: close\r\n"));
    EXPECT_TRUE(client.has_ended());
    EXPECT_EQ(bench.events().size(), 2U);
}

TEST(Judge, head_gets_no_page) {
    Bench bench({rule("all", "url.scheme == \"http\"", "block")});
    Peer& client = bench.client();
    client.send("HEAD http://server.test/ HTTP/1.1\r\nHost: server.test\r\n\r\n");
    const std::string answer = client.take();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 403 "));
    EXPECT_TRUE(answer.ends_with("\r\n\r\n"));
    EXPECT_THAT(answer, Not(HasSubstr("Content-Length: 0")));
}

TEST(Judge, reset_says_nothing) {
    Bench bench({rule("r", "url.path == \"/x\"", "reset")});
    Peer& client = bench.client();
    client.send(get("/x"));
    EXPECT_EQ(client.take(), "");
    EXPECT_TRUE(client.was_reset());
    EXPECT_EQ(client.unread(), "");
    EXPECT_EQ(value(bench.event(), "event.action"), "reset");
    EXPECT_EQ(bench.live(), 0U);
}

TEST(Judge, redirect_names_the_place) {
    policy::RuleSource redirecting = rule("r", "url.path == \"/x\"", "redirect");
    redirecting.to = text("http://elsewhere.test/y");
    Bench bench({redirecting});
    Peer& client = bench.client();
    client.send(get("/x"));
    EXPECT_THAT(client.take(), AllOf(StartsWith("HTTP/1.1 302 "), HasSubstr("\r\nLocation: http://elsewhere.test/y\r\n")));
    client.send("POST http://server.test/x HTTP/1.1\r\nHost: server.test\r\nContent-Length: 0\r\n\r\n");
    EXPECT_THAT(client.take(), StartsWith("HTTP/1.1 307 "));
    EXPECT_EQ(value(bench.events().front(), "event.action"), "redirected");
}

TEST(Judge, trust_ends_all_rules_and_allow_those_of_its_phase) {
    const std::vector<policy::RuleSource> rest{rule("no-x", "url.path contains \"x\"", "block"),
                                               rule("no-teapots", "http.response.status_code == 418", "block")};
    for (const std::string action : {"trust", "allow"}) {
        std::vector<policy::RuleSource> rules{rule("first", "url.path == \"/x\"", action)};
        rules.insert(rules.end(), rest.begin(), rest.end());
        Bench bench(rules);
        Peer& server = bench.server();
        Peer& client = bench.client();
        client.send(get("/x"));
        EXPECT_THAT(server.take(), StartsWith("GET /x "));
        server.send("HTTP/1.1 418 Teapot\r\nContent-Length: 1\r\n\r\nx");
        EXPECT_THAT(client.take(), StartsWith(action == "trust" ? "HTTP/1.1 418 " : "HTTP/1.1 403 "));
        EXPECT_EQ(value(bench.event(), "rule.name"), action == "trust" ? "first" : "no-teapots");
    }
}

TEST(Judge, tags_are_recorded_and_known_to_later_rules) {
    policy::RuleSource tagging = rule("t", "url.path == \"/x\"", "tag");
    tagging.tags = std::vector<policy::Text>{text("seen")};
    Bench bench({tagging, rule("b", "tags == \"seen\" and http.response.status_code == 200", "block")});
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(get("/x"));
    server.take();
    server.send(ok("x"));
    EXPECT_THAT(client.take(), StartsWith("HTTP/1.1 403 "));
    EXPECT_EQ(value(bench.event(), "tags"), "[\"seen\"]");
    EXPECT_EQ(bench.pooled(), 0U);
}

TEST(Judge, a_shadow_is_only_recorded) {
    policy::RuleSource shadow = rule("s", "url.path == \"/x\"", "block");
    shadow.mode = text("shadow");
    Bench bench({shadow});
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(get("/x"));
    server.take();
    server.send(ok("x"));
    EXPECT_EQ(client.take(), ok_relayed("x"));
    EXPECT_EQ(value(bench.event(), "rule.shadow"), "[\"s\"]");
    EXPECT_EQ(value(bench.event(), "event.action"), "allowed");
}

TEST(Judge, headers_are_set_and_removed_both_ways) {
    Bench bench({with_header(rule("a", "url.path == \"/x\"", "set_request_header"), "X-Set", "new"),
                 with_header(rule("b", "url.path == \"/x\"", "remove_request_header"), "User-Agent"),
                 with_header(rule("c", "url.path == \"/x\"", "set_response_header"), "X-Frame-Options", "DENY"),
                 with_header(rule("d", "http.response.status_code == 200", "remove_response_header"), "Server"),
                 with_header(rule("e", "url.path == \"/never\"", "set_request_header"), "X-Never", "1")});
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(get("/x", "X-SET: old\r\nUser-Agent: u\r\nX-Set: older\r\nServer: mine\r\n"));
    EXPECT_EQ(server.take(), "GET /x HTTP/1.1\r\nHost: server.test\r\nServer: mine\r\nVia: 1.1 sluice\r\nX-Set: new\r\n\r\n");
    server.send(ok("x", "Server: s\r\nx-frame-options: ALLOW\r\nUser-Agent: theirs\r\n"));
    EXPECT_EQ(client.take(),
              "HTTP/1.1 200 OK\r\nUser-Agent: theirs\r\nContent-Length: 1\r\nVia: 1.1 sluice\r\nX-Frame-Options: DENY\r\n\r\nx");
}

TEST(Judge, limit_turns_away_what_is_too_much) {
    policy::RuleSource limiting = rule("slow", "url.path == \"/x\"", "limit");
    limiting.rate = text("1/h");
    limiting.burst = policy::Number{.value = 2, .place = {}, .source_line = {}};
    Bench bench({limiting});
    Peer& server = bench.server();
    Peer& client = bench.client();
    for (int i = 0; i < 2; ++i) {
        client.send(get("/x"));
        server.take();
        server.send(ok("x"));
        EXPECT_EQ(client.take(), ok_relayed("x"));
    }
    client.send(get("/x"));
    const std::string answer = client.take();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 429 "));
    EXPECT_THAT(answer, HasSubstr("\r\nRetry-After: 3600\r\n"));
    EXPECT_EQ(server.take(), "");
    EXPECT_EQ(value(bench.events().back(), "event.action"), "limited");
}

TEST(Judge, default_block_lets_only_through_what_a_rule_allows) {
    Bench bench({rule("ok", "url.path == \"/x\"", "allow"), rule("own", "url.path == \"/trusted\"", "trust")}, "block");
    Peer& server = bench.server();
    Peer& client = bench.client();
    for (const std::string path : {"/x", "/trusted"}) {
        client.send(get(path));
        EXPECT_THAT(server.take(), StartsWith("GET " + path + " "));
        server.send(ok("x"));
        EXPECT_EQ(client.take(), ok_relayed("x"));
    }
    client.send(get("/y"));
    EXPECT_THAT(client.take(), StartsWith("HTTP/1.1 403 "));
    EXPECT_EQ(server.take(), "");
    EXPECT_EQ(value(bench.events().back(), "event.action"), "blocked");
}

TEST(Judge, what_the_client_is_counts_for_all_its_requests) {
    policy::RuleSource tagging = rule("t", "client.ip == 127.0.0.7", "tag");
    tagging.tags = std::vector<policy::Text>{text("guest")};
    Bench bench({tagging, with_header(rule("h", "client.ip == 127.0.0.7", "set_request_header"), "X-Guest", "yes"),
                 rule("b", "client.ip == 127.0.0.8", "block")});
    Peer& server = bench.server();
    Peer& guest = bench.client("127.0.0.7:1");
    for (int i = 0; i < 2; ++i) {
        guest.send(get());
        EXPECT_THAT(server.take(), HasSubstr("\r\nX-Guest: yes\r\n"));
        server.send(ok("x"));
        guest.take();
        EXPECT_EQ(value(bench.events().back(), "tags"), "[\"guest\"]");
    }
    bench.client("127.0.0.8:1").send(get());
    EXPECT_EQ(server.take(), "");
    EXPECT_EQ(value(bench.events().back(), "rule.name"), "b");
    EXPECT_EQ(value(bench.events().back(), "event.action"), "blocked");
}

TEST(Judge, authenticate_wants_credentials_and_keeps_them_to_itself) {
    const Users users;
    Bench bench({authenticating(users, "login", "url.domain == \"server.test\""), rule("ann-only", "not user.name == \"ann\"", "block")});
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(get());
    EXPECT_THAT(client.take(),
                AllOf(StartsWith("HTTP/1.1 407 "), HasSubstr("\r\nProxy-Authenticate: Basic realm=\"ours\", charset=\"UTF-8\"\r\n")));
    client.send(get_as("ann:wrong"));
    EXPECT_THAT(client.wait_for("</html>"), StartsWith("HTTP/1.1 407 "));
    client.send(get("/", authorization("ann:secret") + authorization("ann:secret")));
    EXPECT_THAT(client.wait_for("</html>"), StartsWith("HTTP/1.1 407 "));
    EXPECT_EQ(server.take(), "");
    for (int i = 0; i < 2; ++i) {
        client.send(get_as("ann:secret"));
        EXPECT_EQ(server.wait_for("\r\n\r\n"), "GET / HTTP/1.1\r\nHost: server.test\r\nVia: 1.1 sluice\r\n\r\n");
        server.send(ok("x"));
        EXPECT_EQ(client.take(), ok_relayed("x"));
        EXPECT_EQ(value(bench.events().back(), "user.name"), "ann");
    }
    for (const Record& event : bench.events())
        for (const auto& [key, content] : event) EXPECT_EQ(content.find("secret"), std::string::npos) << key;
}

// A rule that reads nothing of the request is judged once a connection; yet each request proves who it comes from.
TEST(Judge, each_request_proves_itself_where_a_rule_about_the_client_wants_it) {
    const Users users;
    Bench bench({authenticating(users, "login", "client.ip in 127.0.0.0/8"), rule("ann", "user.name == \"ann\"", "allow")}, "block");
    Peer& server = bench.server();
    Peer& client = bench.client();
    for (int i = 0; i < 2; ++i) {
        client.send(get_as("ann:secret"));
        EXPECT_THAT(server.wait_for("\r\n\r\n"), StartsWith("GET / "));
        server.send(ok("x"));
        EXPECT_EQ(client.take(), ok_relayed("x"));
        EXPECT_EQ(value(bench.events().back(), "user.name"), "ann");
    }
    client.send(get());
    EXPECT_THAT(client.wait_for("</html>"), StartsWith("HTTP/1.1 407 "));
    client.send(get_as("bob:secret"));
    EXPECT_THAT(client.wait_for("</html>"), StartsWith("HTTP/1.1 407 "));
    EXPECT_EQ(server.take(), "");
}

TEST(Judge, guessing_passwords_is_slowed_down) {
    const Users users;
    Bench bench({authenticating(users, "login", "url.domain == \"server.test\"")}, "allow",
                [](Settings& settings) { settings.limits.password_attempts = 2; });
    Peer& client = bench.client();
    for (const std::string_view password : {"1", "2", "3"}) {
        client.send(get_as("ann:" + std::string(password)));
        EXPECT_THAT(client.wait_for("</html>"), StartsWith(password == "3" ? "HTTP/1.1 429 " : "HTTP/1.1 407 "));
    }
    EXPECT_EQ(value(bench.events().back(), "event.action"), "limited");
}

TEST(Judge, an_address_is_judged_before_it_is_dialled_and_also_in_the_pool) {
    Bench bench({rule("no-lan", "server.ip in 192.0.2.0/24", "block")});
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send("GET http://192.0.2.80/ HTTP/1.1\r\nHost: 192.0.2.80\r\n\r\n");
    EXPECT_THAT(client.take(), StartsWith("HTTP/1.1 403 "));
    EXPECT_EQ(value(bench.event(), "rule.name"), "no-lan");
    Peer& pooled = bench.server("192.0.2.80:80");
    client.send("GET http://192.0.2.80/ HTTP/1.1\r\nHost: 192.0.2.80\r\n\r\n");
    EXPECT_THAT(client.take(), StartsWith("HTTP/1.1 403 "));
    EXPECT_EQ(pooled.take(), "");
    EXPECT_TRUE(pooled.has_ended());
    EXPECT_EQ(server.take(), "");
}

TEST(Judge, an_address_that_a_name_has_twice_is_judged_once) {
    Bench bench({rule("near", "server.ip == 127.0.0.1", "allow")});
    const std::string port = std::to_string(bench.listen());
    bench.name("twice.test", {"127.0.0.1", "::ffff:127.0.0.1"});
    Peer& client = bench.client();
    client.send("GET http://twice.test:" + port + "/ HTTP/1.1\r\nHost: twice.test:" + port + "\r\n\r\n");
    Peer& server = bench.accept();
    server.wait_for("\r\n\r\n");
    server.send(ok("x"));
    client.wait_for("\r\n\r\nx");
    EXPECT_EQ(bench.matches("near"), 1U);
}

// 127.0.0.2, where nobody listens, is tried first, then 127.0.0.1.
class TwoAddresses : public ::testing::Test {
protected:
    void start(std::vector<policy::RuleSource> rules) {
        bench = std::make_unique<Bench>(std::move(rules));
        bench->name("both.test", {"127.0.0.2", "127.0.0.1"});
        port = std::to_string(bench->listen());
        client = &bench->client();
    }
    std::string ask(std::string_view host = "both.test") const {
        return fmt::format("GET http://{0}:{1}/ HTTP/1.1\r\nHost: {0}:{1}\r\n\r\n", host, port);
    }
    static policy::RuleSource tag(std::string_view name, std::string_view when) {
        policy::RuleSource source = rule(name, when, "tag");
        source.tags = std::vector<policy::Text>{text(name)};
        return source;
    }
    static policy::RuleSource once(std::vector<policy::Text> per) {
        policy::RuleSource source = rule("once", "server.ip in 127.0.0.0/8", "limit");
        source.rate = text("1/h");
        source.per = std::move(per);
        return source;
    }

    std::unique_ptr<Bench> bench;
    std::string port;
    Peer* client = nullptr;
};

TEST_F(TwoAddresses, only_what_the_rules_say_of_the_one_connected_to_holds) {
    policy::RuleSource shadow = rule("shadow", "server.ip == 127.0.0.2", "block");
    shadow.mode = text("shadow");
    start({tag("two", "server.ip == 127.0.0.2"), tag("one", "server.ip == 127.0.0.1"), shadow,
           with_header(rule("h2", "server.ip == 127.0.0.2", "set_request_header"), "X-Two", "2"),
           with_header(rule("h1", "server.ip == 127.0.0.1", "set_request_header"), "X-One", "1"),
           with_header(rule("not-two", "tags == \"two\" and server.ip == 127.0.0.1", "set_request_header"), "X-Both", "3")});
    client->send(ask());
    Peer& server = bench->accept();
    EXPECT_THAT(server.wait_for("\r\n\r\n"), AllOf(HasSubstr("X-One: 1"), Not(HasSubstr("X-Two")), Not(HasSubstr("X-Both"))));
    server.send(ok("x"));
    client->wait_for("\r\n\r\nx");
    EXPECT_EQ(value(bench->event(), "server.ip"), "127.0.0.1");
    EXPECT_EQ(value(bench->event(), "tags"), "[\"one\"]");
    EXPECT_EQ(value(bench->event(), "rule.shadow"), "");
    EXPECT_EQ(bench->matches("two"), 0U);
    EXPECT_EQ(bench->matches("one"), 1U);
    EXPECT_EQ(bench->matches("shadow"), 0U);
}

TEST_F(TwoAddresses, take_one_token_for_a_request) {
    start({once({text("client.ip")})});
    client->send(ask());
    Peer& server = bench->accept();
    server.wait_for("\r\n\r\n");
    server.send(ok("x"));
    EXPECT_EQ(client->wait_for("\r\n\r\nx"), ok_relayed("x"));
    client->send(ask());
    EXPECT_THAT(client->wait_for("</html>"), StartsWith("HTTP/1.1 429 "));
}

TEST_F(TwoAddresses, take_no_token_of_the_one_that_is_not_connected_to) {
    start({once({text("server.ip")})});
    client->send(ask());
    Peer& server = bench->accept();
    server.wait_for("\r\n\r\n");
    server.send(ok("x"));
    client->wait_for("\r\n\r\nx");
    client->send(ask("127.0.0.2"));
    EXPECT_THAT(client->wait_for("</html>"), StartsWith("HTTP/1.1 502 "));
    client->send(ask("127.0.0.2"));
    EXPECT_THAT(client->wait_for("</html>"), StartsWith("HTTP/1.1 429 ")) << "a request that comes to nothing spends its token";
}

TEST_F(TwoAddresses, both_refused_leave_what_was_said_of_the_last) {
    start({tag("two", "server.ip == 127.0.0.2"), tag("one", "server.ip == 127.0.0.1"), rule("none", "server.ip in 127.0.0.0/8", "block")});
    client->send(ask());
    EXPECT_THAT(client->wait_for("</html>"), StartsWith("HTTP/1.1 403 "));
    EXPECT_EQ(value(bench->event(), "tags"), "[\"one\"]");
    EXPECT_EQ(bench->matches("none"), 2U);
}

// A database as `[geo] country` gives it.
Bench::Adjust knowing_countries() {
    std::string name = "/tmp/sluice-countries-XXXXXX";
    const int descriptor = mkstemp(name.data());
    const std::string bytes = policy::testing::CountryDatabase({{"127.0.0.0", 8, "DE"}, {"192.0.2.0", 24, "FR"}}).bytes();
    EXPECT_EQ(write(descriptor, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    close(descriptor);
    auto countries = policy::Countries::load(name);
    unlink(name.c_str());
    return [countries = countries.value()](Settings& settings) { settings.countries = countries; };
}

TEST(Judge, countries_of_clients_and_servers) {
    Bench bench({rule("home", "client.geo.country_iso_code == \"DE\" and url.path == \"/home\"", "block"),
                 rule("away", "server.geo.country_iso_code == \"FR\" and url.path == \"/away\"", "block")},
                "allow", knowing_countries());
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(get("/home"));
    EXPECT_THAT(client.take(), StartsWith("HTTP/1.1 403 "));
    client.send(get("/else"));
    server.take();
    server.send(ok("x"));
    EXPECT_EQ(client.take(), ok_relayed("x"));
    client.send(get("/away"));
    EXPECT_THAT(client.wait_for("</html>"), Not(HasSubstr("HTTP/1.1 200 ")));
    ASSERT_EQ(bench.events().size(), 3U);
    EXPECT_EQ(value(bench.events()[0], "rule.name"), "home");
    EXPECT_EQ(value(bench.events()[0], "client.geo.country_iso_code"), "DE");
    EXPECT_EQ(value(bench.events()[0], "server.geo.country_iso_code"), "");
    EXPECT_EQ(value(bench.events()[1], "server.geo.country_iso_code"), "FR");
    EXPECT_EQ(bench.matches("away"), 1U);
    EXPECT_EQ(server.take(), "");
}

TEST(Judge, trust_of_a_dead_connection_is_not_trust_of_the_next) {
    Bench bench({rule("trusted", "server.ip == 192.0.2.80", "trust"), rule("kept-out", "server.ip == 127.0.0.1", "block")});
    bench.name("server.test", {"127.0.0.1"});
    bench.server().close();
    Peer& client = bench.client();
    client.send(get());
    EXPECT_THAT(client.wait_for("</html>"), StartsWith("HTTP/1.1 403 "));
    EXPECT_EQ(value(bench.event(), "rule.name"), "kept-out");
}

TEST(Judge, a_new_user_file_is_not_taken_for_the_old_one) {
    const Users users;
    Bench bench({authenticating(users, "login", "url.scheme == \"http\"")});
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(get_as("ann:secret"));
    EXPECT_THAT(server.wait_for("\r\n\r\n"), StartsWith("GET / "));
    server.send(ok("x"));
    client.wait_for("\r\n\r\nx");
    std::ofstream(users.path()) << "ann:{SHA}000000000000000000000000000=\n";
    bench.reload({authenticating(users, "login", "url.scheme == \"http\"")});
    client.send(get_as("ann:secret"));
    EXPECT_THAT(client.wait_for("</html>"), StartsWith("HTTP/1.1 407 "));
}

TEST(Judge, protect_host_comes_before_every_rule) {
    Bench bench({rule("all", "url.scheme == \"http\"", "trust")}, "allow", [](Settings& settings) {
        settings.protect_host = std::make_shared<const policy::ProtectHost>(policy::ProtectHost::Self{{}, {}});
        settings.clients.push_back(*IpNetwork::parse("10.0.0.0/8"));
    });
    Peer& client = bench.client("10.0.0.1:1");
    client.send("GET http://127.0.0.1:8000/ HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n");
    EXPECT_THAT(client.take(), AllOf(StartsWith("HTTP/1.1 403 "), HasSubstr("error=destination_ip_prohibited")));
    EXPECT_EQ(value(bench.event(), "rule.name"), "protect-host");
}

}  // namespace
}  // namespace sluice::http
