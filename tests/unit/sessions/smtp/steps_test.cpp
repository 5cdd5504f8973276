// SPDX-License-Identifier: Apache-2.0
// Every step of a client's connection fails once: the session ends each time, nothing is acknowledged that the server has not, nothing reaches the
// server as a whole message that is none, and there is one event.
#include <gmock/gmock.h>

#include <functional>

#include "unit/sessions/smtp/support.h"

namespace sluice::smtp {
namespace {

using namespace testing;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;

// What is left of a script's run.
struct Ending {
    std::vector<Record> events;
    std::string stored;  // the server got it, with its end
    bool has_acknowledged = false;  // the client heard 250 for it
    bool is_whole = false;  // the script ran to its end
    std::size_t operations = 0;
};

struct Players {
    Bench& bench;
    Speaker client;
    std::optional<Speaker> server{};

    bool hears(std::string_view code) { return client.reply().starts_with(code); }
    bool serves(std::string_view heard, std::string_view says) {
        if (server->line() != heard) return false;
        server->say(says);
        return true;
    }
    bool relays(std::string_view line, std::string_view says) {
        client.say(line);
        return serves(line, says) && hears(says.substr(0, 3));
    }
};

bool begin(Players& players) {
    if (!players.hears("220")) return false;
    players.client.say("EHLO client.example");
    Peer* const server = players.bench.accept_if_dialled(players.bench.port());
    if (server == nullptr) return false;
    players.server.emplace(*server);
    players.server->say("220 upstream.example ESMTP");
    return players.serves("EHLO client.example", "250 upstream.example") && players.hears("250") &&
           players.relays("MAIL FROM:<ann@client.example>", "250 OK") && players.relays("RCPT TO:<bo@mail.example>", "250 OK");
}

const std::string& message() {
    static const std::string text = with_attachment("notes.txt", std::string(3000, 'x'));
    return text;
}

bool send(Players& players, Ending& run, const std::string& content) {
    if (!players.relays("DATA", "354 Go on.")) return false;
    players.client.peer().send(content + ".\r\n");
    std::string got;
    for (;;) {
        const std::string line = players.server->line();
        if (line == ".") break;
        got += line + "\r\n";
        if (players.server->peer().has_ended() || players.server->peer().was_reset()) return false;
    }
    run.stored = got;
    players.server->say("250 2.0.0 Queued");
    run.has_acknowledged = players.hears("250");
    return run.has_acknowledged;
}

bool whole_session(Players& players, Ending& run) {
    if (!begin(players) || !send(players, run, message())) return false;
    players.client.say("QUIT");
    return players.hears("221");
}

bool infected_session(Players& players, Ending& run) {
    if (!begin(players) || !players.relays("DATA", "354 Go on.")) return false;
    players.client.peer().send(with_attachment("notes.txt", eicar()) + ".\r\n");
    const bool is_denied = players.hears("550");
    run.stored = players.server->peer().wait_for_end();
    return is_denied;
}

using Script = std::function<bool(Players&, Ending&)>;

Ending run(const Script& script, Failure failure, bool in_pieces = false) {
    Ending run;
    Bench bench({}, "allow", inspecting());
    bench.fail(failure);
    if (in_pieces) bench.longest_read(1);
    Players players{bench, Speaker(bench.client())};
    run.is_whole = script(players, run);
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
    ASSERT_TRUE(good.is_whole);
    ASSERT_EQ(good.stored, message());
    ASSERT_EQ(good.events.size(), 1U);
    std::size_t told = 0;
    for (std::size_t step = 1;; ++step) {
        const Ending broken = run(whole_session, {step, GetParam()});
        if (broken.operations < step) break;
        ASSERT_LT(step, 300U);
        SCOPED_TRACE("step " + std::to_string(step) + " of about " + std::to_string(good.operations));
        EXPECT_THAT(broken.stored, AnyOf("", message()));
        if (broken.has_acknowledged) EXPECT_EQ(broken.stored, message());
        ASSERT_LE(broken.events.size(), 1U);
        for (const Record& event : broken.events) {
            if (value(event, "event.action") == "allowed") {
                EXPECT_EQ(broken.stored, message());
                continue;
            }
            EXPECT_THAT(value(event, "event.action"), AnyOf("failed", "aborted"));
            EXPECT_NE(value(event, "event.reason"), "");
            ++told;
        }
    }
    EXPECT_GE(told, 3U);
}

TEST_P(EveryStep, of_an_infected_session_lets_nothing_through) {
    for (std::size_t step = 1;; ++step) {
        const Ending broken = run(infected_session, {step, GetParam()});
        ASSERT_LT(step, 300U);
        SCOPED_TRACE("step " + std::to_string(step));
        EXPECT_THAT(broken.stored, Not(HasSubstr("\r\n.\r\n")));
        for (const Record& event : broken.events) EXPECT_NE(value(event, "event.action"), "allowed");
        if (broken.operations >= step) continue;
        ASSERT_EQ(broken.events.size(), 1U) << "with nothing that fails";
        EXPECT_EQ(value(broken.events.back(), "event.action"), "blocked");
        break;
    }
}

// Lines that come octet by octet: many more steps, none of which may lose one.
TEST_P(EveryStep, of_a_session_in_small_pieces_ends_it) {
    for (std::size_t step = 1;; step += step < 60 ? 1 : step / 4) {
        const Ending broken = run(whole_session, {step, GetParam()}, true);
        if (broken.operations < step) {
            EXPECT_TRUE(broken.is_whole);
            break;
        }
        ASSERT_LT(step, 100'000U);
        if (broken.has_acknowledged) EXPECT_EQ(broken.stored, message());
    }
}

}  // namespace
}  // namespace sluice::smtp
