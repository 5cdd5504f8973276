// SPDX-License-Identifier: Apache-2.0
#include "net/relay.h"
#include "net/gate.h"
#include "unit/net/support.h"

#include <random>

namespace sluice::net {
namespace {

using std::chrono::milliseconds;
using Ended = RelayResult::Ended;

// A tunnel: the peers' ends, and the relay between the two other ends.
struct Tunnel {
    std::unique_ptr<Stream> client;
    std::unique_ptr<Stream> server;
    std::unique_ptr<Stream> client_side;
    std::unique_ptr<Stream> server_side;
    RelayControl control;
    RelayResult result;
    Gate done;
};

enum class Kind { sockets, memory };

std::unique_ptr<Tunnel> open(Worker& on, Kind kind, milliseconds idle = milliseconds(60'000), RelayWay way = RelayWay::both) {
    auto tunnel = std::make_unique<Tunnel>();
    if (kind == Kind::sockets) {
        std::tie(tunnel->client, tunnel->client_side) = tcp_pair(on);
        std::tie(tunnel->server_side, tunnel->server) = tcp_pair(on);
    } else {
        std::tie(tunnel->client_side, tunnel->client) = memory_pair(on);
        std::tie(tunnel->server, tunnel->server_side) = memory_pair(on);
    }
    spawn(on, [](Worker& at, Tunnel& through, milliseconds most, RelayWay which) -> Task<void> {
        through.result = co_await relay(at, *through.client_side, *through.server_side, most, &through.control, which);
        through.client_side->close();
        through.server_side->close();
        through.done.open();
    }(on, *tunnel, idle, way));
    return tunnel;
}

std::string noise(std::size_t size) {
    std::mt19937_64 random(size);
    std::string text(size, '\0');
    for (char& c : text) c = static_cast<char>(random());
    return text;
}

Task<void> send_all(Stream& to, const std::string& text, Gate& done) {
    EXPECT_TRUE(co_await send(to, text));
    to.shutdown_write();
    done.open();
}

class RelayOf : public ::testing::TestWithParam<Kind> {};
INSTANTIATE_TEST_SUITE_P(Streams, RelayOf, ::testing::Values(Kind::sockets, Kind::memory));

TEST_P(RelayOf, echoes_a_few_bytes_at_once) {
    Worker worker;
    worker.run([](Worker& on, Kind kind) -> Task<void> {
        const auto tunnel = open(on, kind);
        for (int i = 0; i < 100; ++i) {
            EXPECT_TRUE(co_await send(*tunnel->client, "ping"));
            EXPECT_EQ(co_await receive(*tunnel->server, 4), "ping");
            EXPECT_TRUE(co_await send(*tunnel->server, "pong!"));
            EXPECT_EQ(co_await receive(*tunnel->client, 5), "pong!");
        }
        EXPECT_EQ(tunnel->control.to_server(), 400U);
        EXPECT_EQ(tunnel->control.to_client(), 500U);
        tunnel->server->close();
        EXPECT_EQ(co_await receive_all(*tunnel->client), "");
        tunnel->client->close();
        co_await tunnel->done.wait();
        EXPECT_EQ(tunnel->result.ended, Ended::server);
        EXPECT_FALSE(tunnel->result.error);
    }(worker, GetParam()));
}

TEST_P(RelayOf, carries_much_both_ways_at_once) {
    Worker worker;
    worker.run([](Worker& on, Kind kind) -> Task<void> {
        const auto tunnel = open(on, kind);
        const std::string up = noise(kind == Kind::sockets ? 9'000'001 : 300'001);
        const std::string down = noise(kind == Kind::sockets ? 7'000'003 : 200'003);
        Gate up_sent;
        Gate down_sent;
        Gate up_received;
        spawn(on, send_all(*tunnel->client, up, up_sent));
        spawn(on, send_all(*tunnel->server, down, down_sent));
        spawn(on, [](Stream& from, const std::string& expected, Gate& gate) -> Task<void> {
            EXPECT_TRUE(co_await receive_all(from) == expected);
            gate.open();
        }(*tunnel->server, up, up_received));
        EXPECT_TRUE(co_await receive_all(*tunnel->client) == down);
        co_await up_received.wait();
        co_await up_sent.wait();
        co_await down_sent.wait();
        co_await tunnel->done.wait();
        EXPECT_EQ(tunnel->result.to_server, up.size());
        EXPECT_EQ(tunnel->result.to_client, down.size());
        EXPECT_FALSE(tunnel->result.error);
    }(worker, GetParam()));
    EXPECT_EQ(worker.buffers().lent(), 0U);
}

TEST_P(RelayOf, passes_a_half_close_on_and_the_other_way_goes_on) {
    Worker worker;
    worker.run([](Worker& on, Kind kind) -> Task<void> {
        const auto tunnel = open(on, kind);
        EXPECT_TRUE(co_await send(*tunnel->client, "request"));
        tunnel->client->shutdown_write();
        EXPECT_EQ(co_await receive_all(*tunnel->server), "request");
        EXPECT_TRUE(co_await send(*tunnel->server, "response"));
        EXPECT_EQ(co_await receive(*tunnel->client, 8), "response");
        EXPECT_FALSE(tunnel->done.is_open());
        tunnel->server->shutdown_write();
        EXPECT_EQ(co_await receive_all(*tunnel->client), "");
        co_await tunnel->done.wait();
        EXPECT_EQ(tunnel->result.ended, Ended::client);
    }(worker, GetParam()));
}

// After a second without a byte the relay waits in another way.
TEST_P(RelayOf, a_reset_after_a_pause_is_no_orderly_end) {
    Worker worker;
    worker.run([](Worker& on, Kind kind) -> Task<void> {
        for (const std::size_t size : {std::size_t{1}, std::size_t{1'000'000}}) {  // the latter is spliced
            const auto tunnel = open(on, kind);
            Gate sent;
            const std::string text = noise(size);
            spawn(on, [](Stream& to, const std::string& all, Gate& done) -> Task<void> {
                EXPECT_TRUE(co_await send(to, all));
                done.open();
            }(*tunnel->server, text, sent));
            EXPECT_EQ(co_await receive(*tunnel->client, size), text);
            co_await sent.wait();
            co_await on.sleep(milliseconds(1'500));
            tunnel->server->abort();
            co_await tunnel->done.wait();
            EXPECT_EQ(tunnel->result.ended, Ended::error);
            if (tunnel->result.error) EXPECT_EQ(tunnel->result.error->side, Side::server);
        }
    }(worker, GetParam()));
}

TEST_P(RelayOf, one_way_ends_with_its_source) {
    Worker worker;
    worker.run([](Worker& on, Kind kind) -> Task<void> {
        const std::string text = noise(1'000'000);
        for (const RelayWay way : {RelayWay::to_client, RelayWay::to_server}) {
            const bool is_down = way == RelayWay::to_client;
            const auto tunnel = open(on, kind, milliseconds(60'000), way);
            Stream& source = is_down ? *tunnel->server : *tunnel->client;
            Stream& sink = is_down ? *tunnel->client : *tunnel->server;
            Gate sent;
            spawn(on, send_all(source, text, sent));
            EXPECT_EQ(co_await receive(sink, text.size()), text);
            co_await tunnel->done.wait();                // though the sink has not ended
            EXPECT_EQ(tunnel->result.ended, is_down ? Ended::server : Ended::client);
            EXPECT_EQ(tunnel->result.to_client, is_down ? text.size() : 0);
            EXPECT_EQ(tunnel->result.to_server, is_down ? 0 : text.size());
            co_await sent.wait();
        }
    }(worker, GetParam()));
}

TEST_P(RelayOf, one_way_ends_when_it_breaks) {
    Worker worker;
    worker.run([](Worker& on, Kind kind) -> Task<void> {
        const auto tunnel = open(on, kind, milliseconds(60'000), RelayWay::to_client);
        EXPECT_TRUE(co_await send(*tunnel->server, "x"));
        EXPECT_EQ(co_await receive(*tunnel->client, 1), "x");
        tunnel->server->abort();
        co_await tunnel->done.wait();
        EXPECT_EQ(tunnel->result.ended, Ended::error);
        EXPECT_EQ(tunnel->result.error->side, Side::server);
        EXPECT_EQ(tunnel->result.to_client, 1U);
    }(worker, GetParam()));
}

TEST_P(RelayOf, ends_when_nothing_moves) {
    Worker worker;
    worker.run([](Worker& on, Kind kind) -> Task<void> {
        const auto tunnel = open(on, kind, milliseconds(200));
        for (int i = 0; i < 5; ++i) {                // one way that moves keeps both
            co_await on.sleep(milliseconds(100));
            EXPECT_TRUE(co_await send(*tunnel->server, "."));
        }
        EXPECT_FALSE(tunnel->done.is_open());
        co_await tunnel->done.wait();
        EXPECT_EQ(tunnel->result.ended, Ended::idle);
        EXPECT_EQ(tunnel->result.to_client, 5U);
    }(worker, GetParam()));
}

TEST_P(RelayOf, ends_when_it_is_cancelled) {
    Worker worker;
    worker.run([](Worker& on, Kind kind) -> Task<void> {
        const auto tunnel = open(on, kind);
        EXPECT_TRUE(co_await send(*tunnel->client, "x"));
        EXPECT_EQ(co_await receive(*tunnel->server, 1), "x");
        tunnel->control.cancel();
        co_await tunnel->done.wait();
        EXPECT_EQ(tunnel->result.ended, Ended::cancelled);
        EXPECT_EQ(tunnel->result.to_server, 1U);
    }(worker, GetParam()));
}

TEST_P(RelayOf, a_reset_ends_both_ways_and_says_whose) {
    Worker worker;
    worker.run([](Worker& on, Kind kind) -> Task<void> {
        const auto tunnel = open(on, kind);
        tunnel->server->abort();
        co_await tunnel->done.wait();
        EXPECT_EQ(tunnel->result.ended, Ended::error);
        EXPECT_EQ(tunnel->result.error->code, Errc::reset);
        EXPECT_EQ(tunnel->result.error->side, Side::server);
    }(worker, GetParam()));
}

// The server reads nothing while the client sends all it can; then it resets.
TEST(Relay, a_stalled_flow_is_bounded_and_can_be_cut) {
    Worker worker;
    worker.run([](Worker& on) -> Task<void> {
        const auto tunnel = open(on, Kind::sockets);
        Gate cut;
        const std::string text = noise(64 << 20);
        spawn(on, [](Stream& to, const std::string& all, Gate& gate) -> Task<void> {
            EXPECT_FALSE(co_await send(to, all));
            gate.open();
        }(*tunnel->client, text, cut));
        std::uint64_t before = 1;
        while (tunnel->control.to_server() == 0 || before != tunnel->control.to_server()) {
            before = tunnel->control.to_server();
            co_await on.sleep(milliseconds(50));
        }
        EXPECT_LT(before, text.size());
        tunnel->server->abort();
        co_await tunnel->done.wait();
        co_await cut.wait();
        EXPECT_EQ(tunnel->result.ended, Ended::error);
    }(worker));
}

}  // namespace
}  // namespace sluice::net
