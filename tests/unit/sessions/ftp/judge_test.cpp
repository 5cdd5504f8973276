// SPDX-License-Identifier: Apache-2.0
// What rules see, phase by phase, and what a denial is called in FTP's words.
#include <gmock/gmock.h>

#include "unit/sessions/ftp/support.h"

namespace sluice::ftp {
namespace {

using namespace testing;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// "<what>: blocked by rule <name> (<id>)"
auto blocked(int code, std::string_view what, std::string_view name) {
    return ::testing::MatchesRegex(std::to_string(code) + " " + std::string(what) + ": blocked by rule " + std::string(name) +
                                   " \\([^ ]+\\)");
}

void expect_denied(Scene& scene, std::string_view rule_name, std::string_view action = "blocked") {
    const Record& event = scene.bench.events().back();
    EXPECT_EQ(value(event, "event.action"), action);
    EXPECT_EQ(value(event, "rule.name"), rule_name);
    EXPECT_EQ(value(event, "event.outcome"), "failure");
    scene.bench.breathe();
    EXPECT_EQ(scene.server->nothing(), "") << "a refused command never reaches the server";
}

policy::RuleSource limited(std::string_view name, std::string_view when, std::string_view rate) {
    policy::RuleSource source = rule(name, when, "limit");
    source.rate = text(rate);
    source.per = {text("client.ip")};
    return source;
}

policy::RuleSource tagging(std::string_view name, std::string_view when, std::string_view tag) {
    policy::RuleSource source = rule(name, when, "tag");
    source.tags = {text(tag)};
    return source;
}

TEST(Judge, a_command) {
    Scene scene({rule("no-dele", "ftp.command == \"DELE\"", "block")});
    scene.log_in();
    EXPECT_THAT(scene.ask("dele a.txt"), blocked(550, "/home/ann/a.txt", "no-dele"));
    expect_denied(scene, "no-dele");
    EXPECT_EQ(value(scene.bench.events().back(), "ftp.reply"), "550");
    EXPECT_EQ(value(scene.bench.events().back(), "url.path"), "/home/ann/a.txt");
    EXPECT_EQ(scene.relay("RMD a", "250 Gone."), "250 Gone.");
    EXPECT_EQ(scene.bench.matches("no-dele"), 1U);
}

TEST(Judge, with_the_code_that_fits_the_command) {
    const std::vector<std::pair<std::string, int>> commands{{"STOR a", 553},
                                                            {"STOU", 553},
                                                            {"APPE a", 553},
                                                            {"RETR a", 550},
                                                            {"LIST", 550},
                                                            {"MLSD a", 550},
                                                            {"PORT 127,0,0,1,200,10", 504},
                                                            {"PASV", 550},
                                                            {"EPSV", 550},
                                                            {"MKD a", 550},
                                                            {"CWD a", 550},
                                                            {"SIZE a", 550},
                                                            {"EPRT |1|127.0.0.1|51210|", 504},
                                                            {"XMKD a", 550},
                                                            {"MFMT 20261127101112 a", 550}};
    Scene scene({rule("none", "ftp.command != \"PASS\"", "block")});
    scene.log_in();
    for (const auto& [line, code] : commands) {
        EXPECT_THAT(scene.ask(line), AllOf(StartsWith(std::to_string(code) + " "), HasSubstr("blocked by rule none ("))) << line;
        expect_denied(scene, "none");
    }
}

// A data connection by itself does nothing: the transfer is what the default is about.
TEST(Judge, by_default_what_no_rule_allows) {
    Scene scene({rule("login", "ftp.command == \"PASS\"", "allow")}, "block");
    scene.log_in();
    for (const std::string_view line : {"RETR a", "STOR a", "LIST", "DELE a", "CWD a", "SYST", "PWD"}) {
        EXPECT_THAT(scene.ask("PASV"), StartsWith("227 "));
        EXPECT_THAT(scene.ask(line), HasSubstr("blocked by rule policy.default (")) << line;
        expect_denied(scene, "");
        EXPECT_EQ(value(scene.bench.events().back(), "event.reason"), "No rule allows it.");
    }
}

TEST(Judge, a_login) {
    Scene scene({rule("no-login", "ftp.command == \"PASS\" and user.name == \"ann\"", "block")});
    scene.say_user();
    EXPECT_THAT(scene.ask("PASS secret"), blocked(530, "127.0.0.1", "no-login"));
    EXPECT_EQ(scene.server->line(), "QUIT") << "and no password";
    EXPECT_EQ(value(scene.bench.events().back(), "rule.name"), "no-login");
    EXPECT_THAT(scene.ask("PASS secret"), StartsWith("503 "));
    scene.say_user("bo");
    scene.client.say("PASS secret");
    EXPECT_EQ(scene.server->line(), "PASS secret");
}

TEST(Judge, a_server_by_its_name_and_by_its_address) {
    for (const std::string_view when :
         {"url.domain == \"ftp.test\"", "server.address == \"ftp.test\"", "server.ip in 127.0.0.0/8", "user.name == \"ann\""}) {
        SCOPED_TRACE(when);
        Scene scene({rule("not-there", when, "block")});
        scene.bench.name("ftp.test", {"127.0.0.1"});
        EXPECT_THAT(scene.ask("USER ann@ftp.test:" + std::to_string(scene.port)), blocked(530, "ftp.test", "not-there"));
        EXPECT_EQ(value(scene.bench.event(), "rule.name"), "not-there");
        EXPECT_EQ(value(scene.bench.event(), "event.action"), "blocked");
        EXPECT_THAT(scene.ask("PASS secret"), StartsWith("503 "));
        scene.client.peer().close();
        EXPECT_EQ(scene.bench.accept_if_dialled(), nullptr);
    }
}

TEST(Judge, an_address_as_if_it_were_the_only_one) {
    Scene scene({rule("not-there", "server.ip == 127.0.0.9", "block")});
    scene.bench.name("ftp.test", {"127.0.0.9", "127.0.0.1"});
    scene.client.say("USER ann@ftp.test:" + std::to_string(scene.port));
    Speaker server(scene.bench.accept());
    server.say("220 Hello.");
    EXPECT_EQ(server.line(), "USER ann");
}

TEST(Judge, a_path_whatever_way_it_is_written) {
    Scene scene({rule("secret", "url.path starts_with \"/home/ann/secret\"", "block")});
    scene.log_in();
    for (const std::string_view path :
         {"secret/a", "./secret/../secret//a", "/home/ann/secret/a", "../ann/secret/a", "/home//ann/./secret/a"}) {
        EXPECT_THAT(scene.ask("RETR " + std::string(path)), blocked(550, "/home/ann/secret/a", "secret")) << path;
        expect_denied(scene, "secret");
    }
    EXPECT_THAT(scene.ask("CWD secret"), blocked(550, "/home/ann/secret", "secret"));
    EXPECT_THAT(scene.ask("STAT -l secret"), blocked(550, "/home/ann/secret", "secret"));
    EXPECT_THAT(scene.ask("LIST -a secret"), blocked(550, "/home/ann/secret", "secret"));
    EXPECT_EQ(scene.relay("CWD pub", "250 There."), "250 There.");
    EXPECT_THAT(scene.ask("CWD ../secret"), blocked(550, "/home/ann/secret", "secret"));
    EXPECT_EQ(scene.relay("DELE secret", "250 Gone."), "250 Gone.") << "/home/ann/pub/secret is another";
}

TEST(Judge, the_name_that_a_file_gets) {
    Scene scene({rule("no-exe", "url.extension == \"exe\"", "block")});
    scene.log_in();
    EXPECT_THAT(scene.ask("RNTO b"), StartsWith("503 ")) << "of what?";
    EXPECT_EQ(scene.relay("RNFR a.txt", "350 To what?"), "350 To what?");
    EXPECT_THAT(scene.ask("RNTO a.EXE"), blocked(553, "/home/ann/a.EXE", "no-exe"));
    expect_denied(scene, "no-exe");
    EXPECT_EQ(scene.relay("RNTO b.txt", "250 It is."), "250 It is.");
    EXPECT_EQ(value(scene.bench.events().back(), "ftp.command"), "RNTO");
    EXPECT_THAT(scene.ask("RNTO c.txt"), StartsWith("503 ")) << "once";
    EXPECT_THAT(scene.ask("RNFR b.exe"), StartsWith("550 "));
}

TEST(Judge, an_upload_by_its_direction_name_and_type) {
    for (const std::string_view when : {"payload.direction == \"upload\"", "file.extension == \"exe\"", "file.name == \"a.exe\"",
                                        "file.mime_type == \"application/vnd.microsoft.portable-executable\""}) {
        SCOPED_TRACE(when);
        Scene scene({rule("no-upload", when, "block")}, "allow", inspecting());
        scene.log_in();
        scene.open_data();
        scene.client.say("STOR a.exe");
        EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
        scene.client_data->send(program());
        scene.client_data->shutdown_write();
        EXPECT_THAT(scene.client.reply(), blocked(550, "/home/ann/a.exe", "no-upload"));
        expect_denied(scene, "no-upload");
        EXPECT_EQ(value(scene.bench.events().back(), "file.extension"), "exe");
        EXPECT_EQ(value(scene.bench.events().back(), "file.mime_type"), "application/vnd.microsoft.portable-executable");
        if (when.starts_with("payload")) EXPECT_EQ(scene.retrieve("a.exe", program()), program()) << "the other way is another";
    }
}

TEST(Judge, a_download_by_its_name_and_type) {
    for (const std::string_view when :
         {"payload.direction == \"download\"", "file.extension == \"zip\"", "file.mime_type == \"application/zip\""}) {
        SCOPED_TRACE(when);
        Scene scene({rule("no-download", when, "block")}, "allow", inspecting());
        scene.log_in();
        scene.open_data();
        scene.client.say("RETR a.zip");
        scene.serve_data("RETR a.zip");
        scene.server_data->send(archive());
        scene.server_data->wait_for_end();
        EXPECT_TRUE(scene.server_data->was_reset()) << "no more of it is fetched";
        scene.hear_abort();
        EXPECT_THAT(scene.client.reply(), blocked(550, "/home/ann/a.zip", "no-download"));
        EXPECT_TRUE(scene.is_data_broken());
        expect_denied(scene, "no-download");
        if (when.starts_with("payload")) EXPECT_EQ(scene.store("a.zip", archive()), archive()) << "the other way is another";
    }
}

TEST(Judge, the_name_that_the_server_makes) {
    Scene scene({rule("no-exe", "file.extension == \"exe\"", "block")}, "allow", inspecting());
    scene.log_in();
    scene.open_data();
    scene.client.say("STOU");
    scene.serve_data("STOU", "150 FILE: u1.exe");
    EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
    scene.client_data->send("hello");
    scene.client_data->close();
    scene.server_data->wait_for_end();
    EXPECT_TRUE(scene.server_data->was_reset());
    scene.hear_abort();
    EXPECT_EQ(scene.server->line(), "DELE u1.exe");
    scene.server->say("250 Gone.");
    EXPECT_THAT(scene.client.reply(), blocked(550, "/home/ann/u1.exe", "no-exe"));
}

TEST(Judge, a_payload_when_it_is_known_to_be_whole) {
    for (const std::string_view when : {"file.size > 1000", "server.bytes > 1000", "scan.verdict == \"clean\""}) {
        SCOPED_TRACE(when);
        policy::RuleSource source = rule("large", when, "block");
        source.phase = text("verdict");
        Scene scene({source}, "allow", inspecting());
        scene.log_in();
        scene.open_data();
        scene.client.say("RETR a.zip");
        scene.serve_data("RETR a.zip");
        scene.server_data->send(archive());
        scene.server_data->close();
        scene.server->say("226 That was all.");
        EXPECT_THAT(scene.client.reply(), blocked(550, "/home/ann/a.zip", "large"));
        EXPECT_TRUE(scene.is_data_broken());
        expect_denied(scene, "large");
    }
}

TEST(Judge, what_is_quarantined_is_blocked_though_there_is_no_quarantine) {
    Scene scene({rule("keep", "scan.verdict == \"infected\"", "quarantine")}, "allow", inspecting());
    scene.log_in();
    scene.open_data();
    scene.client.say("STOR a");
    EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
    scene.client_data->send(eicar());
    scene.client_data->close();
    EXPECT_THAT(scene.client.reply(), blocked(550, "/home/ann/a", "keep"));
    expect_denied(scene, "keep");
    EXPECT_THAT(value(scene.bench.events().back(), "event.reason"), HasSubstr("no copy was kept"));
    EXPECT_EQ(scene.bench.counter(audit::Counter::quarantine_failed), 1U);
}

TEST(Judge, a_reply) {
    Scene scene({rule("no-sizes", "ftp.reply == 213 and ftp.command == \"SIZE\"", "block"),
                 rule("no-150", "ftp.reply == 150 and url.path == \"/x\"", "block")},
                "allow", inspecting());
    scene.log_in();
    EXPECT_THAT(scene.relay("SIZE a", "213 10"), blocked(550, "/home/ann/a", "no-sizes"));
    expect_denied(scene, "no-sizes");
    EXPECT_EQ(scene.relay("MDTM a", "213 20261127101112"), "213 20261127101112");
    scene.open_data();
    scene.client.say("RETR /x");
    scene.serve_data("RETR /x");
    scene.server_data->wait_for_end();
    scene.hear_abort();
    EXPECT_THAT(scene.client.reply(), blocked(550, "/x", "no-150"));
    expect_denied(scene, "no-150");
    EXPECT_EQ(scene.retrieve("/y", "hello"), "hello");
}

TEST(Judge, limits_what_is_too_much) {
    Scene scene({limited("slow", "ftp.command == \"MKD\"", "2/h")});
    scene.log_in();
    EXPECT_EQ(scene.relay("MKD a", "257 \"a\""), "257 \"a\"");
    EXPECT_EQ(scene.relay("MKD b", "257 \"b\""), "257 \"b\"");
    EXPECT_EQ(scene.relay("RMD a", "250 Gone."), "250 Gone.");
    EXPECT_THAT(scene.ask("MKD c"), StartsWith("421 "));
    EXPECT_TRUE(scene.client.has_ended());
    const Record& event = scene.bench.events().back();
    EXPECT_EQ(value(event, "event.action"), "limited");
    EXPECT_EQ(value(event, "rule.name"), "slow");
    EXPECT_EQ(value(event, "ftp.reply"), "421");
}

TEST(Judge, resets) {
    Scene scene({rule("away", "ftp.command == \"DELE\"", "reset")});
    scene.log_in();
    scene.client.say("DELE a");
    EXPECT_EQ(scene.client.peer().wait_for_end(), "");
    EXPECT_TRUE(scene.client.peer().was_reset());
    EXPECT_TRUE(scene.bench.wait_for_sessions());
    EXPECT_EQ(value(scene.bench.events().back(), "event.action"), "reset");
    scene.server->peer().wait_for_end();
    EXPECT_THAT(scene.server->nothing(), Not(HasSubstr("DELE")));
}

TEST(Judge, resets_what_is_infected) {
    Scene scene({rule("away", "scan.verdict == \"infected\"", "reset")}, "allow", inspecting());
    scene.log_in();
    scene.open_data();
    scene.client.say("STOR a");
    EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
    scene.client_data->send(eicar());
    scene.client_data->close();
    scene.client.peer().wait_for_end();
    EXPECT_TRUE(scene.client.peer().was_reset());
    EXPECT_TRUE(scene.bench.wait_for_sessions());
    EXPECT_EQ(value(scene.bench.events().back(), "event.action"), "reset");
}

TEST(Judge, trusts_and_asks_nobody_any_more) {
    Scene scene({rule("ours", "user.name == \"ann\"", "trust"), rule("no-dele", "ftp.command == \"DELE\"", "block")}, "block",
                inspecting());
    scene.log_in();
    EXPECT_EQ(scene.relay("DELE a", "250 Gone."), "250 Gone.");
    EXPECT_EQ(scene.retrieve("eicar.com", eicar()), eicar());
    const Record& event = scene.bench.events().back();
    EXPECT_EQ(value(event, "scan.verdict"), "skipped");
    EXPECT_EQ(value(event, "rule.name"), "ours");
    scene.server.reset();
    scene.say_user("bo");
    EXPECT_THAT(scene.ask("PASS secret"), StartsWith("530 ")) << "somebody else is not trusted";
}

TEST(Judge, trusts_a_single_command) {
    Scene scene({rule("ours", "url.path == \"/home/ann/eicar.com\"", "trust")}, "allow", inspecting());
    scene.log_in();
    EXPECT_EQ(scene.retrieve("eicar.com", eicar()), eicar());
    scene.open_data();
    scene.client.say("RETR other.com");
    scene.serve_data("RETR other.com");
    scene.server_data->send(eicar());
    scene.server_data->close();
    scene.server->say("226 That was all.");
    EXPECT_THAT(scene.client.reply(), blocked(550, "/home/ann/other.com", "malware"));
}

TEST(Judge, allows_what_is_blocked_by_default) {
    Scene scene({rule("reading", "ftp.command in {\"PASS\", \"PASV\", \"RETR\", \"SIZE\"}", "allow")}, "block", inspecting());
    scene.log_in();
    EXPECT_EQ(scene.retrieve("a.txt", "hello"), "hello");
    EXPECT_EQ(value(scene.bench.events().back(), "rule.name"), "reading");
    EXPECT_EQ(scene.relay("SIZE a", "213 10"), "213 10");
    EXPECT_THAT(scene.ask("DELE a"), AllOf(StartsWith("550 "), HasSubstr("blocked by rule policy.default (")));
    expect_denied(scene, "");
    scene.open_data();
    scene.client.say("RETR eicar.com");
    scene.serve_data("RETR eicar.com");
    scene.server_data->send(eicar());
    scene.server_data->close();
    scene.server->say("226 That was all.");
    EXPECT_THAT(scene.client.reply(), blocked(550, "/home/ann/eicar.com", "malware")) << "malware is judged all the same";
}

TEST(Judge, allows_a_server_for_all_that_follows) {
    Scene scene({rule("ours", "url.domain == \"127.0.0.1\"", "allow")}, "block");
    scene.log_in();
    EXPECT_EQ(scene.relay("DELE a", "250 Gone."), "250 Gone.");
    EXPECT_EQ(scene.retrieve("a.txt", "hello"), "hello");
}

TEST(Judge, tags_of_the_session_are_those_of_its_commands) {
    Scene scene({tagging("near", "client.ip in 127.0.0.0/8", "near"), tagging("anns", "user.name == \"ann\"", "anns"),
                 tagging("exe", "url.extension == \"exe\"", "exe"), rule("no-exe", "tags == \"anns\" and tags == \"exe\"", "block")});
    scene.log_in();
    EXPECT_EQ(value(scene.bench.event(), "tags"), R"(["near","anns"])");
    EXPECT_THAT(scene.ask("DELE a.exe"), blocked(550, "/home/ann/a.exe", "no-exe"));
    EXPECT_EQ(value(scene.bench.events().back(), "tags"), R"(["near","anns","exe"])");
    EXPECT_EQ(scene.relay("DELE a.txt", "250 Gone."), "250 Gone.");
    EXPECT_EQ(value(scene.bench.events().back(), "tags"), R"(["near","anns"])") << "of this one alone";
    Speaker other(scene.bench.client("127.0.0.1:40001"));
    other.reply();
    other.say("USER bo@" + scene.server_name());
    Speaker server(scene.bench.accept());
    server.say("220 Hello.");
    server.line();
    server.say("230 Welcome.");
    server.line();
    server.say("257 \"/\"");
    other.reply();
    EXPECT_EQ(value(scene.bench.events().back(), "tags"), R"(["near"])");
}

TEST(Judge, a_shadow_only_says_what_it_would_do) {
    policy::RuleSource source = rule("later", "ftp.command == \"DELE\"", "block");
    source.mode = text("shadow");
    Scene scene({source});
    scene.log_in();
    EXPECT_EQ(scene.relay("DELE a", "250 Gone."), "250 Gone.");
    EXPECT_EQ(value(scene.bench.events().back(), "rule.shadow"), R"(["later"])");
    EXPECT_EQ(value(scene.bench.events().back(), "event.action"), "allowed");
}

TEST(Reload, is_what_the_next_command_is_judged_by) {
    Scene scene;
    scene.log_in();
    EXPECT_EQ(scene.relay("DELE a", "250 Gone."), "250 Gone.");
    scene.bench.reload({rule("no-dele", "ftp.command == \"DELE\"", "block")});
    EXPECT_THAT(scene.ask("DELE a"), blocked(550, "/home/ann/a", "no-dele"));
    scene.bench.reload({});
    EXPECT_EQ(scene.relay("DELE a", "250 Gone."), "250 Gone.");
}

TEST(Reload, that_forbids_the_session_ends_it_at_the_next_command) {
    for (const std::string_view when :
         {"client.ip in 127.0.0.0/8", "user.name == \"ann\"", "url.domain == \"127.0.0.1\"", "server.ip in 127.0.0.0/8"}) {
        SCOPED_TRACE(when);
        Scene scene;
        scene.log_in();
        scene.bench.reload({rule("closed", when, "block")}, "allow", [](Settings& settings) { settings.ports = {{1, 65535}}; });
        EXPECT_EQ(scene.client.nothing(), "");
        EXPECT_THAT(scene.ask("DELE a"), AllOf(StartsWith("421 "), HasSubstr("blocked by rule closed (")));
        EXPECT_TRUE(scene.client.has_ended());
        scene.server->peer().wait_for_end();
        EXPECT_THAT(scene.server->nothing(), Not(HasSubstr("DELE")));
        const Record& event = scene.bench.events().back();
        EXPECT_EQ(value(event, "event.action"), "blocked");
        EXPECT_EQ(value(event, "rule.name"), "closed");
        EXPECT_EQ(value(event, "ftp.command"), "DELE");
    }
}

TEST(Reload, that_serves_the_client_no_more) {
    Scene scene;
    scene.log_in();
    scene.bench.reload({}, "allow", [](Settings& settings) { settings.clients = {*IpNetwork::parse("192.0.2.0/24")}; });
    EXPECT_THAT(scene.ask("DELE a"), StartsWith("421 "));
    EXPECT_TRUE(scene.client.has_ended());
    EXPECT_NE(value(scene.bench.events().back(), "event.action"), "allowed");
}

TEST(Reload, does_not_touch_the_transfer_under_way) {
    Scene scene({}, "allow", inspecting());
    scene.log_in();
    scene.open_data();
    scene.client.say("RETR a.txt");
    scene.serve_data("RETR a.txt");
    scene.bench.reload({rule("closed", "ftp.command == \"RETR\"", "block"), rule("no-text", "file.extension == \"txt\"", "block")}, "allow",
                       inspecting());
    scene.server_data->send("hello");
    scene.server_data->close();
    scene.server->say("226 That was all.");
    EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
    EXPECT_EQ(scene.client_data->wait_for_end(), "hello");
    EXPECT_EQ(scene.client.reply(), "226 That was all.");
    EXPECT_THAT(scene.ask("RETR a.txt"), blocked(550, "/home/ann/a.txt", "closed"));
}

TEST(Reload, before_a_login_counts_at_once) {
    Scene scene;
    scene.bench.reload({rule("closed", "user.name == \"ann\"", "block")});
    EXPECT_THAT(scene.ask("USER ann@" + scene.server_name()), blocked(530, "127.0.0.1", "closed"));
}

// What was said by rules that are gone is not said any more.
TEST(Reload, forgets_what_the_old_rules_said) {
    Scene scene({rule("ours", "user.name == \"ann\"", "trust"), tagging("anns", "user.name == \"ann\"", "anns")}, "allow", inspecting());
    scene.log_in();
    EXPECT_EQ(scene.retrieve("eicar.com", eicar()), eicar());
    scene.bench.reload({}, "allow", inspecting());
    scene.open_data();
    scene.client.say("RETR eicar.com");
    scene.serve_data("RETR eicar.com");
    scene.server_data->send(eicar());
    scene.server_data->close();
    scene.server->say("226 That was all.");
    EXPECT_THAT(scene.client.reply(), blocked(550, "/home/ann/eicar.com", "malware"));
    EXPECT_EQ(value(scene.bench.events().back(), "tags"), "");
}

}  // namespace
}  // namespace sluice::ftp
