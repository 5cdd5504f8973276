// SPDX-License-Identifier: Apache-2.0
// From the server to the client: what waits for the verdict, what a refusal leaves of both connections, and what fails in between.
#include <gmock/gmock.h>

#include <algorithm>

#include "unit/sessions/ftp/support.h"

namespace sluice::ftp {
namespace {

using namespace testing;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr std::size_t tail = std::size_t{64} * 1024;         // what waits of a payload that flows

// The last event, which is the transfer's.
const Record& last(Scene& scene) {
    EXPECT_GE(scene.bench.events().size(), 2U);
    return scene.bench.events().back();
}

TEST(Retrieve, without_inspection_goes_through) {
    Scene scene;
    scene.log_in();
    const std::string content = lines(3000);
    EXPECT_EQ(scene.retrieve("a.txt", content), content);
    EXPECT_FALSE(scene.client_data->was_reset());
    EXPECT_EQ(scene.last_reply, "226 That was all.");
    EXPECT_EQ(value(last(scene), "event.action"), "allowed");
    EXPECT_EQ(value(last(scene), "scan.verdict"), "skipped");
    EXPECT_THAT(scene.ask("NOOP"), StartsWith("200 "));
}

TEST(Retrieve, needs_a_data_connection) {
    Scene scene;
    scene.log_in();
    EXPECT_THAT(scene.ask("RETR a"), StartsWith("425 "));
    EXPECT_THAT(scene.ask("LIST"), StartsWith("425 "));
    EXPECT_THAT(scene.ask("RETR"), StartsWith("501 "));
    EXPECT_EQ(scene.retrieve("a", "hello"), "hello");
    EXPECT_THAT(scene.ask("RETR a"), StartsWith("425 ")) << "one for each";
    EXPECT_EQ(scene.server->nothing(), "");
}

TEST(Retrieve, what_may_be_dangerous_waits_until_the_server_has_said_that_this_was_all) {
    for (const std::string& content : {archive(), program()}) {
        Scene scene({}, "allow", inspecting());
        scene.log_in();
        scene.open_data();
        scene.client.say("RETR a.bin");
        scene.serve_data("RETR a.bin");
        scene.server_data->send(content);
        scene.bench.breathe();
        EXPECT_EQ(scene.client.nothing(), "");
        scene.server_data->close();
        scene.bench.breathe();
        EXPECT_EQ(scene.client.nothing(), "") << "not even 150";
        EXPECT_EQ(scene.client_data->take(), "");
        scene.server->say("226 That was all.");
        EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
        EXPECT_EQ(scene.client_data->wait_for_end(), content);
        EXPECT_FALSE(scene.client_data->was_reset());
        EXPECT_EQ(scene.client.reply(), "226 That was all.");
        EXPECT_EQ(value(last(scene), "scan.verdict"), "clean");
        EXPECT_EQ(value(last(scene), "file.name"), "a.bin");
        EXPECT_EQ(value(last(scene), "file.size"), std::to_string(content.size()));
    }
}

TEST(Retrieve, what_the_server_did_not_finish_is_never_seen) {
    Scene scene({}, "allow", inspecting());
    scene.log_in();
    scene.open_data();
    scene.client.say("RETR a.zip");
    scene.serve_data("RETR a.zip");
    scene.server_data->send(archive());
    scene.server_data->close();
    scene.server->say("426 It broke.");
    EXPECT_EQ(scene.client.reply(), "426 It broke.");
    EXPECT_TRUE(scene.is_data_broken());
    EXPECT_EQ(value(last(scene), "event.action"), "failed");
}

TEST(Retrieve, text_flows_and_its_end_waits) {
    Scene scene({}, "allow", inspecting());
    scene.log_in();
    const std::string content = lines(9000);
    ASSERT_GT(content.size(), 3 * tail);
    scene.open_data();
    scene.client.say("RETR a.txt");
    scene.serve_data("RETR a.txt");
    scene.server_data->send(content);
    EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
    scene.bench.breathe();
    std::string got = scene.client_data->take();
    EXPECT_LE(got.size(), content.size() - tail);
    EXPECT_GT(got.size(), tail);
    scene.server_data->close();
    scene.server->say("226 That was all.");
    got += scene.client_data->wait_for_end();
    EXPECT_EQ(got, content);
    EXPECT_EQ(scene.client.reply(), "226 That was all.");
    EXPECT_EQ(value(last(scene), "scan.verdict"), "clean");
}

TEST(Retrieve, nothing_of_what_is_infected_comes) {
    for (const policy::Deliver deliver :
         {policy::Deliver::automatic, policy::Deliver::hold, policy::Deliver::tail, policy::Deliver::stream}) {
        SCOPED_TRACE(static_cast<int>(deliver));
        Scene scene({}, "allow", inspecting(deliver));
        scene.log_in();
        scene.open_data();
        scene.client.say("RETR eicar.com");
        scene.serve_data("RETR eicar.com");
        scene.server_data->send(eicar());
        scene.server_data->close();
        scene.server->say("226 That was all.");
        EXPECT_THAT(scene.client.reply(), AllOf(StartsWith("550 /home/ann/eicar.com: blocked by rule malware (")));
        EXPECT_TRUE(scene.is_data_broken());
        const Record& event = last(scene);
        EXPECT_EQ(value(event, "event.action"), "blocked");
        EXPECT_EQ(value(event, "rule.name"), "malware");
        EXPECT_EQ(value(event, "scan.verdict"), "infected");
        EXPECT_EQ(value(event, "scan.threat"), "EICAR-Test-File");
        EXPECT_EQ(value(event, "ftp.reply"), "550");
        EXPECT_EQ(scene.relay("SIZE a", "213 1"), "213 1") << "the session goes on";
    }
}

// Of a client's replies: all lines up to the last one.
std::string patient_reply(Scene& scene, std::string_view content, std::string_view rest) {
    scene.log_in();
    scene.open_data();
    scene.client.say("RETR a.bin");
    scene.serve_data("RETR a.bin");
    scene.server_data->send(content);
    for (int n = 0; n < 3; ++n) EXPECT_EQ(scene.client.line(), "150-Still at it: the file is being inspected.");
    scene.server_data->send(rest);
    scene.server_data->close();
    scene.server->say("226 That was all.");
    std::string line = scene.client.line();
    while (line.starts_with("150-")) line = scene.client.line();
    return line;
}

Bench::Adjust impatient() {
    return inspecting(policy::Deliver::hold, [](Settings& settings) { settings.limits.ftp_patience = std::chrono::milliseconds(20); });
}

TEST(Retrieve, a_client_that_waits_for_a_held_file_hears_that_something_goes_on) {
    Scene scene({}, "allow", impatient());
    EXPECT_EQ(patient_reply(scene, "first half, ", "second half"), "150 Here it comes.");
    EXPECT_EQ(scene.client_data->wait_for("second half"), "first half, second half");
    EXPECT_EQ(scene.client.reply(), "226 That was all.");
    EXPECT_EQ(scene.relay("SIZE a", "213 1"), "213 1") << "each command has had its reply";
}

TEST(Retrieve, and_is_told_no_in_a_reply_of_its_own) {
    Scene scene({}, "allow", impatient());
    const std::string bad = eicar();
    EXPECT_EQ(patient_reply(scene, std::string_view(bad).substr(0, 30), std::string_view(bad).substr(30)), "150 Here it comes.")
        << "what was begun is ended";
    EXPECT_THAT(scene.client.reply(), StartsWith("550 /home/ann/a.bin: blocked by rule malware ("));
    EXPECT_TRUE(scene.is_data_broken());
    EXPECT_EQ(scene.relay("SIZE a", "213 1"), "213 1");
}

TEST(Retrieve, over_a_connection_to_the_client_nothing_of_what_is_infected_comes) {
    Scene scene({}, "allow", inspecting());
    scene.log_in();
    const std::uint16_t mine = scene.bench.listen();
    EXPECT_THAT(scene.ask("EPRT |1|127.0.0.1|" + std::to_string(mine) + "|"), StartsWith("200 "));
    scene.client.say("RETR eicar.com");
    scene.serve_data("RETR eicar.com");
    scene.server_data->send(eicar());
    scene.server_data->close();
    scene.server->say("226 That was all.");
    EXPECT_THAT(scene.client.reply(), StartsWith("550 "));
    scene.client.peer().close();
    EXPECT_EQ(scene.bench.accept_if_dialled(mine), nullptr) << "nobody even knocked";
}

TEST(Retrieve, what_had_begun_is_cut_so_that_it_shows) {
    Scene scene({}, "allow", inspecting());
    scene.log_in();
    const std::string before = lines(6000);
    scene.open_data();
    scene.client.say("RETR a.txt");
    scene.serve_data("RETR a.txt");
    scene.server_data->send(before);
    EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
    scene.server_data->send(eicar() + lines(100));
    scene.server_data->wait_for_end();
    EXPECT_TRUE(scene.server_data->was_reset());
    scene.hear_abort();
    EXPECT_THAT(scene.client.reply(), StartsWith("550 "));
    const std::string got = scene.client_data->wait_for_end();
    EXPECT_TRUE(scene.client_data->was_reset());
    EXPECT_TRUE(before.starts_with(got));
    EXPECT_EQ(value(last(scene), "event.action"), "blocked");
}

TEST(Retrieve, of_an_empty_file) {
    for (const bool is_inspected : {false, true}) {
        Scene scene({}, "allow", is_inspected ? inspecting() : Bench::Adjust{});
        scene.log_in();
        EXPECT_EQ(scene.retrieve("empty", ""), "");
        EXPECT_TRUE(scene.client_data->has_ended());
        EXPECT_FALSE(scene.client_data->was_reset());
        EXPECT_EQ(scene.last_reply, "226 That was all.");
        EXPECT_EQ(value(last(scene), "event.action"), "allowed");
        if (is_inspected) EXPECT_EQ(value(last(scene), "scan.verdict"), "clean");
    }
}

TEST(Retrieve, of_a_part_fetches_the_whole_and_sends_the_rest) {
    const std::string content = lines(6000);
    for (const std::size_t from : {std::size_t{1}, std::size_t{700}, content.size() - 1, content.size(), content.size() + 10}) {
        SCOPED_TRACE(from);
        Scene scene({}, "allow", inspecting());
        scene.log_in();
        EXPECT_THAT(scene.ask("REST " + std::to_string(from)), StartsWith("350 "));
        EXPECT_EQ(scene.retrieve("a.txt", content), content.substr(std::min(from, content.size())));
        EXPECT_EQ(scene.last_reply, "226 That was all.");
        EXPECT_EQ(value(last(scene), "file.size"), std::to_string(content.size()));
        EXPECT_EQ(scene.retrieve("a.txt", content), content) << "it holds for one transfer";
    }
}

TEST(Retrieve, the_part_before_a_restart_is_looked_at_too) {
    Scene scene({}, "allow", inspecting());
    scene.log_in();
    scene.ask("REST 200");
    scene.open_data();
    scene.client.say("RETR a.txt");
    scene.serve_data("RETR a.txt");
    scene.server_data->send(eicar() + lines(1000));
    scene.hear_abort("226 That was all.");
    EXPECT_THAT(scene.client.reply(), StartsWith("550 "));
    EXPECT_TRUE(scene.is_data_broken());
}

// RFC 959 4.1.3: REST comes right before the transfer.
TEST(Retrieve, of_a_part_that_nobody_looks_at_begins_at_the_server) {
    Scene scene;
    scene.log_in();
    scene.ask("REST 200");
    scene.open_data();
    scene.client.say("RETR a.txt");
    scene.serve_data("REST 200", "350 From there.");
    EXPECT_EQ(scene.server->line(), "RETR a.txt");
    scene.server->say("150 Here it comes.");
    scene.server_data->send("the rest");
    scene.server_data->close();
    scene.server->say("226 That was all.");
    EXPECT_EQ(scene.client_data->wait_for_end(), "the rest");
    EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
    EXPECT_THAT(scene.client.reply(), StartsWith("226 "));
}

TEST(Retrieve, of_a_part_that_the_server_does_not_have) {
    Scene scene;
    scene.log_in();
    scene.ask("REST 200");
    scene.open_data();
    scene.client.say("RETR a.txt");
    scene.serve_data("REST 200", "502 Not here.");
    EXPECT_EQ(scene.client.reply(), "502 Not here.");
    EXPECT_TRUE(scene.is_data_broken());
    EXPECT_EQ(scene.relay("SIZE a", "213 1"), "213 1");
}

TEST(Retrieve, of_parts_is_what_a_rule_says) {
    policy::RuleSource pass = rule("parts", "url.path ends_with \".iso\"", "inspect");
    pass.ranges = text("pass");
    policy::RuleSource block = rule("no-parts", "url.path ends_with \".zip\"", "inspect");
    block.ranges = text("block");
    Scene scene({pass, block}, "allow", inspecting());
    scene.log_in();
    scene.ask("REST 5");
    scene.open_data();
    EXPECT_THAT(scene.ask("RETR a.zip"), StartsWith("550 "));
    EXPECT_TRUE(scene.is_data_broken());
    EXPECT_EQ(value(last(scene), "event.action"), "blocked");
    EXPECT_EQ(scene.server->nothing(), "");
    scene.ask("REST 5");
    scene.open_data();
    scene.client.say("RETR a.iso");
    scene.serve_data("REST 5", "350 From there.");
    EXPECT_EQ(scene.server->line(), "RETR a.iso");
    scene.server->say("150 Here it comes.");
    scene.server_data->send("a part");
    scene.server_data->close();
    scene.server->say("226 That was all.");
    EXPECT_EQ(scene.client_data->wait_for_end(), "a part");
    EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
    EXPECT_THAT(scene.client.reply(), StartsWith("226 "));
    EXPECT_EQ(value(last(scene), "scan.reason"), "truncated");
}

TEST(Retrieve, of_what_the_server_does_not_have) {
    Scene scene({}, "allow", inspecting());
    scene.log_in();
    scene.open_data();
    scene.client.say("RETR none");
    scene.serve_data("RETR none", "550-Sorry:\r\n550 no such file.");
    EXPECT_EQ(scene.client.reply(), "550-Sorry:\r\n550 no such file.");
    EXPECT_TRUE(scene.is_data_broken());
    EXPECT_EQ(value(last(scene), "ftp.reply"), "550");
    EXPECT_EQ(value(last(scene), "rule.name"), "");
    EXPECT_EQ(value(last(scene), "error.type"), "") << "nothing is wrong with the connection";
    EXPECT_THAT(value(last(scene), "event.reason"), HasSubstr("550"));
    EXPECT_EQ(scene.retrieve("some", "hello"), "hello") << "the session goes on";
}

TEST(Retrieve, that_the_server_breaks_off_in_the_middle) {
    Scene scene({}, "allow", inspecting());
    scene.log_in();
    scene.open_data();
    scene.client.say("RETR a.txt");
    scene.serve_data("RETR a.txt");
    scene.server_data->send(lines(6000));
    EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
    scene.server->say("426 The disk has failed.");
    scene.hear_abort("");
    EXPECT_EQ(scene.client.reply(), "426 The disk has failed.");
    scene.client_data->wait_for_end();
    EXPECT_TRUE(scene.client_data->was_reset());
    EXPECT_EQ(value(last(scene), "event.action"), "failed");
    EXPECT_THAT(value(last(scene), "event.reason"), HasSubstr("426"));
    EXPECT_EQ(scene.retrieve("some", "hello"), "hello") << "the session goes on";
}

TEST(Retrieve, from_a_server_that_goes_in_the_middle) {
    Scene scene({}, "allow", inspecting());
    scene.log_in();
    scene.open_data();
    scene.client.say("RETR a.txt");
    scene.serve_data("RETR a.txt");
    scene.server_data->send(lines(6000));
    EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
    scene.server->peer().close();
    EXPECT_THAT(scene.client.reply(), StartsWith("426 "));
    EXPECT_THAT(scene.client.reply(), StartsWith("421 "));
    EXPECT_TRUE(scene.client.has_ended());
    scene.client_data->wait_for_end();
    EXPECT_TRUE(scene.client_data->was_reset());
    EXPECT_EQ(value(last(scene), "event.action"), "failed");
}

TEST(Retrieve, over_a_connection_that_breaks_is_no_success_whatever_the_server_says) {
    for (const std::string_view words : {"426 Broken.", "226 That was all."}) {
        Scene scene;
        scene.log_in();
        scene.open_data();
        scene.client.say("RETR a.txt");
        scene.serve_data("RETR a.txt");
        scene.server_data->send("hello");
        EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
        scene.server_data->abort();
        scene.client_data->wait_for_end();
        EXPECT_TRUE(scene.client_data->was_reset());
        scene.server->say(words);
        EXPECT_THAT(scene.client.reply(), StartsWith("426 "));
        EXPECT_EQ(value(last(scene), "event.action"), "failed");
    }
}

TEST(Retrieve, a_success_without_data_is_none) {
    Scene scene;
    scene.log_in();
    scene.open_data();
    scene.client.say("RETR a.txt");
    scene.serve_data("RETR a.txt", "226 There you are.");
    EXPECT_THAT(scene.client.reply(), StartsWith("451 "));
    EXPECT_TRUE(scene.is_data_broken());
    EXPECT_EQ(value(last(scene), "event.action"), "failed");
}

TEST(Retrieve, is_aborted) {
    for (const std::string abort : {"ABOR\r\n",
                                    "\xff\xf4\xff\xf2"
                                    "ABOR\r\n"}) {
        Scene scene({}, "allow", inspecting());
        scene.log_in();
        scene.open_data();
        scene.client.say("RETR a.txt");
        scene.serve_data("RETR a.txt");
        scene.server_data->send(lines(6000));
        EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
        scene.client.peer().send(abort);
        scene.server_data->wait_for_end();
        EXPECT_TRUE(scene.server_data->was_reset());
        scene.hear_abort();
        EXPECT_THAT(scene.client.reply(), StartsWith("426 "));
        EXPECT_THAT(scene.client.reply(), StartsWith("226 "));
        scene.client_data->wait_for_end();
        EXPECT_TRUE(scene.client_data->was_reset());
        EXPECT_EQ(value(last(scene), "event.action"), "aborted");
        EXPECT_EQ(value(last(scene), "scan.verdict"), "unscannable");
        EXPECT_EQ(value(last(scene), "scan.reason"), "truncated");
        EXPECT_EQ(scene.relay("SIZE a", "213 1"), "213 1") << "every answer in its place";
        EXPECT_EQ(scene.retrieve("some", "hello"), "hello");
    }
}

TEST(Retrieve, is_aborted_before_it_began) {
    Scene scene({}, "allow", inspecting());
    scene.log_in();
    scene.open_data();
    scene.client.peer().send("RETR a.zip\r\nABOR\r\n");
    scene.serve_data("RETR a.zip");
    scene.server_data->wait_for_end();
    scene.hear_abort();
    EXPECT_THAT(scene.client.reply(), StartsWith("426 "));
    EXPECT_THAT(scene.client.reply(), StartsWith("226 "));
    EXPECT_TRUE(scene.is_data_broken());
    EXPECT_EQ(scene.relay("SIZE a", "213 1"), "213 1");
}

TEST(Retrieve, of_a_client_that_vanishes) {
    for (const bool is_inspected : {false, true}) {
        SCOPED_TRACE(is_inspected);
        Scene scene({}, "allow", is_inspected ? inspecting() : Bench::Adjust{});
        scene.log_in();
        scene.open_data();
        scene.client.say("RETR a.txt");
        scene.serve_data("RETR a.txt");
        scene.server_data->send(lines(6000));
        EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
        scene.client.peer().abort();
        scene.server_data->wait_for_end();
        EXPECT_TRUE(scene.server_data->was_reset());
        scene.server->peer().wait_for_end();
        EXPECT_TRUE(scene.bench.wait_for_sessions());
        EXPECT_EQ(value(last(scene), "event.action"), "aborted");
        EXPECT_EQ(value(last(scene), "ftp.command"), "RETR");
    }
}

TEST(Retrieve, of_a_client_whose_data_connection_breaks) {
    Scene scene;
    scene.log_in();
    scene.open_data();
    scene.client.say("RETR a.txt");
    scene.serve_data("RETR a.txt");
    scene.server_data->send("hello");
    EXPECT_EQ(scene.client_data->wait_for("hello"), "hello");
    EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
    scene.client_data->abort();
    scene.server_data->send("more");
    scene.hear_abort("226 That was all.");
    EXPECT_THAT(scene.client.reply(), StartsWith("426 ")) << "not all of it went";
    EXPECT_NE(value(last(scene), "event.action"), "allowed");
    EXPECT_EQ(scene.relay("SIZE a", "213 1"), "213 1");
}

TEST(Retrieve, of_a_client_that_does_not_come_for_it) {
    Scene scene({}, "allow", inspecting(policy::Deliver::automatic, [](Settings& settings) {
                    settings.limits.ftp_data_connect = std::chrono::milliseconds(100);
                }));
    scene.log_in();
    scene.passive();
    scene.client.say("RETR a.txt");
    scene.serve_data("RETR a.txt");
    scene.server_data->send("hello");
    scene.server_data->close();
    scene.server->say("226 That was all.");
    EXPECT_THAT(scene.client.reply(), StartsWith("425 "));
    EXPECT_EQ(value(last(scene), "event.action"), "failed");
    EXPECT_EQ(scene.relay("SIZE a", "213 1"), "213 1");
}

}  // namespace
}  // namespace sluice::ftp
