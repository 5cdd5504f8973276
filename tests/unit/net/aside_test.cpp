// SPDX-License-Identifier: Apache-2.0
#include "net/aside.h"

#include "net/worker.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <thread>

namespace sluice::net {
namespace {

TEST(Aside, a_call_is_made_on_another_thread_and_waited_for_on_the_worker) {
    Aside aside(2, 10);
    Worker worker;
    std::thread::id there;
    worker.run([](Aside& on, Worker& of, std::thread::id& where) -> Task<void> {
        EXPECT_TRUE(co_await on.run(of, [&where] { where = std::this_thread::get_id(); }));
        EXPECT_NE(where, std::this_thread::get_id());
    }(aside, worker, there));
    EXPECT_TRUE(aside.is_idle());
}

TEST(Aside, calls_run_side_by_side_and_too_many_are_turned_away) {
    Aside aside(2, 1);
    Worker worker;
    worker.run([](Aside& on, Worker& of) -> Task<void> {
        std::promise<void> go;
        const std::shared_future<void> may_end = go.get_future().share();
        std::array<std::promise<void>, 2> begun;
        std::array<std::shared_ptr<Aside::Call>, 2> running;
        for (std::size_t i = 0; i < 2; ++i) {
            running[i] = on.begin(of, [&begun, i, may_end] {
                begun[i].set_value();
                may_end.wait();
            });
            begun[i].get_future().wait();
        }
        EXPECT_FALSE(on.is_idle());
        const auto waiting = on.begin(of, [] {});
        EXPECT_FALSE(co_await on.run(of, [] { ADD_FAILURE() << "it was to be turned away"; }));
        go.set_value();
        for (const auto& each : running) EXPECT_TRUE(co_await each->wait());
        EXPECT_TRUE(co_await waiting->wait());
    }(aside, worker));
}

TEST(Aside, who_may_leave_does_when_its_worker_ends) {
    std::promise<void> go;
    const std::shared_future<void> may_end = go.get_future().share();
    bool is_over = true;
    {
        Aside aside(1, 1);
        Worker worker;
        spawn(worker, [](Aside& on, Worker& of, std::shared_future<void> until, bool& over) -> Task<void> {
            const auto call = on.begin(of, [until] { until.wait(); });
            over = co_await call->wait_unless_ending(of);
        }(aside, worker, may_end, is_over));
        worker.post([&worker] { worker.stop(); });
        worker.run();
        EXPECT_EQ(worker.live(), 0U);
        EXPECT_FALSE(is_over);
        EXPECT_FALSE(aside.is_idle());
        go.set_value();
        while (!aside.is_idle()) std::this_thread::yield();  // the call tells the worker, which is still there
    }
}

}  // namespace
}  // namespace sluice::net
