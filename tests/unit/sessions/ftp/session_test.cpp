// SPDX-License-Identifier: Apache-2.0
// A session as a whole: who is served, what is answered here, data connections, and how it ends.
#include <gmock/gmock.h>

#include "unit/sessions/ftp/support.h"

namespace sluice::ftp {
namespace {

using namespace testing;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr std::string_view greeting = "220 FTP proxy ready. Say USER user@host.";

TEST(Session, greets) {
    Bench bench;
    Speaker client(bench.client());
    EXPECT_EQ(client.reply(), greeting);
    EXPECT_EQ(client.nothing(), "");
    EXPECT_EQ(bench.live(), 1U);
    EXPECT_EQ(bench.gauge(audit::Gauge::client_connections), 1);
    client.peer().close();
    EXPECT_TRUE(bench.wait_for_sessions());
    EXPECT_EQ(bench.gauge(audit::Gauge::client_connections), 0);
    EXPECT_TRUE(bench.events().empty());
}

TEST(Session, a_client_that_is_not_served_is_told_and_recorded) {
    Bench bench;
    Speaker client(bench.client("192.0.2.7:4000"));
    EXPECT_THAT(client.reply(), StartsWith("421 "));
    EXPECT_TRUE(client.has_ended());
    EXPECT_TRUE(bench.wait_for_sessions());
    const Record& event = bench.event();
    EXPECT_EQ(value(event, "event.action"), "refused");
    EXPECT_EQ(value(event, "event.outcome"), "failure");
    EXPECT_NE(value(event, "event.reason"), "");
    EXPECT_EQ(value(event, "client.ip"), "192.0.2.7");
    EXPECT_EQ(value(event, "network.protocol"), "ftp");
    EXPECT_EQ(bench.refusals(audit::Refusal::client_not_allowed), 1U);
}

TEST(Session, more_sessions_than_a_client_may_have) {
    Bench bench;
    bench.limit_sessions(2);
    Speaker first(bench.client("127.0.0.1:40000"));
    Speaker second(bench.client("127.0.0.1:40001"));
    EXPECT_EQ(first.reply(), greeting);
    EXPECT_EQ(second.reply(), greeting);
    Speaker third(bench.client("127.0.0.1:40002"));
    EXPECT_THAT(third.reply(), StartsWith("421 "));
    EXPECT_TRUE(third.has_ended());
    EXPECT_EQ(value(bench.event(), "event.action"), "refused");
    EXPECT_EQ(bench.refusals(audit::Refusal::client_limit), 1U);
    first.peer().close();
    bench.settle();
    Speaker fourth(bench.client("127.0.0.1:40003"));
    EXPECT_EQ(fourth.reply(), greeting) << "one has gone";
}

TEST(Session, more_connections_than_a_client_may_have) {
    Bench bench;
    bench.limit_clients(1);
    Speaker first(bench.client("127.0.0.1:40000"));
    EXPECT_EQ(first.reply(), greeting);
    Speaker second(bench.client("127.0.0.1:40001"));
    EXPECT_THAT(second.reply(), StartsWith("421 "));
}

TEST(Session, a_rule_of_the_client_is_judged_at_accept) {
    Bench bench({rule("not-you", "client.ip == 127.0.0.9", "block"), rule("go-away", "client.ip == 127.0.0.8", "reset")});
    Speaker blocked(bench.client("127.0.0.9:4000"));
    EXPECT_THAT(blocked.reply(), AllOf(StartsWith("421 "), HasSubstr("blocked by rule not-you (")));
    EXPECT_TRUE(blocked.has_ended());
    Peer& reset = bench.client("127.0.0.8:4000");
    EXPECT_EQ(reset.wait_for_end(), "");
    EXPECT_TRUE(reset.was_reset());
    ASSERT_EQ(bench.events().size(), 2U);
    EXPECT_EQ(value(bench.events()[0], "rule.name"), "not-you");
    EXPECT_EQ(value(bench.events()[0], "event.action"), "blocked");
    EXPECT_EQ(value(bench.events()[1], "event.action"), "reset");
    EXPECT_EQ(bench.refusals(audit::Refusal::policy), 2U);
}

TEST(Session, a_proxy_header_says_who_the_client_is) {
    Bench bench({}, "allow", [](Settings& settings) {
        settings.proxy_from = {*IpNetwork::parse("127.0.0.1")};
        settings.clients = {*IpNetwork::parse("192.0.2.0/24")};
    });
    Speaker client(bench.client());
    client.peer().send("PROXY TCP4 192.0.2.9 127.0.0.1 4567 2121\r\nNOOP\r\n");
    EXPECT_EQ(client.reply(), greeting);
    EXPECT_THAT(client.reply(), StartsWith("200 ")) << "what came with the header counts";
    Speaker stranger(bench.client("127.0.0.1:40001"));
    stranger.peer().send("PROXY TCP4 198.51.100.1 127.0.0.1 4567 2121\r\n");
    EXPECT_THAT(stranger.reply(), StartsWith("421 "));
    EXPECT_EQ(value(bench.event(), "client.ip"), "198.51.100.1");
}

TEST(Session, without_the_proxy_header_that_must_be_there) {
    Bench bench({}, "allow", [](Settings& settings) { settings.proxy_from = {*IpNetwork::parse("127.0.0.1")}; });
    Peer& client = bench.client();
    client.send("USER a@b\r\nPASS c\r\n");
    EXPECT_EQ(client.wait_for_end(), "");
    EXPECT_TRUE(client.was_reset());
    EXPECT_EQ(value(bench.event(), "event.action"), "refused");
    EXPECT_EQ(bench.refusals(audit::Refusal::proxy_header), 1U);
    Peer& balancer = bench.client("127.0.0.1:40001");    // that looks whether we are there
    balancer.close();
    EXPECT_TRUE(bench.wait_for_sessions());
    EXPECT_EQ(bench.events().size(), 1U);
}

TEST(Session, faults_of_a_line_are_answered_and_reach_no_server) {
    Scene scene({}, "allow", [](Settings& settings) { settings.limits.ftp_line = 100; });
    scene.log_in();
    EXPECT_THAT(scene.ask("CWD " + std::string(200, 'a')), StartsWith("500 "));
    EXPECT_THAT(scene.ask(std::string("CWD a\rb")), StartsWith("501 "));
    EXPECT_THAT(scene.ask(std::string("CWD a\0b", 7)), StartsWith("501 "));
    EXPECT_THAT(scene.ask("  CWD a"), StartsWith("500 "));
    EXPECT_THAT(scene.ask(""), StartsWith("500 "));
    EXPECT_THAT(scene.ask("XCRC a"), StartsWith("502 "));
    scene.bench.breathe();
    EXPECT_EQ(scene.server->nothing(), "");
}

TEST(Session, a_path_that_is_too_long) {
    Scene scene({}, "allow", [](Settings& settings) { settings.limits.ftp_path = 20; });
    scene.log_in();
    for (const std::string verb : {"CWD ", "RETR ", "STOR ", "LIST ", "DELE "}) {
        EXPECT_THAT(scene.ask(verb + "/0123456789/0123456789"), StartsWith("501 ")) << verb;
        EXPECT_THAT(scene.ask(verb + std::string(12, 'a')), StartsWith("501 ")) << verb << "in /home/ann";
    }
    EXPECT_EQ(scene.server->nothing(), "");
}

TEST(Session, modes_and_structures_that_hide_content_are_not_taken) {
    Scene scene;
    scene.log_in();
    EXPECT_THAT(scene.ask("MODE S"), StartsWith("200 "));
    EXPECT_THAT(scene.ask("mode s"), StartsWith("200 "));
    for (const std::string_view mode : {"MODE B", "MODE C", "MODE Z", "MODE", "MODE SS"})
        EXPECT_THAT(scene.ask(mode), StartsWith("504 ")) << mode;
    EXPECT_THAT(scene.ask("STRU F"), StartsWith("200 "));
    for (const std::string_view structure : {"STRU R", "STRU P", "STRU"})
        EXPECT_THAT(scene.ask(structure), StartsWith("504 ")) << structure;
    for (const std::string_view type : {"TYPE E", "TYPE L 7", "TYPE A T", "TYPE", "TYPE X"})
        EXPECT_THAT(scene.ask(type), StartsWith("504 ")) << type;
    EXPECT_EQ(scene.server->nothing(), "");
    EXPECT_EQ(scene.relay("TYPE I", "200 Binary."), "200 Binary.");
    EXPECT_EQ(scene.relay("type a", "200 ASCII.", "TYPE A"), "200 ASCII.");
    EXPECT_EQ(scene.relay("TYPE L 8", "504 No."), "504 No.");
}

TEST(Session, what_is_answered_here) {
    Scene scene;
    scene.log_in();
    EXPECT_THAT(scene.ask("NOOP"), StartsWith("200 "));
    EXPECT_THAT(scene.ask("ALLO 1000"), StartsWith("202 "));
    EXPECT_THAT(scene.ask("HELP"), StartsWith("214 "));
    EXPECT_THAT(scene.ask("OPTS UTF8 ON"), StartsWith("200 "));
    EXPECT_THAT(scene.ask("OPTS MODE Z LEVEL 8"), StartsWith("501 "));
    EXPECT_THAT(scene.ask("ABOR"), StartsWith("226 "));
    EXPECT_THAT(scene.ask("REST x"), StartsWith("501 "));
    EXPECT_THAT(scene.ask("REST 99999999999999999999"), StartsWith("501 "));
    EXPECT_THAT(scene.ask("AUTH TLS"), StartsWith("502 ")) << "there is no certificate";
    EXPECT_EQ(scene.server->nothing(), "");
    EXPECT_EQ(scene.relay("OPTS MLST type;size;", "200 MLST OPTS type;size;"), "200 MLST OPTS type;size;");
    EXPECT_EQ(scene.relay("SYST", "215 UNIX Type: L8"), "215 UNIX Type: L8");
    EXPECT_TRUE(scene.bench.events().size() == 1) << "of the login";
}

TEST(Session, features_are_those_that_both_have) {
    Scene scene;
    EXPECT_THAT(scene.ask("FEAT"),
                AllOf(StartsWith("211-"), HasSubstr("\r\n EPRT\r\n"), HasSubstr("\r\n EPSV\r\n"), Not(HasSubstr("SIZE"))))
        << "before there is a server";
    scene.log_in();
    const std::string both =
        scene.relay("FEAT",
                    "211-Extensions supported:\r\n SIZE\r\n MDTM\r\n MODE Z\r\n AUTH TLS\r\n MLST type*;size*;\r\n XCRC\r\n SITE CHMOD\r\n"
                    " REST STREAM\r\n UTF8\r\n211 End.");
    EXPECT_THAT(
        both, AllOf(HasSubstr("\r\n SIZE\r\n"), HasSubstr("\r\n MDTM\r\n"), HasSubstr("\r\n MLST type*;size*;\r\n"),
                    HasSubstr("\r\n REST STREAM\r\n"), HasSubstr("\r\n EPSV\r\n"), HasSubstr("\r\n EPRT\r\n"), HasSubstr("\r\n UTF8\r\n")));
    for (const std::string_view other : {"MODE Z", "AUTH", "XCRC", "SITE", "CHMOD"}) EXPECT_THAT(both, Not(HasSubstr(other)));
    EXPECT_THAT(scene.relay("FEAT", "502 What?"), AllOf(StartsWith("211-"), HasSubstr("EPSV"), Not(HasSubstr("SIZE"))))
        << "of a server that has none";
}

TEST(Session, site_commands_go_on_where_they_are_named) {
    Scene scene({rule("no-rights", "ftp.argument starts_with \"CHMOD 777\"", "block")}, "allow",
                [](Settings& settings) { settings.site = {"CHMOD"}; });
    scene.log_in();
    EXPECT_THAT(scene.ask("SITE EXEC id"), StartsWith("502 "));
    EXPECT_THAT(scene.ask("SITE"), StartsWith("502 "));
    EXPECT_THAT(scene.ask("SITE CHMOD 777 a"), StartsWith("550 "));
    EXPECT_EQ(scene.server->nothing(), "");
    EXPECT_EQ(scene.relay("site chmod 600 a", "200 Done.", "SITE chmod 600 a"), "200 Done.");
    const auto& events = scene.bench.events();
    ASSERT_EQ(events.size(), 5U);
    EXPECT_EQ(value(events[1], "event.action"), "refused");
    EXPECT_EQ(value(events[3], "rule.name"), "no-rights");
    EXPECT_EQ(value(events[4], "event.action"), "allowed");
}

TEST(SessionEnd, quit_is_said_to_the_server_too) {
    Scene scene;
    scene.log_in();
    EXPECT_THAT(scene.ask("QUIT"), StartsWith("221 "));
    EXPECT_TRUE(scene.client.has_ended());
    EXPECT_EQ(scene.server->line(), "QUIT");
    EXPECT_TRUE(scene.server->has_ended());
    EXPECT_TRUE(scene.bench.wait_for_sessions());
    EXPECT_EQ(scene.bench.gauge(audit::Gauge::server_connections), 0);
}

TEST(SessionEnd, commands_behind_quit_are_not_done) {
    Scene scene;
    scene.log_in();
    scene.client.peer().send("QUIT\r\nDELE a\r\n");
    EXPECT_THAT(scene.client.reply(), StartsWith("221 "));
    EXPECT_EQ(scene.server->line(), "QUIT");
    scene.server->peer().wait_for_end();
    EXPECT_EQ(scene.server->nothing(), "");
    EXPECT_TRUE(scene.bench.wait_for_sessions());
}

TEST(SessionEnd, a_client_that_goes_takes_the_servers_connection_with_it) {
    Scene scene;
    scene.log_in();
    scene.client.peer().close();
    scene.server->peer().wait_for_end();
    EXPECT_TRUE(scene.bench.wait_for_sessions());
    EXPECT_EQ(scene.bench.gauge(audit::Gauge::server_connections), 0);
}

TEST(SessionEnd, a_client_that_goes_while_the_server_thinks) {
    Scene scene;
    scene.log_in();
    scene.client.say("DELE a");
    EXPECT_EQ(scene.server->line(), "DELE a");
    scene.client.peer().abort();
    EXPECT_TRUE(scene.bench.wait_for_sessions());
    ASSERT_EQ(scene.bench.events().size(), 2U);
    EXPECT_EQ(value(scene.bench.events()[1], "event.action"), "aborted");
    EXPECT_EQ(value(scene.bench.events()[1], "ftp.command"), "DELE");
}

TEST(SessionEnd, what_a_server_says_unasked_is_the_end) {
    for (const std::string_view words : {"421 Timeout: goodbye.", "200 Surprise!"}) {
        Scene scene;
        scene.log_in();
        scene.server->say(words);
        EXPECT_THAT(scene.client.reply(), StartsWith("421 ")) << words;
        EXPECT_TRUE(scene.client.has_ended());
        EXPECT_TRUE(scene.bench.wait_for_sessions());
    }
}

TEST(SessionEnd, a_server_that_closes) {
    Scene scene;
    scene.log_in();
    scene.server->peer().close();
    EXPECT_THAT(scene.client.reply(), StartsWith("421 "));
    EXPECT_TRUE(scene.client.has_ended());
}

TEST(SessionEnd, a_server_that_closes_instead_of_answering) {
    Scene scene;
    scene.log_in();
    scene.client.say("MKD a");
    EXPECT_EQ(scene.server->line(), "MKD a");
    scene.server->peer().close();
    EXPECT_THAT(scene.client.reply(), StartsWith("421 "));
    EXPECT_TRUE(scene.client.has_ended());
    ASSERT_EQ(scene.bench.events().size(), 2U);
    EXPECT_EQ(value(scene.bench.events()[1], "event.action"), "failed");
    EXPECT_EQ(value(scene.bench.events()[1], "error.type"), "connection_terminated");
}

TEST(SessionEnd, a_server_whose_answer_is_none) {
    Scene scene;
    scene.log_in();
    scene.client.say("MKD a");
    scene.server->say("HTTP/1.1 400 Bad Request");
    EXPECT_THAT(scene.client.reply(), StartsWith("421 "));
    EXPECT_TRUE(scene.client.has_ended());
    EXPECT_EQ(value(scene.bench.events().back(), "event.action"), "failed");
}

TEST(SessionEnd, a_server_that_does_not_answer) {
    Scene scene({}, "allow", [](Settings& settings) { settings.limits.first_byte = std::chrono::milliseconds(200); });
    scene.log_in();
    scene.client.say("MKD a");
    EXPECT_THAT(scene.client.reply(), StartsWith("421 "));
    EXPECT_TRUE(scene.client.has_ended());
    EXPECT_EQ(value(scene.bench.events().back(), "error.type"), "connection_read_timeout");
}

TEST(SessionEnd, a_client_that_says_nothing_for_too_long) {
    Scene scene({}, "allow", [](Settings& settings) { settings.limits.ftp_idle = std::chrono::milliseconds(300); });
    scene.log_in();
    EXPECT_THAT(scene.client.reply(), StartsWith("421 "));
    EXPECT_TRUE(scene.client.has_ended());
    EXPECT_TRUE(scene.bench.wait_for_sessions());
}

TEST(SessionEnd, the_servers_421_is_the_clients_too) {
    Scene scene;
    scene.log_in();
    EXPECT_EQ(scene.relay("CWD a", "421 No more."), "421 No more.");
    EXPECT_TRUE(scene.client.has_ended());
}

TEST(Drain, says_goodbye_to_who_is_idle) {
    Scene scene;
    scene.log_in();
    scene.bench.drain();
    EXPECT_THAT(scene.client.reply(), StartsWith("421 "));
    EXPECT_TRUE(scene.client.has_ended());
    EXPECT_TRUE(scene.bench.wait_for_sessions());
    Speaker late(scene.bench.client("127.0.0.1:40001"));
    std::string heard = late.reply();
    if (heard.starts_with("220 ")) heard = late.reply();
    EXPECT_THAT(heard, StartsWith("421 "));
}

TEST(Drain, waits_for_the_command_under_way) {
    Scene scene;
    scene.log_in();
    scene.client.say("SIZE a");
    scene.bench.drain();
    EXPECT_EQ(scene.client.nothing(), "");
    EXPECT_EQ(scene.server->line(), "SIZE a");
    scene.server->say("213 10");
    EXPECT_EQ(scene.client.reply(), "213 10");
    EXPECT_THAT(scene.client.reply(), StartsWith("421 "));
    EXPECT_TRUE(scene.client.has_ended());
}

TEST(Drain, waits_for_the_transfer_under_way) {
    Scene scene;
    scene.log_in();
    scene.open_data();
    scene.client.say("RETR a.txt");
    scene.serve_data("RETR a.txt");
    scene.bench.drain();
    EXPECT_EQ(scene.bench.live(), 1U);
    scene.server_data->send("hello");
    scene.server_data->close();
    scene.server->say("226 Done.");
    EXPECT_EQ(scene.client_data->wait_for_end(), "hello");
    EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
    EXPECT_EQ(scene.client.reply(), "226 Done.");
    EXPECT_THAT(scene.client.reply(), StartsWith("421 "));
    EXPECT_TRUE(scene.client.has_ended());
}

}  // namespace
}  // namespace sluice::ftp
