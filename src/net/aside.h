// SPDX-License-Identifier: Apache-2.0
// Threads for what blocks: files, password hashes, scanners that are asked over sockets of their own. Shared by all workers, which never block.
#pragma once

#include "net/gate.h"
#include "net/task.h"

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace sluice::net {

class Worker;

class Aside {
public:
    // `queue`: calls that wait for a thread; more are turned away (peers decide how many come).
    Aside(std::size_t threads, std::size_t queue);
    ~Aside();  // waits for the calls that run; those that wait are dropped
    Aside(const Aside&) = delete;
    Aside& operator=(const Aside&) = delete;

    // A call on its way.
    class Call {
    public:
        // Until it is over. False: it was turned away.
        Task<bool> wait();
        // The same for calls that take their time. False as well: the worker ends before it is over; what the call uses must be its own, then.
        Task<bool> wait_unless_ending(Worker& worker);

    private:
        friend class Aside;
        Gate gate_;
        bool is_done_ = false;
        bool is_refused_ = false;
    };

    // From a worker. Several may be begun before the first is waited for.
    std::shared_ptr<Call> begin(Worker& worker, std::move_only_function<void()> call);
    // Begun and waited for: the caller's own things may be used.
    Task<bool> run(Worker& worker, std::move_only_function<void()> call);

    // Whether no call is running. From any thread; only after the workers have ended it stays so.
    bool is_idle() const { return running_.load(std::memory_order_acquire) == 0; }

private:
    void work();

    const std::size_t most_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<std::move_only_function<void()>> queue_;
    bool is_stopping_ = false;
    std::atomic<std::size_t> running_{0};
    std::vector<std::thread> threads_;
};

}  // namespace sluice::net
