// SPDX-License-Identifier: Apache-2.0
// A worker: one thread, its loop, and all that its connections share. Nothing of it is touched by another thread but `post`, `stop`
// and the counters.
#pragma once

#include "base/limits.h"
#include "net/buffer.h"
#include "net/reactor.h"
#include "net/task.h"
#include "net/timer.h"
#include "net/wheel.h"

#include <boost/asio/executor_work_guard.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace sluice::net {

class Listener;
class PipePool;
class Resolver;
class Stream;
class UpstreamPool;
class Waiter;

class Worker {
public:
    using Clock = std::chrono::steady_clock;

    explicit Worker(const Limits& limits = {}, std::size_t index = 0);  // throws std::system_error where the system has nothing left
    ~Worker();  // ends what still runs; on the thread that ran it, or after it
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    std::size_t index() const { return index_; }
    const Limits& limits() const { return limits_; }
    void set_limits(const Limits& limits) { limits_ = limits; }  // on the worker
    Executor executor() { return context_.get_executor(); }
    Reactor& reactor() { return reactor_; }
    Wheel& wheel() { return wheel_; }
    Timers& timers() { return timers_; }
    BufferPool& buffers() { return buffers_; }
    Resolver& resolver() { return *resolver_; }
    UpstreamPool& pool() { return *pool_; }
    PipePool& pipes() { return *pipes_; }

    static Clock::time_point now() { return Clock::now(); }
    static std::chrono::system_clock::time_point unix_now() { return std::chrono::system_clock::now(); }

    // From any thread: calls it on the worker, soon. What is posted after the worker has ended is dropped.
    void post(std::move_only_function<void()> call);

    // The loop, on the calling thread (SIGPIPE is blocked there from now on), until `stop`. Then what still runs is cancelled, and given a moment to end.
    void run();
    // The loop until that task has ended: for tests and small programs. An exception of the task comes out of it.
    void run(Task<void> task);
    void stop();  // from any thread

    // Waits about so long (exact to a few milliseconds). Ends early when the worker ends.
    Task<void> sleep(std::chrono::milliseconds duration);

    // Closes the listeners; connections go on.
    void stop_accepting();
    // Cancels every operation on every stream, now and from now on: sessions end.
    void cancel_all();
    bool is_ending() const { return ending_; }

    // Tasks of `spawn` that have not ended. From any thread.
    std::size_t live() const { return live_.load(std::memory_order_relaxed); }
    // Tasks that an exception ended: a defect. From any thread.
    std::uint64_t task_faults() const { return task_faults_.load(std::memory_order_relaxed); }

private:
    friend void spawn(Worker& worker, Task<void> task);
    friend class Listener;
    friend class Stream;
    class Inbox;

    void wait();
    void run_until(const bool& done);
    void end();

    Limits limits_;
    std::size_t index_;
    Clock::time_point started_ = Clock::now();
    Clock::time_point next_tick_ = started_ + Wheel::tick;
    bool ending_ = false;
    bool stopped_ = false;
    bool* on_last_end_ = nullptr;  // set to true when `live_` becomes 0
    std::atomic<std::size_t> live_{0};
    std::atomic<std::uint64_t> task_faults_{0};
    Reactor reactor_;
    Wheel wheel_;
    Timers timers_;
    BufferPool buffers_;
    std::unique_ptr<PipePool> pipes_;
    std::unique_ptr<Inbox> inbox_;
    Stream* streams_ = nullptr;
    std::vector<Listener*> listeners_;
    std::vector<Waiter*> sleepers_;
    // Tasks that are destroyed with the context still use what stands above; what stands below uses the context.
    asio::io_context context_{BOOST_ASIO_CONCURRENCY_HINT_UNSAFE};
    asio::executor_work_guard<Executor> keep_running_{context_.get_executor()};
    std::unique_ptr<Resolver> resolver_;
    std::unique_ptr<UpstreamPool> pool_;
};

// Runs a task of its own on the worker, beginning soon. From the worker only (other threads: `post` a call that spawns).
// An exception that escapes it is logged and ends nothing else.
void spawn(Worker& worker, Task<void> task);

}  // namespace sluice::net
