// SPDX-License-Identifier: Apache-2.0
#include "net/gate.h"
#include "net/runtime.h"
#include "unit/net/support.h"

#include <algorithm>
#include <future>
#include <stdexcept>

namespace sluice::net {
namespace {

using std::chrono::milliseconds;

TEST(Worker, runs_a_task_and_lets_its_exception_out) {
    Worker worker;
    bool ran = false;
    worker.run([](bool& did) -> Task<void> {
        did = true;
        co_return;
    }(ran));
    EXPECT_TRUE(ran);
    EXPECT_THROW(worker.run([]() -> Task<void> {
        throw std::runtime_error("out");
        co_return;
    }()),
                 std::runtime_error);
}

TEST(Worker, a_spawned_task_that_throws_ends_nothing_else) {
    Worker worker;
    worker.run([](Worker& on) -> Task<void> {
        spawn(on, []() -> Task<void> {
            throw std::runtime_error("meant for the log");
            co_return;
        }());
        co_await on.sleep(milliseconds(1));
    }(worker));
    EXPECT_EQ(worker.task_faults(), 1U);
    EXPECT_EQ(worker.live(), 0U);
}

TEST(Worker, gates_join_two_coroutines) {
    Worker worker;
    worker.run([](Worker& on) -> Task<void> {
        Gate gate;
        spawn(on, [](Worker& at, Gate& to) -> Task<void> {
            co_await at.sleep(milliseconds(2));
            to.open();
        }(on, gate));
        EXPECT_FALSE(gate.is_open());
        co_await gate.wait();
        co_await gate.wait();
        gate.shut();
        EXPECT_FALSE(gate.is_open());
    }(worker));
}

TEST(Runtime, posts_reach_every_worker_in_order) {
    Runtime runtime(2, Limits{}, {.hosts_path = "", .resolv_conf_path = "", .servers = {"127.0.0.1:1"}});
    runtime.start();
    std::vector<int> seen[2];
    std::promise<void> done[2];
    for (int i = 0; i < 1'000; ++i)
        runtime.post_to_all([&, i](Worker& worker) {
            seen[worker.index()].push_back(i);
            if (i == 999) done[worker.index()].set_value();
        });
    for (auto& each : done) each.get_future().wait();
    runtime.stop();
    for (const auto& each : seen) {
        ASSERT_EQ(each.size(), 1'000U);
        EXPECT_TRUE(std::ranges::is_sorted(each));
    }
}

// What still waits when a worker ends is cancelled, ends, and is freed (the leak checker watches).
TEST(Runtime, stop_ends_sessions_that_wait) {
    Runtime runtime(2, Limits{}, {.hosts_path = "", .resolv_conf_path = "", .servers = {"127.0.0.1:1"}});
    runtime.start();
    std::atomic<int> begun{0};
    std::atomic<int> cancelled{0};
    std::promise<void> both;
    runtime.post_to_all([&](Worker& worker) {
        spawn(worker, [](Worker& on, auto& started, auto& ended, auto& all) -> Task<void> {
            auto [client, server] = tcp_pair(on);
            if (++started == 2) all.set_value();
            char byte;
            const auto got = co_await server->read_some({&byte, 1});
            if (!got && got.error().code == Errc::cancelled) ++ended;
        }(worker, begun, cancelled, both));
    });
    both.get_future().wait();
    EXPECT_EQ(runtime.live(), 2U);
    runtime.stop();
    EXPECT_EQ(cancelled, 2);
    EXPECT_EQ(runtime.live(), 0U);
}

}  // namespace
}  // namespace sluice::net
