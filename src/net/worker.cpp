// SPDX-License-Identifier: Apache-2.0
#include "net/worker.h"

#include "net/listener.h"
#include "net/pipe.h"
#include "net/pool.h"
#include "net/resolver.h"
#include "net/stream.h"
#include "net/waiter.h"

#include <spdlog/spdlog.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <exception>
#include <system_error>

namespace sluice::net {

namespace {

// What is cancelled at the end gets so long to notice.
constexpr std::chrono::seconds last_moment{2};

// splice(2) knows no MSG_NOSIGNAL.
void block_sigpipe() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

}  // namespace

// Messages from other threads. The context is unlocked, so they have a queue of their own.
class Worker::Inbox final : public EventSource {
public:
    explicit Inbox(Reactor& reactor) : reactor_(reactor), descriptor_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
        if (descriptor_ < 0) throw std::system_error(errno, std::system_category(), "eventfd");
        if (const int error = reactor_.add(descriptor_, EPOLLIN, *this)) {
            ::close(descriptor_);
            throw std::system_error(error, std::system_category(), "epoll_ctl");
        }
    }
    ~Inbox() {
        reactor_.remove(descriptor_, *this);
        ::close(descriptor_);
    }

    void post(std::move_only_function<void()> call) {
        const std::scoped_lock lock(mutex_);
        calls_.push_back(std::move(call));
        const std::uint64_t one = 1;
        if (calls_.size() == 1) [[maybe_unused]]
            const auto written = ::write(descriptor_, &one, sizeof one);
    }

private:
    void on_ready(std::uint32_t) override {
        std::uint64_t count = 0;
        [[maybe_unused]] const auto got = ::read(descriptor_, &count, sizeof count);
        std::vector<std::move_only_function<void()>> calls;
        {
            const std::scoped_lock lock(mutex_);
            calls.swap(calls_);
        }
        for (auto& call : calls) call();
    }

    Reactor& reactor_;
    int descriptor_;
    std::mutex mutex_;
    std::vector<std::move_only_function<void()>> calls_;
};

Worker::Worker(const Limits& limits, std::size_t index)
    : limits_(limits),
      index_(index),
      pipes_(std::make_unique<PipePool>()),
      inbox_(std::make_unique<Inbox>(reactor_)),
      resolver_(std::make_unique<Resolver>(*this)),
      pool_(std::make_unique<UpstreamPool>(*this)) {}

Worker::~Worker() { end(); }

void Worker::post(std::move_only_function<void()> call) { inbox_->post(std::move(call)); }

void Worker::run() {
    run_until(stopped_);
    end();
}

void Worker::run(Task<void> task) {
    bool done = false;
    std::exception_ptr thrown;
    asio::co_spawn(context_, std::move(task), [&](std::exception_ptr error) {
        thrown = error;
        done = true;
    });
    run_until(done);
    if (thrown) std::rethrow_exception(thrown);
}

void Worker::stop() {
    post([this] { stopped_ = true; });
}

void Worker::run_until(const bool& done) {
    block_sigpipe();
    // Turns are handlers of one call of the context's `run`: Asio keeps the memory of coroutine frames for the next ones only inside it.
    struct Turn {
        Worker& worker;
        const bool& done;
        void operator()() const {
            worker.context_.poll();  // what was posted
            if (done) return worker.context_.stop();
            worker.wait();
            asio::post(worker.context_, *this);
        }
    };
    context_.restart();
    asio::post(context_, Turn{*this, done});
    context_.run();
    context_.restart();
}

void Worker::wait() {
    Clock::time_point now = Clock::now();
    const Clock::time_point until = std::min(next_tick_, timers_.next());
    const auto most = std::chrono::ceil<std::chrono::milliseconds>(until - now).count();
    reactor_.wait(static_cast<int>(std::max<std::int64_t>(most, 0)));
    now = Clock::now();
    if (now >= next_tick_) {
        const auto ticks = (now - started_) / Wheel::tick;
        next_tick_ = started_ + (ticks + 1) * Wheel::tick;
        wheel_.advance(static_cast<std::uint64_t>(ticks));
    }
    if (now >= timers_.next()) timers_.run(now);
}

Task<void> Worker::sleep(std::chrono::milliseconds duration) {
    Waiter waiter;
    Timer timer(timers_, [&] { waiter.wake(); });
    timer.set(duration);
    sleepers_.push_back(&waiter);
    while (timer.is_set() && !ending_) co_await waiter.wait();
    std::erase(sleepers_, &waiter);
}

void Worker::stop_accepting() {
    for (Listener* listener : listeners_) listener->close();
}

void Worker::cancel_all() {
    ending_ = true;
    stop_accepting();
    pool_->clear();
    resolver_->cancel();
    for (Waiter* sleeper : sleepers_) sleeper->wake();
    for (Stream* stream = streams_; stream; stream = stream->next_) stream->cancel();
}

void Worker::end() {
    cancel_all();
    if (live_ == 0) return;
    bool done = false;
    Timer give_up(timers_, [&] { done = true; });
    give_up.set(last_moment);
    on_last_end_ = &done;
    run_until(done);
    on_last_end_ = nullptr;
}

void spawn(Worker& worker, Task<void> task) {
    worker.live_.fetch_add(1, std::memory_order_relaxed);
    asio::co_spawn(worker.executor(), std::move(task), [&worker](std::exception_ptr error) {
        if (worker.live_.fetch_sub(1, std::memory_order_relaxed) == 1 && worker.on_last_end_) *worker.on_last_end_ = true;
        if (!error) return;
        worker.task_faults_.fetch_add(1, std::memory_order_relaxed);
        try {
            std::rethrow_exception(error);
        } catch (const std::exception& exception) { spdlog::error("a task ended by an exception: {}", exception.what()); } catch (...) {
            spdlog::error("a task ended by an exception of an unknown kind");
        }
    });
}

}  // namespace sluice::net
