// SPDX-License-Identifier: Apache-2.0
#include "net/gate.h"
#include "unit/net/support.h"

#include <sys/resource.h>

namespace sluice::net {
namespace {

using std::chrono::milliseconds;

TEST(TcpStream, carries_bytes_and_the_end) {
    Worker worker;
    worker.run([](Worker& on) -> Task<void> {
        auto [client, server] = tcp_pair(on);
        EXPECT_TRUE(co_await send(*client, "hello"));
        EXPECT_EQ(co_await receive(*server, 5), "hello");
        client->shutdown_write();
        char byte;
        EXPECT_EQ(co_await server->read_some({&byte, 1}), 0U);
        EXPECT_TRUE(co_await send(*server, "still"));
        EXPECT_EQ(co_await receive(*client, 5), "still");
    }(worker));
}

// The bytes and the end are announced by one edge: the end must not be forgotten after a short read.
TEST(TcpStream, sees_the_end_that_came_with_the_bytes) {
    Worker worker;
    worker.run([](Worker& on) -> Task<void> {
        for (const bool registered : {false, true}) {
            auto [peer, other] = connected();
            const auto stream = adopt(on, other, Side::client);
            if (registered) {
                EXPECT_EQ(::send(peer.value, "a", 1, 0), 1);
                EXPECT_EQ(co_await receive(*stream, 1), "a");
                EXPECT_TRUE(stream->is_quiet());
            }
            EXPECT_EQ(::send(peer.value, "bcd", 3, 0), 3);
            peer.reset();
            co_await on.sleep(milliseconds(5));
            EXPECT_EQ(co_await receive_all(*stream), "bcd");
        }
    }(worker));
}

// A peer that takes a little now and then is waited for, long before the socket says that it has room again; one that takes nothing is not.
TEST(TcpStream, a_write_waits_as_long_as_the_peer_takes) {
    Worker worker;
    worker.run([](Worker& on) -> Task<void> {
        auto [client, server] = tcp_pair(on);
        const int small = 4096;
        ::setsockopt(server->native_handle(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
        std::optional<Result<void>> outcome;
        Gate done;
        const std::string much(16'000'000, 'x');
        spawn(on, [](Stream& to, std::string_view all, std::optional<Result<void>>& result, Gate& gate) -> Task<void> {
            result = co_await to.write({&all, 1}, 0, milliseconds(500));
            gate.open();
        }(*client, much, outcome, done));
        for (int i = 0; i < 100; ++i) {
            EXPECT_EQ(co_await receive(*server, 2000), std::string(2000, 'x'));
            co_await on.sleep(milliseconds(20));
        }
        EXPECT_FALSE(outcome.has_value()) << "four times as long as it waits for one that takes nothing";
        const auto begun = Worker::now();
        co_await done.wait();
        EXPECT_LT(Worker::now() - begun, milliseconds(3000));
        EXPECT_EQ(outcome->has_value() ? Errc::io_failed : outcome->error().code, Errc::timed_out);
    }(worker));
}

TEST(TcpStream, writes_more_than_the_socket_takes_in_many_pieces) {
    Worker worker;
    worker.run([](Worker& on) -> Task<void> {
        auto [client, server] = tcp_pair(on);
        std::string expected;
        std::vector<std::string> texts;
        for (std::size_t i = 0; i < 200; ++i) texts.emplace_back(i * 700, static_cast<char>('a' + i % 26));
        std::vector<std::string_view> pieces(texts.begin(), texts.end());
        for (const auto& text : texts) expected += text;
        Gate done;
        spawn(on, [](Stream& to, std::vector<std::string_view>& all, Gate& gate) -> Task<void> {
            EXPECT_TRUE(co_await to.write(all));
            to.shutdown_write();
            gate.open();
        }(*client, pieces, done));
        EXPECT_EQ(co_await receive_all(*server), expected);
        co_await done.wait();
    }(worker));
}

TEST(TcpStream, try_read_and_try_write_never_wait) {
    Worker worker;
    worker.run([](Worker& on) -> Task<void> {
        auto [client, server] = tcp_pair(on);
        char buffer[4];
        EXPECT_EQ(server->try_read(buffer), std::nullopt);
        const std::string block(1 << 20, 'x');
        const std::string_view piece = block;
        std::size_t sent = 0;
        for (;;) {
            const auto count = client->try_write({&piece, 1});
            EXPECT_TRUE(count);
            if (!count || *count == 0) break;
            sent += *count;
        }
        EXPECT_GT(sent, 0U);
        EXPECT_EQ(co_await receive(*server, sent), std::string(sent, 'x'));
        EXPECT_TRUE(co_await client->wait_writable());
    }(worker));
}

// Who looks whether there is something, is told of the reset by the system; who reads then, would not be.
TEST(TcpStream, a_reset_that_was_waited_for_is_no_orderly_end) {
    Worker worker;
    worker.run([](Worker& on) -> Task<void> {
        auto [client, server] = tcp_pair(on);
        client->abort();
        EXPECT_TRUE(co_await server->wait_readable());
        char byte;
        for (int i = 0; i < 2; ++i) {
            const auto got = co_await server->read_some({&byte, 1});
            EXPECT_FALSE(got.has_value());
            if (!got) EXPECT_EQ(got.error().code, Errc::reset);
        }
    }(worker));
}

TEST(TcpStream, a_reset_is_an_error_of_its_side) {
    Worker worker;
    worker.run([](Worker& on) -> Task<void> {
        auto [client, server] = tcp_pair(on);
        client->abort();
        EXPECT_FALSE(client->is_open());
        char byte;
        const auto got = co_await server->read_some({&byte, 1});
        EXPECT_FALSE(got);
        EXPECT_EQ(got.error().code, Errc::reset);
        EXPECT_EQ(got.error().side, Side::client);
        const auto sent = co_await send(*server, "x");
        EXPECT_FALSE(sent);
        EXPECT_EQ(sent.error().code, Errc::reset);
    }(worker));
}

TEST(TcpStream, a_deadline_ends_reads_and_a_new_one_lets_them_go_on) {
    Worker worker;
    worker.run([](Worker& on) -> Task<void> {
        auto [client, server] = tcp_pair(on);
        server->expires_in(milliseconds(100));
        const auto begin = Worker::now();
        char byte;
        const auto got = co_await server->read_some({&byte, 1});
        EXPECT_FALSE(got);
        EXPECT_EQ(got.error().code, Errc::timed_out);
        EXPECT_GE(Worker::now() - begin, milliseconds(100));
        EXPECT_EQ((co_await send(*server, "408")).error().code, Errc::timed_out);
        server->expires_in(milliseconds(5'000));
        EXPECT_TRUE(co_await send(*server, "408"));
        EXPECT_EQ(co_await receive(*client, 3), "408");
    }(worker));
}

TEST(TcpStream, cancel_ends_what_waits_until_rearm) {
    Worker worker;
    worker.run([](Worker& on) -> Task<void> {
        auto [client, server] = tcp_pair(on);
        Gate done;
        spawn(on, [](Stream& stream, Gate& gate) -> Task<void> {
            const auto waited = co_await stream.wait_readable();
            EXPECT_EQ(waited.error().code, Errc::overloaded);
            gate.open();
        }(*server, done));
        server->cancel(Errc::overloaded);
        co_await done.wait();
        char byte;
        EXPECT_EQ((co_await server->read_some({&byte, 1})).error().code, Errc::overloaded);
        server->rearm();
        EXPECT_TRUE(co_await send(*client, "y"));
        EXPECT_EQ(co_await receive(*server, 1), "y");
    }(worker));
}

TEST(TcpStream, is_quiet_only_without_bytes_and_end) {
    Worker worker;
    worker.run([](Worker& on) -> Task<void> {
        for (const bool asked_before : {false, true}) {
            auto [client, server] = tcp_pair(on);
            if (asked_before) { EXPECT_TRUE(client->is_quiet()); }
            EXPECT_TRUE(co_await send(*server, "unasked"));
            co_await on.sleep(milliseconds(5));
            EXPECT_FALSE(client->is_quiet());
            EXPECT_EQ(co_await receive(*client, 7), "unasked");
            EXPECT_TRUE(client->is_quiet());
            server->close();
            co_await on.sleep(milliseconds(5));
            EXPECT_FALSE(client->is_quiet());
        }
    }(worker));
}

TEST(TcpStream, an_idle_reader_gives_its_buffer_back) {
    Worker worker;
    worker.run([](Worker& on) -> Task<void> {
        auto [client, server] = tcp_pair(on);
        spawn(on, [](Worker& at, Stream& to) -> Task<void> {
            co_await at.sleep(milliseconds(100));
            EXPECT_EQ(at.buffers().lent(), 1U);
            EXPECT_TRUE(co_await send(to, "one"));
            while (at.buffers().lent() != 0) co_await at.sleep(milliseconds(50));
            EXPECT_TRUE(co_await send(to, "two"));
        }(on, *client));
        Buffer buffer;
        EXPECT_EQ(co_await server->read_or_release(buffer, on.buffers()), 3U);
        EXPECT_EQ(std::string_view(buffer.data(), 3), "one");
        EXPECT_EQ(co_await server->read_or_release(buffer, on.buffers()), 3U);
        EXPECT_EQ(std::string_view(buffer.data(), 3), "two");
        server->expires_in(milliseconds(1'500));
        EXPECT_EQ((co_await server->read_or_release(buffer, on.buffers())).error().code, Errc::timed_out);
        EXPECT_FALSE(buffer);
    }(worker));
}

TEST(TcpStream, may_be_destroyed_while_events_for_it_are_on_their_way) {
    Worker worker;
    worker.run([](Worker& on) -> Task<void> {
        std::vector<std::pair<std::unique_ptr<TcpStream>, std::unique_ptr<TcpStream>>> pairs;
        for (int i = 0; i < 8; ++i) pairs.push_back(tcp_pair(on));
        Gate done;
        int ended = 0;
        for (auto& pair : pairs)
            spawn(on, [](auto& mine, auto& all, int& count, Gate& gate) -> Task<void> {
                char byte;
                (void)co_await mine.second->read_some({&byte, 1});
                // The first to be told takes all peers away, whose events stand in the same batch.
                for (auto& each : all) each.first.reset();
                if (++count == 8) gate.open();
            }(pair, pairs, ended, done));
        for (auto& pair : pairs) (void)co_await send(*pair.second, "to be read by nobody");
        for (auto& pair : pairs) (void)co_await send(*pair.first, "x");
        co_await done.wait();
    }(worker));
}

TEST(MemoryStream, carries_bytes_ends_and_resets) {
    Worker worker;
    worker.run([](Worker& on) -> Task<void> {
        auto [client, server] = memory_pair(on);
        EXPECT_TRUE(co_await send(*client, "hello"));
        EXPECT_FALSE(server->is_quiet());
        EXPECT_EQ(co_await receive(*server, 5), "hello");
        EXPECT_TRUE(server->is_quiet());
        client->shutdown_write();
        char byte;
        EXPECT_EQ(co_await server->read_some({&byte, 1}), 0U);
        server->abort();
        const auto got = co_await client->read_some({&byte, 1});
        EXPECT_EQ(got.error().code, Errc::reset);
        EXPECT_EQ(got.error().side, Side::client);
    }(worker));
}

TEST(MemoryStream, backpressure_and_deadlines_are_as_with_sockets) {
    Worker worker;
    worker.run([](Worker& on) -> Task<void> {
        auto [client, server] = memory_pair(on);
        server->set_capacity(10);
        const std::string text(1'000, 't');
        Gate done;
        spawn(on, [](Stream& to, std::string_view all, Gate& gate) -> Task<void> {
            EXPECT_TRUE(co_await send(to, all));
            gate.open();
        }(*client, text, done));
        EXPECT_EQ(co_await receive(*server, text.size()), text);
        co_await done.wait();
        server->expires_in(milliseconds(1));
        char byte;
        EXPECT_EQ((co_await server->read_some({&byte, 1})).error().code, Errc::timed_out);
    }(worker));
}

// The same exchange, failing at its first step, then at its second, … until nothing is left to fail.
TEST(MemoryStream, every_step_can_be_made_to_fail) {
    std::size_t failing = 1;
    bool failed = true;
    for (; failed && failing < 100; ++failing) {
        Worker worker;
        worker.run([](Worker& on, std::size_t at, bool& has_failed) -> Task<void> {
            auto [client, server] = memory_pair(on);
            const auto faults = std::make_shared<Faults>();
            faults->fail_at = at;
            faults->longest_read = 2;
            faults->longest_write = 3;
            server->set_faults(faults);
            EXPECT_TRUE(co_await send(*client, "ping!"));
            const auto got = co_await receive(*server, 5);
            const auto sent = got ? co_await send(*server, "pong!") : Result<void>(std::unexpected(got.error()));
            has_failed = !sent;
            if (sent) {
                EXPECT_EQ(co_await receive(*client, 5), "pong!");
            } else {
                EXPECT_EQ(sent.error().code, Errc::reset);
            }
        }(worker, failing, failed));
    }
    EXPECT_EQ(failing, 7U);  // three reads and two writes, and the run that succeeds
}

}  // namespace
}  // namespace sluice::net
