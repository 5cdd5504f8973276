// SPDX-License-Identifier: Apache-2.0
#include "net/pool.h"
#include "unit/net/support.h"

namespace sluice::net {
namespace {

using std::chrono::milliseconds;

TEST(UpstreamPool, gives_back_the_one_used_last_of_its_origin) {
    Worker worker;
    worker.run([](Worker& on) -> Task<void> {
        auto [first, first_peer] = memory_pair(on);
        auto [second, second_peer] = memory_pair(on);
        auto* const second_stream = second.get();
        UpstreamPool& pool = on.pool();
        EXPECT_EQ(pool.take("a:80"), nullptr);
        pool.put("a:80", std::move(first));
        pool.put("a:80", std::move(second));
        EXPECT_EQ(pool.take("b:80"), nullptr);
        EXPECT_EQ(pool.take("a:80").get(), second_stream);
        EXPECT_EQ(pool.size(), 1U);
        EXPECT_EQ(pool.counters().reused, 1U);
        EXPECT_EQ(pool.counters().missed, 2U);
        co_return;
    }(worker));
}

TEST(UpstreamPool, never_gives_one_that_spoke_or_left) {
    Worker worker;
    worker.run([](Worker& on) -> Task<void> {
        UpstreamPool& pool = on.pool();
        auto [quiet, quiet_peer] = tcp_pair(on);
        auto [chatty, chatty_peer] = tcp_pair(on);
        auto [gone, gone_peer] = tcp_pair(on);
        auto* const quiet_stream = quiet.get();
        pool.put("a:80", std::move(quiet));
        pool.put("a:80", std::move(chatty));
        pool.put("a:80", std::move(gone));
        EXPECT_EQ(pool.size(), 3U);
        EXPECT_TRUE(co_await send(*chatty_peer, "HTTP/1.1 408 \r\n"));
        gone_peer.reset();
        co_await on.sleep(milliseconds(5));
        EXPECT_EQ(pool.take("a:80").get(), quiet_stream);
        EXPECT_EQ(pool.counters().stale, 2U);
        EXPECT_EQ(pool.size(), 0U);
    }(worker));
}

TEST(UpstreamPool, puts_nothing_away_that_has_unread_bytes) {
    Worker worker;
    worker.run([](Worker& on) -> Task<void> {
        auto [one, peer] = tcp_pair(on);
        EXPECT_TRUE(co_await send(*peer, "surplus"));
        co_await on.sleep(milliseconds(5));
        on.pool().put("a:80", std::move(one));
        EXPECT_EQ(on.pool().size(), 0U);
    }(worker));
}

TEST(UpstreamPool, keeps_its_bounds) {
    Limits limits;
    limits.pool_per_origin = 2;
    limits.pool_total = 3;
    Worker worker(limits);
    worker.run([](Worker& on) -> Task<void> {
        std::vector<std::unique_ptr<MemoryStream>> peers;
        for (const char* key : {"a:1", "a:1", "a:1", "b:1", "c:1", "c:1"}) {
            auto [one, peer] = memory_pair(on);
            peers.push_back(std::move(peer));
            on.pool().put(key, std::move(one));
        }
        EXPECT_EQ(on.pool().size(), 3U);
        EXPECT_EQ(on.pool().counters().surplus, 3U);
        EXPECT_NE(on.pool().take("c:1"), nullptr);
        EXPECT_NE(on.pool().take("c:1"), nullptr);
        co_return;
    }(worker));
}

TEST(UpstreamPool, forgets_what_waited_too_long_or_was_closed) {
    Limits limits;
    limits.upstream_idle = milliseconds(300);
    Worker worker(limits);
    worker.run([](Worker& on) -> Task<void> {
        auto [one, one_peer] = memory_pair(on);
        on.pool().put("a:80", std::move(one));
        for (int i = 0; i < 1'000 && on.pool().size() != 0; ++i) co_await on.sleep(milliseconds(10));
        EXPECT_EQ(on.pool().size(), 0U);
        EXPECT_EQ(on.pool().counters().expired, 1U);
        char byte;
        EXPECT_EQ(co_await one_peer->read_some({&byte, 1}), 0U);
    }(worker));
}

}  // namespace
}  // namespace sluice::net
