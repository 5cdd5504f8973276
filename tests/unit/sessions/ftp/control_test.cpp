// SPDX-License-Identifier: Apache-2.0
// Control connections by themselves: what is read of them, and when nothing is.
#include "sessions/ftp/control.h"

#include <gmock/gmock.h>

#include "net/memory_stream.h"
#include "net/timer.h"
#include "unit/sessions/ftp/support.h"

namespace sluice::ftp {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::StartsWith;

// A control connection and its peer; the test is who waits for the news.
template <class C>
class Line {
public:
    explicit Line(std::string_view ahead = {}) {
        auto [near_end, far_end] = net::memory_pair(worker);
        memory = near_end.get();
        far = std::move(far_end);
        control.emplace(std::move(near_end), Limits{}, news);
        control->start(ahead);
        settle();
    }
    ~Line() {
        if (control) worker.run(control->stop());
        control.reset();
        EXPECT_EQ(worker.live(), 0U);
        EXPECT_EQ(worker.buffers().lent(), 0U);
    }

    void settle() {
        worker.run([]() -> net::Task<void> { co_return; }());
    }
    // The peer says so, as far as there is room.
    std::size_t say(std::string_view text) {
        const auto sent = far->try_write({&text, 1});
        settle();
        return sent.value_or(0);
    }
    // False: nobody told.
    template <class F>
    bool wait_until(F holds) {
        bool is_late = false;
        net::Timer give_up(worker.timers(), [&] {
            is_late = true;
            news.tell();
        });
        give_up.set(std::chrono::seconds(3));
        worker.run(news.until([&] { return is_late || holds(); }));
        return !is_late;
    }

    net::Worker worker;
    std::size_t heeded = 0;
    News news{[this] { ++heeded; }};
    net::MemoryStream* memory = nullptr;
    std::unique_ptr<net::Stream> far;
    std::optional<C> control;
};

using ClientLine = Line<ClientControl>;
using ServerLine = Line<ServerControl>;

std::string numbered(std::size_t first, std::size_t count) {
    std::string out;
    for (std::size_t i = first; i < first + count; ++i) out += "CWD " + std::to_string(i) + "\r\n";
    return out;
}

// Those that are there, without waiting.
std::vector<std::string> arguments(ClientControl& control) {
    std::vector<std::string> out;
    while (control.has_command()) out.push_back(control.take_command().argument);
    return out;
}

TEST(ClientControl, reads_commands_in_order) {
    ClientLine line;
    EXPECT_FALSE(line.control->has_command());
    line.say("cwd a b\r\nNOOP\r\n");
    ASSERT_TRUE(line.control->has_command());
    EXPECT_EQ(line.control->front().verb, "CWD");
    EXPECT_EQ(line.control->take_command().argument, "a b");
    EXPECT_EQ(line.control->take_command().verb, "NOOP");
    EXPECT_FALSE(line.control->has_command());
    EXPECT_FALSE(line.control->failure());
    EXPECT_EQ(line.control->traffic().received, 15U);
    EXPECT_EQ(line.heeded, 1U);
}

TEST(ClientControl, waits_for_the_end_of_a_line) {
    ClientLine line;
    for (const std::string_view piece : {"CW", "D a", "\r"}) {
        line.say(piece);
        EXPECT_FALSE(line.control->has_command());
    }
    EXPECT_TRUE(line.control->has_unread());
    line.say("\nNO");
    EXPECT_THAT(arguments(*line.control), ElementsAre("a"));
    line.say("OP\r\n");
    EXPECT_EQ(line.control->take_command().verb, "NOOP");
    EXPECT_FALSE(line.control->has_unread());
}

TEST(ClientControl, begins_with_what_was_read_ahead) {
    ClientLine line("CWD a\r\nCWD");
    EXPECT_THAT(arguments(*line.control), ElementsAre("a"));
    line.say(" b\r\n");
    EXPECT_THAT(arguments(*line.control), ElementsAre("b"));
    EXPECT_EQ(line.control->traffic().received, 14U);
}

TEST(ClientControl, keeps_64_commands_and_leaves_the_rest_to_the_client) {
    ClientLine line;
    line.say(numbered(0, 100));
    const std::string more = numbered(100, 5);
    EXPECT_EQ(line.say(more), more.size());
    EXPECT_EQ(line.memory->unread(), more) << "nothing is read while so many wait";
    std::vector<std::string> taken = arguments(*line.control);
    EXPECT_EQ(taken.size(), 64U);
    while (taken.size() < 105) {
        ASSERT_TRUE(line.wait_until([&] { return line.control->has_command(); })) << "after " << taken.size();
        for (std::string& each : arguments(*line.control)) taken.push_back(std::move(each));
    }
    for (std::size_t i = 0; i < taken.size(); ++i) EXPECT_EQ(taken[i], std::to_string(i));
    EXPECT_EQ(line.memory->unread(), "");
}

// Nobody else would: all of it has been read.
TEST(ClientControl, tells_of_those_that_found_room_later) {
    ClientLine line;
    line.say(numbered(0, 70));
    EXPECT_EQ(arguments(*line.control).size(), 64U);
    EXPECT_TRUE(line.wait_until([&] { return line.control->has_command(); }));
    EXPECT_EQ(arguments(*line.control).size(), 6U);
}

TEST(ClientControl, one_that_is_taken_makes_room_for_one) {
    ClientLine line;
    line.say(numbered(0, 70));
    for (int i = 0; i < 6; ++i) {
        line.control->take_command();
        line.settle();
    }
    EXPECT_EQ(arguments(*line.control).size(), 64U);
}

TEST(ClientControl, what_came_before_the_end_is_still_there) {
    ClientLine line;
    line.say("CWD a\r\nCWD b\r\nCW");
    line.far->close();
    line.settle();
    ASSERT_TRUE(line.control->failure());
    EXPECT_EQ(line.control->failure()->code, Errc::closed);
    EXPECT_EQ(line.control->failure()->side, Side::client);
    EXPECT_THAT(arguments(*line.control), ElementsAre("a", "b"));
}

TEST(ClientControl, the_end_behind_many_commands_is_seen_once_they_are_taken) {
    ClientLine line;
    line.say(numbered(0, 100));
    line.far->close();
    line.settle();
    EXPECT_FALSE(line.control->failure());
    EXPECT_EQ(arguments(*line.control).size(), 64U);
    EXPECT_TRUE(line.wait_until([&] { return line.control->failure().has_value(); }));
    EXPECT_EQ(arguments(*line.control).size(), 36U);
}

TEST(ClientControl, says_when_the_client_broke_it) {
    ClientLine line;
    line.far->abort();
    line.settle();
    ASSERT_TRUE(line.control->failure());
    EXPECT_EQ(line.control->failure()->code, Errc::reset);
    EXPECT_GE(line.heeded, 1U);
}

TEST(ClientControl, says_when_its_time_is_over) {
    ClientLine line;
    line.control->stream().expires_in(std::chrono::milliseconds(100));
    EXPECT_TRUE(line.wait_until([&] { return line.control->failure().has_value(); }));
    EXPECT_EQ(line.control->failure()->code, Errc::timed_out);
}

TEST(ClientControl, knows_of_an_abort_among_those_that_wait) {
    ClientLine line;
    line.say(
        "CWD a\r\n\xff\xf4\xff\xf2"
        "ABOR\r\nABOR x\r\n");
    EXPECT_TRUE(line.control->has_abort());
    line.control->take_command();
    EXPECT_EQ(line.control->take_command().verb, "ABOR");
    EXPECT_TRUE(line.control->has_abort()) << "there is another";
    line.control->take_command();
    EXPECT_FALSE(line.control->has_abort());
}

// What follows AUTH may be no command.
TEST(ClientControl, reads_no_command_behind_auth) {
    ClientLine line;
    line.say("NOOP\r\nAUTH TLS\r\nCWD a\r\n");
    line.say("CWD b\r\n");
    EXPECT_EQ(line.control->take_command().verb, "NOOP");
    EXPECT_EQ(line.control->take_command().verb, "AUTH");
    line.settle();
    EXPECT_FALSE(line.control->has_command());
    EXPECT_TRUE(line.control->has_unread());
    line.control->unpark();
    ASSERT_TRUE(line.wait_until([&] { return line.control->has_command(); }));
    line.settle();
    EXPECT_THAT(arguments(*line.control), ElementsAre("a", "b"));
}

TEST(ClientControl, is_stopped_while_it_reads) {
    ClientLine line;
    line.worker.run(line.control->stop());
    ASSERT_TRUE(line.control->failure());
    EXPECT_EQ(line.control->failure()->code, Errc::cancelled);
    line.worker.run(line.control->stop());               // once more is no harm
}

TEST(ClientControl, is_stopped_while_there_is_no_room) {
    ClientLine line;
    line.say(numbered(0, 100));
    line.worker.run(line.control->stop());
    ASSERT_TRUE(line.control->failure());
    EXPECT_EQ(line.control->failure()->code, Errc::cancelled);
    EXPECT_EQ(arguments(*line.control).size(), 64U);
}

TEST(ClientControl, gives_its_stream_away) {
    ClientLine line;
    std::unique_ptr<net::Stream> stream;
    line.worker.run([](ClientControl& control, std::unique_ptr<net::Stream>& out) -> net::Task<void> { out = co_await control.release(); }(
                                                                                      *line.control, stream));
    line.control.reset();
    line.say("hello");
    char room[16];
    const auto got = stream->try_read(room);
    ASSERT_TRUE(got && *got) << "it can be read again";
    EXPECT_EQ(std::string_view(room, **got), "hello");
}

TEST(ClientControl, a_client_that_takes_nothing_is_gone) {
    ClientLine line;
    dynamic_cast<net::MemoryStream&>(*line.far).set_capacity(10);
    Result<void> sent;
    line.worker.run([](ClientControl& control, Result<void>& out) -> net::Task<void> {
        out = co_await control.send("220 more than ten octets\r\n", std::chrono::milliseconds(200));
    }(*line.control, sent));
    ASSERT_FALSE(sent);
    EXPECT_EQ(sent.error().code, Errc::timed_out);
    ASSERT_TRUE(line.control->failure()) << "behind half a line nothing can be said";
    EXPECT_EQ(line.control->failure()->code, Errc::timed_out);
    EXPECT_GE(line.heeded, 1U);
}

TEST(ServerControl, reads_replies_in_order) {
    ServerLine line;
    line.say("211-Features:\r\n SIZE\r\n211 End\r\n226 Do");
    ASSERT_TRUE(line.control->has_reply());
    EXPECT_EQ(line.control->front().code, 211);
    EXPECT_EQ(line.control->take_reply().lines.size(), 3U);
    EXPECT_FALSE(line.control->has_reply());
    line.say("ne\r\n");
    EXPECT_EQ(line.control->take_reply().text(), "Done");
}

TEST(ServerControl, a_server_that_does_not_speak_ftp_is_the_end_of_it) {
    ServerLine line;
    line.say("220 Hello\r\nSSH-2.0-x\r\n");
    ASSERT_TRUE(line.control->failure());
    EXPECT_EQ(line.control->failure()->code, Errc::malformed);
    EXPECT_EQ(line.control->failure()->side, Side::server);
    EXPECT_EQ(line.control->take_reply().code, 220) << "what it said before holds";
}

TEST(ServerControl, keeps_16_replies_and_leaves_the_rest_to_the_server) {
    ServerLine line;
    std::string flood;
    for (int i = 0; i < 40; ++i) flood += "200 " + std::to_string(i) + "\r\n";
    line.say(flood);
    const std::string_view more = "200 40\r\n";
    line.say(more);
    EXPECT_EQ(line.memory->unread(), more);
    for (int i = 0; i < 16; ++i) EXPECT_EQ(line.control->take_reply().text(), std::to_string(i));
    EXPECT_FALSE(line.control->has_reply());
    for (int i = 16; i < 41; ++i) {
        ASSERT_TRUE(line.wait_until([&] { return line.control->has_reply(); })) << "after " << i;
        EXPECT_EQ(line.control->take_reply().text(), std::to_string(i));
    }
}

// The same through a session.
TEST(CommandsSentAhead, are_answered_in_order) {
    Bench bench;
    Speaker client(bench.client());
    EXPECT_THAT(client.reply(), StartsWith("220 "));
    std::string all;
    for (int i = 0; i < 100; ++i) all += i % 3 == 0 ? "NOOP\r\n" : i % 3 == 1 ? "PWD\r\n" : "ODD\r\n";
    client.peer().send(all);
    for (int i = 0; i < 100; ++i) {
        SCOPED_TRACE(i);
        ASSERT_THAT(client.reply(), StartsWith(i % 3 == 0 ? "200 " : i % 3 == 1 ? "530 " : "502 "));
    }
    EXPECT_EQ(client.nothing(), "");
}

TEST(CommandsSentAhead, are_answered_though_the_client_says_no_more) {
    Bench bench;
    Speaker client(bench.client());
    EXPECT_THAT(client.reply(), StartsWith("220 "));
    client.peer().send("NOOP\r\nHELP\r\nNOOP\r\nNOO");
    client.peer().shutdown_write();
    EXPECT_THAT(client.reply(), StartsWith("200 "));
    EXPECT_THAT(client.reply(), StartsWith("214 "));
    EXPECT_THAT(client.reply(), StartsWith("200 "));
    EXPECT_TRUE(client.has_ended());
    EXPECT_TRUE(bench.wait_for_sessions());
    EXPECT_TRUE(bench.events().empty());
}

TEST(CommandsSentAhead, of_a_client_that_is_gone_end_the_session) {
    Bench bench;
    Speaker client(bench.client());
    EXPECT_THAT(client.reply(), StartsWith("220 "));
    client.peer().send("NOOP\r\nNOOP\r\n");
    client.peer().abort();
    EXPECT_TRUE(bench.wait_for_sessions());
}

TEST(CommandsSentAhead, wait_for_the_server_each_in_its_turn) {
    Scene scene;
    scene.log_in();
    scene.client.peer().send("SIZE a\r\nMDTM b\r\nNOOP\r\n");
    EXPECT_EQ(scene.server->line(), "SIZE a");
    EXPECT_EQ(scene.server->nothing(), "") << "one after the other";
    EXPECT_EQ(scene.client.nothing(), "");
    scene.server->say("213 10");
    EXPECT_EQ(scene.server->line(), "MDTM b");
    EXPECT_EQ(scene.client.nothing(), "213 10\r\n");
    scene.server->say("213 20261127101112");
    EXPECT_EQ(scene.client.reply(), "213 20261127101112");
    EXPECT_THAT(scene.client.reply(), StartsWith("200 "));
}

}  // namespace
}  // namespace sluice::ftp
