// SPDX-License-Identifier: Apache-2.0
#include "unit/net/support.h"

#include <netinet/in.h>

namespace sluice::net {
namespace {

using std::chrono::milliseconds;

// Answers no SYN: it listens with a backlog of 0 that is full.
struct BlackHole {
    BlackHole() : BlackHole(listening(0)) {}
    explicit BlackHole(std::pair<Descriptor, IpPort> made) : listener(std::move(made.first)), address(made.second) {
        for (int i = 0; i < 4; ++i) {
            fillers.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
            const SocketAddress to(address);
            ::connect(fillers.back().value, to.get(), to.length());
        }
    }
    Descriptor listener;
    IpPort address;
    std::vector<Descriptor> fillers;
};

IpPort nobody() {
    auto [listener, address] = listening(1);
    return address;
}

Result<Dialled> dial_now(const std::vector<IpPort>& addresses, const Limits& limits) {
    Worker worker;
    Result<Dialled> outcome = fail(Errc::closed, Side::self, "");
    worker.run([](Worker& on, const auto& to, const Limits& bounds, auto& got) -> Task<void> {
        got = co_await dial(on, to, bounds);
        if (got) {
            EXPECT_EQ(got->stream->peer(), got->address);
            EXPECT_EQ(got->stream->side(), Side::server);
            got->stream->close();
            got->stream.reset();                     // it may not outlive the worker
        }
    }(worker, addresses, limits, outcome));
    return outcome;
}

TEST(Dial, connects_to_one_address) {
    auto [listener, address] = listening(4);
    const auto got = dial_now({address}, Limits{});
    ASSERT_TRUE(got);
    EXPECT_EQ(got->address, address);
    EXPECT_GT(got->duration.count(), 0);
}

TEST(Dial, says_when_it_is_refused) {
    const auto got = dial_now({nobody()}, Limits{});
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, Errc::refused);
    EXPECT_EQ(got.error().side, Side::server);
}

TEST(Dial, one_address_times_out) {
    const BlackHole hole;
    Limits limits;
    limits.connect_attempt = milliseconds(100);
    const auto got = dial_now({hole.address}, limits);
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, Errc::timed_out);
}

TEST(Dial, the_next_address_begins_at_once_when_one_fails) {
    auto [listener, address] = listening(4);
    Limits limits;
    limits.happy_eyeballs = milliseconds(20'000);
    const auto begin = Worker::now();
    const auto got = dial_now({nobody(), nobody(), address}, limits);
    ASSERT_TRUE(got);
    EXPECT_EQ(got->address, address);
    EXPECT_LT(Worker::now() - begin, milliseconds(5'000));
}

TEST(Dial, the_next_address_begins_after_the_head_start) {
    const BlackHole hole;
    auto [listener, address] = listening(4);
    Limits limits;
    limits.happy_eyeballs = milliseconds(50);
    const auto got = dial_now({hole.address, address}, limits);
    ASSERT_TRUE(got);
    EXPECT_EQ(got->address, address);
    EXPECT_GE(got->duration, milliseconds(50));
    EXPECT_LT(got->duration, milliseconds(2'500));
}

TEST(Dial, all_together_have_their_time) {
    const BlackHole hole;
    Limits limits;
    limits.happy_eyeballs = milliseconds(10);
    limits.connect = milliseconds(150);
    const auto begin = Worker::now();
    const auto got = dial_now({hole.address, hole.address, hole.address}, limits);
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, Errc::timed_out);
    EXPECT_LT(Worker::now() - begin, milliseconds(2'500));
}

TEST(Dial, without_an_address_it_fails) { EXPECT_FALSE(dial_now({}, Limits{})); }

}  // namespace
}  // namespace sluice::net
