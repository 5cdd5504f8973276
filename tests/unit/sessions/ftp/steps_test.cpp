// SPDX-License-Identifier: Apache-2.0
// Every step of a client's control connection fails once: the session ends each time, says no more than what happened, and leaves nothing behind.
#include <gmock/gmock.h>

#include "unit/sessions/ftp/support.h"

namespace sluice::ftp {
namespace {

using namespace testing;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;

// What is left of a script's run.
struct Ending {
    std::vector<Record> events;
    std::string downloaded;
    std::string uploaded;
    bool stored = false;  // the server was told STOR, and got an orderly end
    bool whole = false;  // the client heard every reply
    std::size_t operations = 0;
};

// The script's peers, who go on as far as there is somebody to go on with.
struct Players {
    Bench& bench;
    std::uint16_t port;
    Speaker client;
    std::optional<Speaker> server;

    bool hears(std::string_view code) { return client.reply().starts_with(code); }
    bool serves(std::string_view heard, std::string_view says) {
        if (server->line() != heard) return false;
        server->say(says);
        return true;
    }
    Peer* open() {
        client.say("PASV");
        const std::string said = client.reply();
        const std::size_t digits = said.rfind(',');
        if (!said.starts_with("227 ") || said.find(')') == std::string::npos) return nullptr;
        const std::size_t before = said.rfind(',', digits - 1);
        const int port_number = std::stoi(said.substr(before + 1)) * 256 + std::stoi(said.substr(digits + 1));
        return bench.try_dial(static_cast<std::uint16_t>(port_number));
    }
    Peer* serve_data(std::string_view command) {
        const std::uint16_t data = bench.listen();
        if (!serves("PASV", "227 (127,0,0,1," + std::to_string(data / 256) + "," + std::to_string(data % 256) + ")")) return nullptr;
        Peer* const connection = bench.accept_if_dialled(data);
        if (connection == nullptr || !serves(command, "150 Here it is.")) return nullptr;
        return connection;
    }
};

const std::string& content() {
    static const std::string text = lines(4000);
    return text;
}

bool log_in(Players& players) {
    if (!players.hears("220")) return false;
    players.client.say("USER ann@127.0.0.1:" + std::to_string(players.port));
    Peer* const control = players.bench.accept_if_dialled(players.port);
    if (control == nullptr) return false;
    players.server.emplace(*control);
    players.server->say("220 Hello.");
    if (!players.serves("USER ann", "331 Password?") || !players.hears("331")) return false;
    players.client.say("PASS secret");
    return players.serves("PASS secret", "230 Welcome.") && players.serves("PWD", "257 \"/\"") && players.hears("230");
}

bool download(Players& players, Ending& run, std::string_view content) {
    Peer* const mine = players.open();
    if (mine == nullptr) return false;
    players.client.say("RETR a.txt");
    Peer* const data = players.serve_data("RETR a.txt");
    if (data == nullptr) return false;
    data->send(content);
    data->close();
    players.server->say("226 That was all.");
    const std::string first = players.client.reply();
    run.downloaded = mine->wait_for_end();
    if (!first.starts_with("150")) return false;
    return players.hears("226");
}

bool upload(Players& players, Ending& run, std::string_view content) {
    Peer* const mine = players.open();
    if (mine == nullptr) return false;
    players.client.say("STOR b.txt");
    if (!players.hears("150")) return false;
    mine->send(content);
    mine->shutdown_write();
    Peer* const data = players.serve_data("STOR b.txt");
    if (data == nullptr) return false;
    run.uploaded = data->wait_for_end();
    run.stored = !data->was_reset();
    players.server->say("226 I have it.");
    return players.hears("226");
}

bool leave(Players& players) {
    players.client.say("QUIT");
    return players.hears("221");
}

using Script = std::function<bool(Players&, Ending&)>;

bool whole_session(Players& players, Ending& run) {
    return log_in(players) && download(players, run, content()) && upload(players, run, content()) && leave(players);
}

std::string infected() { return lines(3000) + eicar() + lines(10); }

bool infected_download(Players& players, Ending& run) { return log_in(players) && download(players, run, infected()); }

bool infected_upload(Players& players, Ending& run) {
    if (!log_in(players)) return false;
    Peer* const mine = players.open();
    if (mine == nullptr) return false;
    players.client.say("STOR b.txt");
    if (!players.hears("150")) return false;
    mine->send(infected());
    mine->shutdown_write();
    const bool is_denied = players.hears("550");
    run.uploaded = players.server->nothing();  // PASV, STOR
    return is_denied;
}

Ending run(const Script& script, Failure failure, bool in_pieces = false) {
    Ending run;
    Bench bench({}, "allow", inspecting());
    bench.fail(failure);
    if (in_pieces) {
        bench.longest_read(1);
        if (failure.error != Errc::timed_out) bench.set_client_capacity(7);  // a goodbye to who takes nothing takes its time
    }
    const std::uint16_t port = bench.listen();
    Players players{bench, port, Speaker(bench.client()), {}};
    run.whole = script(players, run);
    players.client.peer().close();
    if (players.server) players.server->peer().close();
    EXPECT_TRUE(bench.wait_for_sessions()) << "step " << failure.at << " makes it hang";
    run.events = bench.events();
    run.operations = bench.operations();
    EXPECT_EQ(bench.gauge(audit::Gauge::server_connections), 0);
    EXPECT_EQ(bench.gauge(audit::Gauge::client_connections), 0);
    return run;
}

class EveryStep : public ::testing::TestWithParam<Errc> {};
INSTANTIATE_TEST_SUITE_P(Errors, EveryStep, ::testing::Values(Errc::reset, Errc::io_failed, Errc::timed_out));

TEST_P(EveryStep, of_a_session_fails_once) {
    const Ending good = run(whole_session, {});
    ASSERT_TRUE(good.whole);
    ASSERT_EQ(good.downloaded, content());
    ASSERT_EQ(good.uploaded, content());
    ASSERT_EQ(good.events.size(), 3U);
    ASSERT_GT(good.operations, 20U);
    std::size_t told = 0;  // runs with an event of the failure
    for (std::size_t step = 1;; ++step) {
        const Ending broken = run(whole_session, {step, GetParam()});
        if (broken.operations < step) break;  // there was no such step: none fails any more
        ASSERT_LT(step, 300U);
        SCOPED_TRACE("step " + std::to_string(step) + " of about " + std::to_string(good.operations));
        EXPECT_TRUE(content().starts_with(broken.downloaded));
        EXPECT_TRUE(content().starts_with(broken.uploaded));
        if (broken.stored) EXPECT_EQ(broken.uploaded, content()) << "a half file with an orderly end";
        ASSERT_LE(broken.events.size(), 4U);
        for (std::size_t i = 0; i < broken.events.size(); ++i) {
            const Record& event = broken.events[i];
            const std::string action = value(event, "event.action");
            if (action == "allowed") continue;
            EXPECT_EQ(i + 1, broken.events.size()) << "nothing goes on behind a failure";
            EXPECT_THAT(action, AnyOf("failed", "aborted"));
            EXPECT_EQ(value(event, "event.outcome"), "failure");
            EXPECT_NE(value(event, "event.reason"), "");
            ++told;
        }
        if (broken.whole) EXPECT_EQ(broken.events.size(), 3U);
    }
    EXPECT_GE(told, 5U);
}

TEST_P(EveryStep, of_an_infected_session_lets_nothing_through) {
    for (const Script& script : {Script(infected_download), Script(infected_upload)}) {
        for (std::size_t step = 1;; ++step) {
            const Ending broken = run(script, {step, GetParam()});
            ASSERT_LT(step, 300U);
            SCOPED_TRACE("step " + std::to_string(step));
            EXPECT_THAT(broken.downloaded, Not(HasSubstr("EICAR")));
            EXPECT_EQ(broken.uploaded, "");
            for (const Record& event : broken.events)
                if (value(event, "ftp.command") != "PASS") EXPECT_NE(value(event, "event.action"), "allowed");
            if (broken.operations >= step) continue;
            ASSERT_EQ(broken.events.size(), 2U) << "with nothing that fails";
            EXPECT_EQ(value(broken.events.back(), "scan.verdict"), "infected");
            EXPECT_EQ(value(broken.events.back(), "event.action"), "blocked");
            break;
        }
    }
}

// Lines that come octet by octet, and go in pieces: many more steps, none of which may lose one.
TEST_P(EveryStep, of_a_session_in_small_pieces_ends_it) {
    for (std::size_t step = 1;; ++step) {
        const Ending broken = run(whole_session, {step, GetParam()}, true);
        if (broken.operations < step) {
            EXPECT_TRUE(broken.whole);
            break;
        }
        ASSERT_LT(step, 2000U);
        if (broken.stored) EXPECT_EQ(broken.uploaded, content());
    }
}

}  // namespace
}  // namespace sluice::ftp
