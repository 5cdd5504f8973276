// SPDX-License-Identifier: Apache-2.0
// The dialogue: what is offered, in which order things are done, and who may write to whom.
#include <gmock/gmock.h>

#include "unit/sessions/smtp/support.h"

namespace sluice::smtp {
namespace {

using namespace testing;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(SmtpSession, offers_what_is_true_of_both) {
    Scene scene;
    const std::string said =
        scene.greet({"", "PIPELINING", "8BITMIME", "SIZE 1000", "X-ODD", "ETRN", "AUTH LOGIN SCRAM-SHA-256-PLUS", "BINARYMIME"});
    EXPECT_EQ(said, "250-gw.example greets you\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250 CHUNKING");
}

TEST(SmtpSession, an_upstream_that_cannot_be_reached) {
    Scene scene({}, [](Settings& settings) { settings.upstreams.front().port = sessions::testing::Bench::dead_port(); });
    EXPECT_EQ(scene.client.reply(), "220 gw.example ESMTP");
    EXPECT_THAT(scene.ask("EHLO client.example"), Not(HasSubstr("8BITMIME")));
    EXPECT_THAT(scene.ask("MAIL FROM:<a@b.example>"), HasSubstr("451 4.4.1 "));
    EXPECT_EQ(scene.ask("NOOP"), "250 2.0.0 OK");
    EXPECT_EQ(value(scene.bench.event(), "error.type"), "connection_refused");
}

TEST(SmtpSession, commands_come_in_order) {
    Scene scene;
    scene.greet();
    EXPECT_THAT(scene.ask("RCPT TO:<bo@mail.example>"), HasSubstr("503 5.5.1 "));
    EXPECT_THAT(scene.ask("DATA"), HasSubstr("503 5.5.1 "));
    EXPECT_EQ(scene.relay("MAIL FROM:<ann@client.example>", "250 OK"), "250 OK");
    EXPECT_THAT(scene.ask("MAIL FROM:<ann@client.example>"), HasSubstr("503 5.5.1 "));
    EXPECT_THAT(scene.ask("DATA"), HasSubstr("554 5.5.1 "));
    EXPECT_THAT(scene.ask("FROB"), HasSubstr("500 5.5.2 "));
    EXPECT_EQ(scene.relay("RCPT TO:<who@mail.example>", "550 5.1.1 Who?"), "550 5.1.1 Who?");
}

TEST(SmtpSession, nobody_relays_who_may_not) {
    Scene scene;
    scene.greet();
    scene.relay("MAIL FROM:<ann@client.example>", "250 OK");
    for (const std::string_view to : {"x@elsewhere.example", "x%elsewhere.example@mail.example", "@mail.example:x@elsewhere.example",
                                      "\"x@elsewhere.example\"@mail.example", "elsewhere.example!x@mail.example"})
        EXPECT_THAT(scene.ask("RCPT TO:<" + std::string(to) + ">"), HasSubstr("550 5.7.1 Relaying denied. (")) << to;
    EXPECT_EQ(scene.relay("RCPT TO:<Bo@MAIL.example>", "250 OK"), "250 OK");
}

TEST(SmtpSession, who_does_not_wait_is_turned_away) {
    Scene scene;
    scene.greet();
    scene.client.peer().send("EHLO client.example\r\nNOOP\r\n");
    EXPECT_THAT(scene.client.reply(), HasSubstr("554 5.5.0 "));
    EXPECT_TRUE(scene.client.has_ended());
}

TEST(SmtpSession, a_message_goes_through) {
    Scene scene;
    scene.greet();
    scene.envelope();
    EXPECT_THAT(scene.relay("DATA", "354 Go on."), HasSubstr("354 "));
    scene.client.peer().send("Subject: a\r\n\r\n..dot\r\nbody\r\n.\r\n");
    for (const std::string_view line : {"Subject: a", "", "..dot", "body", "."}) EXPECT_EQ(scene.server->line(), line);
    EXPECT_EQ(scene.client.nothing(), "");
    scene.server->say("250 2.0.0 Queued as 1");
    EXPECT_EQ(scene.client.reply(), "250 2.0.0 Queued as 1");
    const Record& event = scene.bench.event();
    EXPECT_EQ(value(event, "event.action"), "allowed");
    EXPECT_EQ(value(event, "smtp.mail_from"), "ann@client.example");
}

TEST(SmtpSession, by_chunks_where_the_server_takes_them) {
    Scene scene;
    scene.greet({"", "CHUNKING"});
    scene.envelope();
    EXPECT_THAT(scene.ask("DATA"), HasSubstr("354 "));
    scene.client.peer().send("a: b\r\n\r\n..\r\n.\r\n");
    EXPECT_EQ(scene.server->line(), "BDAT 11 LAST");
    for (const std::string_view line : {"a: b", "", "."}) EXPECT_EQ(scene.server->line(), line);
    scene.server->say("250 OK");
    EXPECT_EQ(scene.client.reply(), "250 OK");
}

TEST(SmtpSession, chunks_for_a_server_without_them) {
    Scene scene;
    scene.greet();
    scene.envelope();
    scene.client.peer().send("BDAT 6\r\na: b\r\n");
    EXPECT_EQ(scene.server->line(), "DATA");
    scene.server->say("354 Go on.");
    EXPECT_THAT(scene.client.reply(), HasSubstr("250 2.0.0 6 octets"));
    scene.client.peer().send("BDAT 5 LAST\r\n\r\n.ab");
    for (const std::string_view line : {"a: b", "", "..ab", "."}) EXPECT_EQ(scene.server->line(), line);
    scene.server->say("250 OK");
    EXPECT_EQ(scene.client.reply(), "250 OK");
}

TEST(SmtpSession, a_server_that_waits_hears_that_we_are_there) {
    const auto often = [](Settings& settings) { settings.limits.smtp_keep_alive = std::chrono::milliseconds(30); };
    auto adds = rule("adds", "exists(email.subject)", "set_request_header");
    adds.header = text("X-Seen");
    adds.value = text("yes");
    for (const bool is_held : {false, true}) {
        SCOPED_TRACE(is_held ? "a message that waits as a whole" : "a client that says nothing");
        Scene scene(is_held ? std::vector{adds} : std::vector<policy::RuleSource>{}, often);
        scene.greet();
        scene.envelope();
        const auto beat = [&] {
            EXPECT_EQ(scene.server->line(), "NOOP");
            scene.server->say("250 OK");
        };
        beat();
        beat();
        if (is_held) {
            EXPECT_THAT(scene.ask("DATA"), HasSubstr("354 "));
            scene.client.peer().send("Subject: a\r\n\r\n");
            beat();
            beat();
            scene.client.peer().send("body\r\n.\r\n");
            EXPECT_EQ(scene.server->line(), "DATA");
        } else {
            EXPECT_THAT(scene.relay("DATA", "354 Go on."), HasSubstr("354 "));
        }
    }
}

TEST(SmtpSession, a_bare_line_feed_is_refused_and_never_goes_on) {
    Scene scene;
    scene.greet();
    scene.envelope();
    scene.relay("DATA", "354 Go on.");
    scene.client.peer().send("a: b\r\n\r\nx\n.\nMAIL FROM:<evil@client.example>\r\n.\r\n");
    EXPECT_THAT(scene.client.reply(), HasSubstr("550 5.5.2 "));
    EXPECT_THAT(scene.server->peer().wait_for_end(), Not(HasSubstr("evil")));
    EXPECT_EQ(scene.ask("NOOP"), "250 2.0.0 OK");
    EXPECT_EQ(value(scene.bench.event(), "event.action"), "refused");
}

TEST(SmtpSession, a_server_lost_behind_the_dot) {
    Scene scene;
    scene.greet();
    scene.envelope();
    scene.relay("DATA", "354 Go on.");
    scene.client.peer().send("a: b\r\n\r\n.\r\n");
    EXPECT_EQ(scene.server->line(), "a: b");
    scene.server->peer().close();
    EXPECT_THAT(scene.client.reply(), HasSubstr("451 4.3.0 "));
    EXPECT_EQ(value(scene.bench.event(), "event.action"), "failed");
}

TEST(SmtpSession, some_recipients_are_refused_by_a_rule) {
    Scene scene({rule("no-boss", R"(smtp.rcpt_to == "boss@mail.example")", "block")});
    scene.greet();
    scene.relay("MAIL FROM:<ann@client.example>", "250 OK");
    EXPECT_THAT(scene.ask("RCPT TO:<Boss@mail.example>"), HasSubstr("550 5.7.1 "));
    EXPECT_EQ(scene.relay("RCPT TO:<bo@mail.example>", "250 OK"), "250 OK");
}

TEST(SmtpSession, whom_a_rule_trusts_is_trusted_alone) {
    Scene scene({rule("lab", R"(smtp.rcpt_to == "lab@mail.example")", "trust")}, inspecting());
    scene.greet();
    scene.relay("MAIL FROM:<ann@client.example>", "250 OK");
    EXPECT_EQ(scene.relay("RCPT TO:<lab@mail.example>", "550 5.1.1 Who?"), "550 5.1.1 Who?");
    scene.relay("RCPT TO:<bo@mail.example>", "250 OK");
    scene.relay("DATA", "354 Go on.");
    scene.client.peer().send(with_attachment("a.txt", eicar()) + ".\r\n");
    EXPECT_THAT(scene.client.reply(), HasSubstr("550 5.7.1 "));
}

TEST(SmtpSession, a_secret_is_nobodys_name) {
    Scene scene({}, [](Settings& settings) { settings.auth_without_tls = true; });
    scene.greet({"", "AUTH LOGIN"});
    scene.client.say("AUTH LOGIN YWxpY2U=");
    EXPECT_EQ(scene.server->line(), "AUTH LOGIN YWxpY2U=");
    scene.server->say("334 UGFzc3dvcmQ6");
    EXPECT_EQ(scene.client.reply(), "334 UGFzc3dvcmQ6");
    EXPECT_EQ(scene.relay("c2VjcmV0", "235 2.7.0 Welcome"), "235 2.7.0 Welcome");
    scene.relay("MAIL FROM:<ann@client.example>", "250 OK");
    scene.relay("RSET", "250 OK");
    EXPECT_EQ(value(scene.bench.event(), "user.name"), "alice");
}

TEST(SmtpSession, what_is_not_read_is_not_clean) {
    Scene scene({}, inspecting());
    scene.greet();
    scene.envelope();
    scene.relay("DATA", "354 Go on.");
    std::string message = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n";
    for (int i = 0; i < 1'100; ++i) message += "--x\r\n\r\na\r\n";
    scene.client.peer().send(message + "--x--\r\n.\r\n");
    EXPECT_THAT(scene.client.reply(), HasSubstr("550 5.7.1 "));
    EXPECT_EQ(value(scene.bench.event(), "scan.reason"), "bomb");
}

TEST(SmtpSession, a_server_that_refuses_data_is_told_that_it_is_over) {
    Scene scene;
    scene.greet();
    scene.envelope();
    scene.client.say("DATA");
    EXPECT_EQ(scene.server->line(), "DATA");
    scene.server->say("451 Not now.");
    EXPECT_EQ(scene.server->line(), "RSET");
    scene.server->say("250 OK");
    EXPECT_EQ(scene.client.reply(), "451 Not now.");
    scene.envelope();
}

TEST(SmtpSession, malware_drops_the_server_before_the_dot) {
    Scene scene({}, inspecting());
    scene.greet();
    scene.envelope();
    scene.relay("DATA", "354 Go on.");
    scene.client.peer().send(with_attachment("a.txt", eicar()) + ".\r\n");
    EXPECT_THAT(scene.client.reply(), HasSubstr("550 5.7.1 "));
    EXPECT_THAT(scene.server->peer().wait_for_end(), Not(HasSubstr("\r\n.\r\n")));
    EXPECT_EQ(value(scene.bench.event(), "scan.verdict"), "infected");
}

TEST(SmtpSession, malware_is_taken_back_from_a_server_with_chunks) {
    Scene scene({}, inspecting());
    scene.greet({"", "CHUNKING"});
    scene.envelope();
    EXPECT_THAT(scene.ask("DATA"), HasSubstr("354 "));
    scene.client.peer().send(with_attachment("a.txt", eicar()) + ".\r\n");
    EXPECT_EQ(scene.server->line(), "RSET");
    scene.server->say("250 OK");
    EXPECT_EQ(scene.server->line(), "RSET");
    scene.server->say("250 OK");
    EXPECT_THAT(scene.client.reply(), HasSubstr("550 5.7.1 "));
    scene.envelope();
}

}  // namespace
}  // namespace sluice::smtp
