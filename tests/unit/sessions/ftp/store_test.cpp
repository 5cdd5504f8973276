// SPDX-License-Identifier: Apache-2.0
// From the client to the server: held until it is known to be clean, so that what is refused has never been there.
#include <gmock/gmock.h>

#include "unit/sessions/ftp/support.h"

namespace sluice::ftp {
namespace {

using namespace testing;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const Record& last(Scene& scene) {
    EXPECT_GE(scene.bench.events().size(), 2U);
    return scene.bench.events().back();
}

// The server has heard nothing, and does not now.
void expect_untold(Scene& scene) {
    scene.bench.breathe();
    EXPECT_EQ(scene.server->nothing(), "");
    EXPECT_EQ(scene.relay("SIZE a", "213 1"), "213 1") << "the session goes on";
}

TEST(Store, without_inspection_goes_through) {
    Scene scene;
    scene.log_in();
    scene.open_data();
    scene.client.say("STOR a.txt");
    scene.serve_data("STOR a.txt", "150 I am waiting.");
    EXPECT_EQ(scene.client.reply(), "150 I am waiting.");
    const std::string content = lines(3000);
    scene.client_data->send(content);
    scene.client_data->close();
    EXPECT_EQ(scene.server_data->wait_for_end(), content);
    EXPECT_FALSE(scene.server_data->was_reset());
    EXPECT_EQ(scene.client.nothing(), "") << "not before the server has said so";
    scene.server->say("226 I have it.");
    EXPECT_EQ(scene.client.reply(), "226 I have it.");
    EXPECT_EQ(value(last(scene), "event.action"), "allowed");
    EXPECT_EQ(value(last(scene), "scan.verdict"), "skipped");
}

TEST(Store, the_server_hears_of_it_once_it_is_known_to_be_clean) {
    for (const std::string& content : {lines(10), lines(6000), archive()}) {
        Scene scene({}, "allow", inspecting());
        scene.log_in();
        scene.open_data();
        scene.client.say("STOR a.txt");
        EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
        scene.client_data->send(content);
        scene.bench.breathe();
        EXPECT_EQ(scene.server->nothing(), "") << "not even PASV";
        scene.client_data->close();
        scene.serve_data("STOR a.txt");
        EXPECT_EQ(scene.server_data->wait_for_end(), content);
        EXPECT_FALSE(scene.server_data->was_reset());
        scene.server->say("226 I have it.");
        EXPECT_EQ(scene.client.reply(), "226 I have it.");
        EXPECT_EQ(value(last(scene), "scan.verdict"), "clean");
        EXPECT_EQ(value(last(scene), "file.size"), std::to_string(content.size()));
        EXPECT_EQ(value(last(scene), "url.path"), "/home/ann/a.txt");
    }
}

TEST(Store, the_server_never_hears_of_what_is_infected) {
    for (const policy::Deliver deliver :
         {policy::Deliver::automatic, policy::Deliver::hold, policy::Deliver::tail, policy::Deliver::stream}) {
        SCOPED_TRACE(static_cast<int>(deliver));
        Scene scene({}, "allow", inspecting(deliver));
        scene.log_in();
        scene.open_data();
        scene.client.say("STOR eicar.com");
        EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
        scene.client_data->send(eicar());
        scene.client_data->close();
        EXPECT_THAT(scene.client.reply(), StartsWith("550 /home/ann/eicar.com: blocked by rule malware ("));
        EXPECT_EQ(value(last(scene), "event.action"), "blocked");
        EXPECT_EQ(value(last(scene), "scan.threat"), "EICAR-Test-File");
        EXPECT_EQ(value(last(scene), "ftp.command"), "STOR");
        expect_untold(scene);
    }
}

TEST(Store, behind_a_megabyte_it_is_still_found) {
    Scene scene({}, "allow", inspecting());
    scene.log_in();
    scene.open_data();
    scene.client.say("STOR a.txt");
    EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
    scene.client_data->send(lines(40'000));
    scene.client_data->send(eicar());
    scene.client_data->shutdown_write();
    EXPECT_THAT(scene.client.reply(), StartsWith("550 "));
    expect_untold(scene);
}

TEST(Store, of_an_empty_file) {
    for (const bool is_inspected : {false, true}) {
        Scene scene({}, "allow", is_inspected ? inspecting() : Bench::Adjust{});
        scene.log_in();
        scene.open_data();
        scene.client.say("STOR empty");
        if (!is_inspected) scene.serve_data("STOR empty");
        EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
        scene.client_data->close();
        if (is_inspected) scene.serve_data("STOR empty");
        EXPECT_EQ(scene.server_data->wait_for_end(), "");
        EXPECT_FALSE(scene.server_data->was_reset());
        scene.server->say("226 I have it.");
        EXPECT_EQ(scene.client.reply(), "226 I have it.");
        EXPECT_EQ(value(last(scene), "event.action"), "allowed");
        if (is_inspected) EXPECT_EQ(value(last(scene), "scan.verdict"), "clean");
    }
}

TEST(Store, of_a_part_is_not_taken) {
    Scene scene({}, "allow", inspecting());
    scene.log_in();
    scene.open_data();
    EXPECT_THAT(scene.ask("APPE a.txt"), StartsWith("550 "));
    EXPECT_TRUE(scene.is_data_broken());
    EXPECT_EQ(value(last(scene), "event.action"), "blocked");
    EXPECT_EQ(value(last(scene), "ftp.command"), "APPE");
    EXPECT_THAT(scene.ask("REST 5"), StartsWith("350 "));
    scene.open_data();
    EXPECT_THAT(scene.ask("STOR a.txt"), StartsWith("550 "));
    EXPECT_TRUE(scene.is_data_broken());
    expect_untold(scene);
    EXPECT_EQ(scene.store("a.txt", "hello"), "hello") << "REST holds for one transfer";
    EXPECT_EQ(scene.last_reply, "226 I have it.");
}

TEST(Store, of_a_part_goes_where_a_rule_says_so) {
    policy::RuleSource pass = rule("parts", "url.path starts_with \"/home/ann/\"", "inspect");
    pass.ranges = text("pass");
    Scene scene({pass}, "allow", inspecting());
    scene.log_in();
    scene.open_data();
    scene.client.say("APPE a.log");
    EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
    scene.client_data->send("one more line");
    scene.client_data->close();
    scene.serve_data("APPE a.log");
    EXPECT_EQ(scene.server_data->wait_for_end(), "one more line");
    scene.server->say("226 I have it.");
    EXPECT_EQ(scene.client.reply(), "226 I have it.");
    EXPECT_EQ(value(last(scene), "scan.reason"), "truncated");

    scene.ask("REST 5");
    scene.open_data();
    scene.client.say("STOR a.log");
    EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
    scene.client_data->send("the rest");
    scene.client_data->close();
    scene.serve_data("REST 5", "350 From there.");
    EXPECT_EQ(scene.server->line(), "STOR a.log") << "right behind it";
    scene.server->say("150 Go on.");
    EXPECT_EQ(scene.server_data->wait_for_end(), "the rest");
    scene.server->say("226 I have it.");
    EXPECT_EQ(scene.client.reply(), "226 I have it.");
}

TEST(Store, under_a_name_that_the_server_makes) {
    Scene scene({}, "allow", inspecting());
    scene.log_in();
    scene.open_data();
    scene.client.say("STOU");
    scene.serve_data("STOU", "150 FILE: u123.txt");
    EXPECT_EQ(scene.client.reply(), "150 FILE: u123.txt");
    scene.client_data->send("hello");
    scene.client_data->close();
    EXPECT_EQ(scene.server_data->wait_for_end(), "hello");
    scene.server->say("226 I have it.");
    EXPECT_EQ(scene.client.reply(), "226 I have it.");
    EXPECT_EQ(value(last(scene), "url.path"), "/home/ann/u123.txt");
    EXPECT_EQ(value(last(scene), "file.name"), "u123.txt");
}

TEST(Store, what_is_infected_under_such_a_name_is_taken_back) {
    Scene scene({}, "allow", inspecting());
    scene.log_in();
    scene.open_data();
    scene.client.say("STOU");
    scene.serve_data("STOU", "150 FILE: u123.txt");
    EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
    scene.client_data->send(eicar());
    scene.client_data->close();
    EXPECT_EQ(scene.server_data->wait_for_end(), "");
    EXPECT_TRUE(scene.server_data->was_reset());
    scene.hear_abort();
    EXPECT_EQ(scene.server->line(), "DELE u123.txt");
    scene.server->say("250 Gone.");
    EXPECT_THAT(scene.client.reply(), StartsWith("550 "));
    EXPECT_EQ(value(last(scene), "event.action"), "blocked");
    EXPECT_EQ(scene.relay("SIZE a", "213 1"), "213 1");
}

// Where a rule lets it flow, the file that was half there is removed: if there was none before.
TEST(Store, what_had_begun_is_cut_and_taken_back_where_nothing_was_before) {
    for (const std::string_view before : {"550 No such file.", "213 1000", "502 What?"}) {
        SCOPED_TRACE(before);
        Scene scene({}, "allow", inspecting(policy::Deliver::stream));
        scene.log_in();
        EXPECT_THAT(scene.relay("TYPE I", "200 Binary."), StartsWith("200 "));
        scene.open_data();
        scene.client.say("STOR a.txt");
        EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
        scene.client_data->send(lines(3000));
        EXPECT_EQ(scene.server->line(), "SIZE a.txt");
        scene.server->say(before);
        scene.serve_data("STOR a.txt");
        scene.server_data->wait_for("line 2000 ");
        scene.client_data->send(eicar() + lines(10));
        scene.client_data->shutdown_write();
        scene.server_data->wait_for_end();
        EXPECT_TRUE(scene.server_data->was_reset()) << "what the server has shall not look whole";
        scene.hear_abort();
        if (before.starts_with("550")) {
            EXPECT_EQ(scene.server->line(), "DELE a.txt");
            scene.server->say("250 Gone.");
        }
        EXPECT_THAT(scene.client.reply(), StartsWith("550 "));
        EXPECT_EQ(value(last(scene), "event.action"), "blocked");
        EXPECT_EQ(value(last(scene), "scan.verdict"), "infected");
        expect_untold(scene);
    }
}

// Who goes on sending hears of it all the same: what still comes is read and forgotten, for a while.
TEST(Store, what_is_refused_in_the_middle_is_heard_out) {
    Scene scene({rule("no-exe", "file.extension == \"exe\"", "block")}, "allow", inspecting());
    scene.log_in();
    scene.open_data();
    scene.client.say("STOR a.exe");
    EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
    scene.client_data->send(program());
    scene.bench.breathe();
    EXPECT_TRUE(scene.client_data->send(lines(10'000)));
    EXPECT_EQ(scene.client.nothing(), "");
    scene.client_data->shutdown_write();
    EXPECT_THAT(scene.client.reply(), StartsWith("550 "));
    EXPECT_FALSE(scene.is_data_broken());
    expect_untold(scene);
}

TEST(Store, what_cannot_be_taken_back_is_said) {
    Scene scene({}, "allow", inspecting());
    scene.log_in();
    scene.open_data();
    scene.client.say("STOU");
    scene.serve_data("STOU", "150 FILE: u123.txt");
    EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
    scene.client_data->send(eicar());
    scene.client_data->close();
    scene.server_data->wait_for_end();
    scene.hear_abort();
    EXPECT_EQ(scene.server->line(), "DELE u123.txt");
    scene.server->say("550 No.");
    EXPECT_THAT(scene.client.reply(), StartsWith("550 "));
    EXPECT_THAT(value(last(scene), "event.reason"), HasSubstr("could not be removed"));
}

TEST(Store, that_the_server_refuses) {
    for (const bool is_inspected : {false, true}) {
        SCOPED_TRACE(is_inspected);
        Scene scene({}, "allow", is_inspected ? inspecting() : Bench::Adjust{});
        scene.log_in();
        scene.open_data();
        scene.client.say("STOR a.txt");
        if (is_inspected) {
            EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
            scene.client_data->send("hello");
            scene.client_data->shutdown_write();
        }
        scene.serve_data("STOR a.txt", "553 Not here.");
        EXPECT_EQ(scene.client.reply(), "553 Not here.");
        EXPECT_EQ(scene.is_data_broken(), !is_inspected) << "who has sent all of it need not be broken off";
        EXPECT_EQ(value(last(scene), "ftp.reply"), "553");
        EXPECT_NE(value(last(scene), "event.action"), "allowed");
        EXPECT_EQ(value(last(scene), "error.type"), "") << "nothing is wrong with the connection";
        expect_untold(scene);
    }
}

TEST(Store, that_the_server_does_not_keep) {
    Scene scene({}, "allow", inspecting());
    scene.log_in();
    scene.open_data();
    scene.client.say("STOR a.txt");
    EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
    scene.client_data->send("hello");
    scene.client_data->close();
    scene.serve_data("STOR a.txt");
    EXPECT_EQ(scene.server_data->wait_for_end(), "hello");
    scene.server->say("452 No room.");
    EXPECT_EQ(scene.client.reply(), "452 No room.");
    EXPECT_EQ(value(last(scene), "event.action"), "failed");
    expect_untold(scene);
}

TEST(Store, that_the_server_breaks_off_in_the_middle) {
    Scene scene;
    scene.log_in();
    scene.open_data();
    scene.client.say("STOR a.txt");
    scene.serve_data("STOR a.txt");
    EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
    scene.client_data->send("hello");
    EXPECT_EQ(scene.server_data->wait_for("hello"), "hello");
    scene.server->say("552 No room.");
    scene.hear_abort("");
    EXPECT_EQ(scene.client.reply(), "552 No room.");
    EXPECT_TRUE(scene.is_data_broken());
    EXPECT_EQ(value(last(scene), "event.action"), "failed");
    expect_untold(scene);
}

// Where it had begun, the server can tell: an orderly end would make a whole file of it.
TEST(Store, from_a_client_that_vanishes_is_broken_at_the_server) {
    for (const bool is_inspected : {false, true}) {
        SCOPED_TRACE(is_inspected);
        Scene scene({}, "allow", is_inspected ? inspecting(policy::Deliver::stream) : Bench::Adjust{});
        scene.log_in();
        scene.open_data();
        scene.client.say("STOR a.txt");
        if (!is_inspected) scene.serve_data("STOR a.txt");
        EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
        scene.client_data->send(lines(3000));
        if (is_inspected) scene.serve_data("STOR a.txt");
        scene.server_data->wait_for("line 2000 ");
        scene.client.peer().abort();
        scene.server_data->wait_for_end();
        EXPECT_TRUE(scene.server_data->was_reset());
        EXPECT_TRUE(scene.bench.wait_for_sessions());
        EXPECT_EQ(value(last(scene), "event.action"), "aborted");
    }
}

TEST(Store, from_a_client_that_vanishes_reaches_no_server) {
    Scene scene({}, "allow", inspecting());
    scene.log_in();
    scene.open_data();
    scene.client.say("STOR a.txt");
    EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
    scene.client_data->send("hello");
    scene.bench.breathe();
    scene.client.peer().abort();
    EXPECT_TRUE(scene.bench.wait_for_sessions());
    scene.server->peer().wait_for_end();
    EXPECT_EQ(scene.server->nothing(), "");
    EXPECT_TRUE(scene.is_data_broken());
    EXPECT_EQ(value(last(scene), "event.action"), "aborted");
    EXPECT_EQ(value(last(scene), "scan.reason"), "truncated");
}

// A half file would look like a whole one: FTP has no lengths.
TEST(Store, over_a_data_connection_that_breaks_reaches_no_server) {
    Scene scene({}, "allow", inspecting());
    scene.log_in();
    scene.open_data();
    scene.client.say("STOR a.txt");
    EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
    scene.client_data->send("hello");
    scene.client_data->abort();
    EXPECT_THAT(scene.client.reply(), StartsWith("426 "));
    EXPECT_NE(value(last(scene), "event.action"), "allowed");
    expect_untold(scene);
}

TEST(Store, that_breaks_without_inspection_is_broken_at_the_server) {
    Scene scene;
    scene.log_in();
    scene.open_data();
    scene.client.say("STOR a.txt");
    scene.serve_data("STOR a.txt");
    EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
    scene.client_data->send("hello");
    EXPECT_EQ(scene.server_data->wait_for("hello"), "hello");
    scene.client_data->abort();
    scene.server_data->wait_for_end();
    EXPECT_TRUE(scene.server_data->was_reset());
    scene.hear_abort("226 I have it.");  // some do
    EXPECT_THAT(scene.client.reply(), StartsWith("426 "));
    expect_untold(scene);
}

TEST(Store, is_aborted) {
    Scene scene({}, "allow", inspecting());
    scene.log_in();
    scene.open_data();
    scene.client.say("STOR a.txt");
    EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
    scene.client_data->send("hello");
    scene.client.say("ABOR");
    EXPECT_THAT(scene.client.reply(), StartsWith("426 "));
    EXPECT_THAT(scene.client.reply(), StartsWith("226 "));
    EXPECT_TRUE(scene.is_data_broken());
    EXPECT_EQ(value(last(scene), "event.action"), "aborted");
    expect_untold(scene);
}

TEST(Store, of_a_client_that_sends_nothing) {
    Scene scene({}, "allow", inspecting(policy::Deliver::automatic, [](Settings& settings) {
                    settings.limits.body_idle = std::chrono::milliseconds(200);
                }));
    scene.log_in();
    scene.open_data();
    scene.client.say("STOR a.txt");
    EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
    scene.client_data->send("hello");
    EXPECT_THAT(scene.client.reply(), StartsWith("426 "));
    EXPECT_EQ(value(last(scene), "event.action"), "failed");
    expect_untold(scene);
}

TEST(Store, of_a_client_that_does_not_come_with_it) {
    Scene scene({}, "allow", inspecting(policy::Deliver::automatic, [](Settings& settings) {
                    settings.limits.ftp_data_connect = std::chrono::milliseconds(100);
                }));
    scene.log_in();
    scene.passive();
    EXPECT_THAT(scene.ask("STOR a.txt"), StartsWith("425 "));
    EXPECT_EQ(value(last(scene), "event.action"), "failed");
    expect_untold(scene);
}

TEST(Store, to_where_the_server_cannot_be_reached) {
    Scene scene({}, "allow", inspecting());
    scene.log_in();
    scene.open_data();
    scene.client.say("STOR a.txt");
    EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
    scene.client_data->send("hello");
    scene.client_data->shutdown_write();
    EXPECT_EQ(scene.server->line(), "PASV");
    scene.server->say("425 No.");
    EXPECT_EQ(scene.server->line(), "EPSV");
    scene.server->say("425 No.");
    EXPECT_THAT(scene.client.reply(), StartsWith("425 "));
    expect_untold(scene);
}

TEST(Store, goes_where_the_client_wants_to_be_called) {
    Scene scene({}, "allow", inspecting());
    scene.log_in();
    const std::uint16_t mine = scene.bench.listen();
    EXPECT_THAT(scene.ask("EPRT |1|127.0.0.1|" + std::to_string(mine) + "|"), StartsWith("200 "));
    scene.client.say("STOR a.txt");
    Peer& data = scene.bench.accept(mine);
    EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
    data.send("hello");
    data.close();
    scene.serve_data("STOR a.txt");
    EXPECT_EQ(scene.server_data->wait_for_end(), "hello");
    scene.server->say("226 I have it.");
    EXPECT_EQ(scene.client.reply(), "226 I have it.");
}

}  // namespace
}  // namespace sluice::ftp
