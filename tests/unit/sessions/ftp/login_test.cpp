// SPDX-License-Identifier: Apache-2.0
// USER and PASS: to which server, and who.
#include <gmock/gmock.h>

#include "policy/protect_host.h"
#include "unit/sessions/ftp/support.h"

namespace sluice::ftp {
namespace {

using namespace testing;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(Login, is_the_servers_to_grant) {
    Scene scene;
    scene.log_in();
    EXPECT_EQ(scene.bench.gauge(audit::Gauge::server_connections), 1);
    const Record& event = scene.bench.event();
    EXPECT_EQ(value(event, "ftp.command"), "PASS");
    EXPECT_EQ(value(event, "ftp.argument"), "");
    EXPECT_EQ(value(event, "ftp.reply"), "230");
    EXPECT_EQ(value(event, "event.action"), "allowed");
    EXPECT_EQ(value(event, "event.outcome"), "success");
    EXPECT_EQ(value(event, "user.name"), "ann");
    EXPECT_EQ(value(event, "server.address"), "127.0.0.1");
    EXPECT_EQ(value(event, "server.ip"), "127.0.0.1");
    EXPECT_EQ(value(event, "server.port"), std::to_string(scene.port));
}

TEST(Login, names_its_server) {
    Scene scene;
    EXPECT_THAT(scene.ask("USER ann"), AllOf(StartsWith("530 "), HasSubstr("USER user@host")));
    EXPECT_THAT(scene.ask("USER"), StartsWith("530 "));
    EXPECT_THAT(scene.ask("USER ann@"), StartsWith("530 "));
    EXPECT_THAT(scene.ask("USER ann@host:x"), StartsWith("530 "));
    EXPECT_THAT(scene.ask("USER ann@host:99999"), StartsWith("530 "));
    const auto& events = scene.bench.events();
    ASSERT_EQ(events.size(), 5U);
    for (const Record& event : events) {
        EXPECT_EQ(value(event, "event.action"), "refused");
        EXPECT_EQ(value(event, "ftp.command"), "USER");
        EXPECT_EQ(value(event, "ftp.reply"), "530");
    }
    EXPECT_THAT(scene.ask("PASS secret"), StartsWith("503 ")) << "there is nobody to say it to";
}

TEST(Login, the_last_at_divides) {
    Scene scene;
    scene.say_user("ann@example.org");                   // the server hears all of it
}

TEST(Login, finds_the_server_by_name) {
    Scene scene;
    scene.bench.name("ftp.test", {"127.0.0.1"});
    scene.client.say("USER ann@FTP.test:" + std::to_string(scene.port));
    scene.server.emplace(scene.bench.accept());
    scene.server->say("220 Hello.");
    EXPECT_EQ(scene.server->line(), "USER ann");
    scene.server->say("230 Welcome.");
    EXPECT_EQ(scene.server->line(), "PWD");
    scene.server->say("257 \"/\"");
    EXPECT_EQ(scene.client.reply(), "230 Welcome.");
    EXPECT_EQ(value(scene.bench.event(), "server.address"), "ftp.test");
    EXPECT_EQ(value(scene.bench.event(), "url.domain"), "ftp.test");
}

TEST(Login, of_a_name_that_nobody_has) {
    Scene scene({}, "allow", [](Settings& settings) { settings.limits.resolve = std::chrono::milliseconds(200); });
    scene.bench.name("ftp.test", {"127.0.0.1"});
    EXPECT_THAT(scene.ask("USER ann@other.test"), StartsWith("421 "));
    EXPECT_TRUE(scene.client.has_ended());
    EXPECT_EQ(value(scene.bench.event(), "event.action"), "failed");
    EXPECT_THAT(value(scene.bench.event(), "error.type"), StartsWith("dns_"));
}

TEST(Login, to_a_port_that_is_not_allowed) {
    Scene scene({}, "allow", [](Settings& settings) { settings.ports = {{21, 21}, {990, 990}}; });
    EXPECT_THAT(scene.ask("USER ann@" + scene.server_name()), StartsWith("530 "));
    EXPECT_EQ(value(scene.bench.event(), "event.action"), "refused");
    EXPECT_EQ(value(scene.bench.event(), "event.reason"), "the port is not in ftp.ports");
    scene.bench.breathe();
    EXPECT_THAT(scene.ask("NOOP"), StartsWith("200 ")) << "the session goes on";
}

TEST(Login, to_a_server_that_is_not_there) {
    Scene scene;
    EXPECT_THAT(scene.ask("USER ann@127.0.0.1:" + std::to_string(Bench::dead_port())), StartsWith("421 "));
    EXPECT_TRUE(scene.client.has_ended());
    const Record& event = scene.bench.event();
    EXPECT_EQ(value(event, "event.action"), "failed");
    EXPECT_EQ(value(event, "error.type"), "connection_refused");
    EXPECT_EQ(value(event, "server.ip"), "127.0.0.1");
    EXPECT_EQ(value(event, "ftp.reply"), "421");
}

TEST(Login, to_a_server_that_refuses) {
    Scene scene;
    scene.client.say("USER ann@" + scene.server_name());
    Speaker server(scene.bench.accept());
    server.say("421 Too many users.");
    EXPECT_THAT(scene.client.reply(), AllOf(StartsWith("421 "), HasSubstr("Too many users.")));
    EXPECT_TRUE(scene.client.has_ended());
    EXPECT_EQ(value(scene.bench.event(), "event.action"), "failed");
    EXPECT_EQ(value(scene.bench.event(), "error.type"), "destination_unavailable");
}

TEST(Login, to_a_server_that_asks_for_patience_first) {
    Scene scene;
    scene.client.say("USER ann@" + scene.server_name());
    Speaker server(scene.bench.accept());
    server.say("120 In a minute.");
    scene.bench.breathe();
    EXPECT_EQ(server.nothing(), "");
    server.say("220-Welcome\r\n 220 to\r\n220 us.");
    EXPECT_EQ(server.line(), "USER ann");
    server.say("331 Password, please.");
    EXPECT_THAT(scene.client.reply(), StartsWith("331 "));
}

TEST(Login, to_a_server_that_closes_before_it_has_said_a_word) {
    Scene scene;
    scene.client.say("USER ann@" + scene.server_name());
    scene.bench.accept().close();
    EXPECT_THAT(scene.client.reply(), StartsWith("421 "));
    EXPECT_TRUE(scene.client.has_ended());
    EXPECT_EQ(value(scene.bench.event(), "event.action"), "failed");
}

// Whether a name is known there, nobody learns without the password (RFC 2577 7).
TEST(Login, every_name_is_asked_for_a_password) {
    Scene scene;
    scene.client.say("USER eve@" + scene.server_name());
    Speaker server(scene.bench.accept());
    server.say("220 Hello.");
    EXPECT_EQ(server.line(), "USER eve");
    server.say("530 Who?");
    EXPECT_THAT(scene.client.reply(), StartsWith("331 "));
    EXPECT_THAT(scene.ask("PASS secret"), StartsWith("530 "));
    scene.bench.breathe();
    EXPECT_EQ(server.nothing(), "") << "no password goes where it is no use";
    EXPECT_THAT(scene.ask("PWD"), StartsWith("530 "));
}

TEST(Login, without_a_password_is_recorded_too) {
    Scene scene;
    scene.client.say("USER ftp@" + scene.server_name());
    Speaker server(scene.bench.accept());
    server.say("220 Hello.");
    server.line();
    server.say("230 Welcome.");
    EXPECT_EQ(server.line(), "PWD");
    server.say("500 What?");                             // it is still a login
    EXPECT_EQ(scene.client.reply(), "230 Welcome.");
    EXPECT_EQ(value(scene.bench.event(), "ftp.command"), "USER");
    EXPECT_EQ(value(scene.bench.event(), "user.name"), "ftp");
    EXPECT_THAT(scene.ask("PASS x"), StartsWith("503 "));
}

TEST(Login, may_want_an_account) {
    Scene scene;
    scene.say_user();
    EXPECT_EQ(scene.relay("PASS secret", "332 Account?"), "332 Account?");
    EXPECT_THAT(scene.ask("PWD"), StartsWith("530 "));
    scene.client.say("ACCT 4711");
    EXPECT_EQ(scene.server->line(), "ACCT 4711");
    scene.server->say("230 Welcome.");
    EXPECT_EQ(scene.server->line(), "PWD");
    scene.server->say("257 \"/\"");
    EXPECT_EQ(scene.client.reply(), "230 Welcome.");
    for (const Record& event : scene.bench.events())
        for (const auto& [key, text] : event) EXPECT_THAT(text, AllOf(Not(HasSubstr("secret")), Not(HasSubstr("4711")))) << key;
}

TEST(Login, three_wrong_passwords_are_the_end) {
    Scene scene;
    scene.say_user();
    EXPECT_EQ(scene.relay("PASS a", "530 No."), "530 No.");
    EXPECT_EQ(scene.relay("PASS b", "530 No."), "530 No.");
    EXPECT_THAT(scene.relay("PASS c", "530 No."), StartsWith("421 "));
    EXPECT_TRUE(scene.client.has_ended());
    scene.server->peer().wait_for_end();
    ASSERT_EQ(scene.bench.events().size(), 3U);
    for (const Record& event : scene.bench.events()) {
        EXPECT_EQ(value(event, "event.action"), "failed");
        EXPECT_EQ(value(event, "event.outcome"), "failure");
    }
}

TEST(Login, wrong_passwords_are_counted_over_all_names_and_servers) {
    Scene scene;
    for (int i = 0; i < 3; ++i) {
        scene.say_user("ann" + std::to_string(i));
        EXPECT_THAT(scene.relay("PASS a", "530 No."), StartsWith(i < 2 ? "530 " : "421 "));
    }
    EXPECT_TRUE(scene.client.has_ended());
}

TEST(Login, once_more_begins_anew) {
    Scene scene;
    scene.log_in();
    EXPECT_THAT(scene.ask("REST 5"), StartsWith("350 "));
    Speaker first = *scene.server;
    scene.say_user("bo");
    EXPECT_EQ(first.line(), "QUIT");
    EXPECT_TRUE(first.has_ended());
    EXPECT_THAT(scene.ask("PWD"), StartsWith("530 ")) << "nobody is logged in";
    EXPECT_EQ(scene.bench.gauge(audit::Gauge::server_connections), 1);
}

TEST(Login, is_forgotten_by_rein) {
    Scene scene;
    scene.log_in();
    const std::uint16_t data = scene.passive();
    EXPECT_THAT(scene.ask("REIN"), StartsWith("220 "));
    EXPECT_EQ(scene.server->line(), "QUIT");
    EXPECT_THAT(scene.ask("PWD"), StartsWith("530 "));
    EXPECT_THAT(scene.ask("PASS secret"), StartsWith("503 "));
    EXPECT_ANY_THROW(scene.bench.dial(data));
    scene.log_in();
}

// The server's port is known before the configuration is: it is free, and taken by the bench afterwards.
TEST(Login, of_a_fixed_server_names_none) {
    const std::uint16_t port = Bench::dead_port();
    Bench bench({}, "allow", [&](Settings& settings) {
        settings.ports = {};
        settings.upstream = FixedServer{.host = parse_authority("127.0.0.1", false).value(), .port = port};
    });
    bench.listen(port);
    Speaker client(bench.client());
    EXPECT_EQ(client.reply(), "220 FTP proxy ready.");
    client.say("USER ann@example.org");
    Speaker server(bench.accept());
    server.say("220 Hello.");
    EXPECT_EQ(server.line(), "USER ann@example.org") << "byte for byte";
    server.say("331 Password?");
    EXPECT_EQ(client.reply(), "331 Password?");
}

TEST(Login, needs_a_server_for_what_is_its_own) {
    Scene scene;
    for (const std::string_view line : {"PWD", "CWD a", "RETR a", "STOR a", "LIST", "PASV", "EPSV", "PORT 127,0,0,1,200,10", "TYPE I",
                                        "MODE S", "SYST", "REST 5", "SITE CHMOD 600 a", "ABOR", "STAT"})
        EXPECT_THAT(scene.ask(line), StartsWith("530 ")) << line;
    EXPECT_THAT(scene.ask("ACCT x"), StartsWith("503 "));
    EXPECT_TRUE(scene.bench.events().empty());
}

TEST(Login, what_protects_the_host_is_judged_at_every_dial) {
    const auto guard = [](std::uint16_t own) {
        return std::make_shared<const policy::ProtectHost>(
            policy::ProtectHost::Self{.interface_addresses = {}, .listeners = {{IpAddress::v4(0x7f000001), own}}});
    };
    Scene scene({}, "allow", [&](Settings& settings) { settings.protect_host = guard(2121); });
    EXPECT_THAT(scene.ask("USER ann@127.0.0.1:2121"), AllOf(StartsWith("530 "), HasSubstr("blocked by rule protect-host (")));
    const Record& event = scene.bench.event();
    EXPECT_EQ(value(event, "event.action"), "blocked");
    EXPECT_EQ(value(event, "rule.name"), "protect-host");
    EXPECT_EQ(value(event, "error.type"), "destination_ip_prohibited");
    scene.log_in();                                      // who is on loopback may go there
}

TEST(Directory, is_followed_so_that_rules_see_whole_paths) {
    Scene scene;
    scene.log_in("/home/ann");
    EXPECT_EQ(scene.relay("DELE x", "250 Gone."), "250 Gone.");
    EXPECT_EQ(scene.relay("CWD pub", "250 There."), "250 There.");
    EXPECT_EQ(scene.relay("DELE x", "250 Gone."), "250 Gone.");
    EXPECT_EQ(scene.relay("CWD nowhere", "550 No."), "550 No.");
    EXPECT_EQ(scene.relay("CDUP", "250 There."), "250 There.");
    EXPECT_EQ(scene.relay("CDUP", "250 There."), "250 There.");
    EXPECT_EQ(scene.relay("DELE ../x", "250 Gone."), "250 Gone.");
    EXPECT_EQ(scene.relay("XCWD /srv//a/./b/", "250 There.", "CWD /srv//a/./b/"), "250 There.");
    EXPECT_EQ(scene.relay("DELE x.Tar.GZ", "250 Gone."), "250 Gone.");
    EXPECT_EQ(scene.relay("PWD", "257 \"/else \"\"where\"\"\" it is"), "257 \"/else \"\"where\"\"\" it is");
    EXPECT_EQ(scene.relay("DELE x", "250 Gone."), "250 Gone.");
    std::vector<std::string> paths;
    for (const Record& event : scene.bench.events())
        if (value(event, "ftp.command") == "DELE") paths.push_back(value(event, "url.path"));
    EXPECT_THAT(paths, ::testing::ElementsAre("/home/ann/x", "/home/ann/pub/x", "/x", "/srv/a/b/x.Tar.GZ", "/else \"where\"/x"));
}

TEST(Directory, of_another_login_is_another) {
    Scene scene;
    scene.log_in("/home/ann");
    scene.relay("CWD pub", "250 There.");
    scene.log_in("/srv");
    scene.relay("DELE x", "250 Gone.");
    EXPECT_EQ(value(scene.bench.events().back(), "url.path"), "/srv/x");
}

}  // namespace
}  // namespace sluice::ftp
