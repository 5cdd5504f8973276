// SPDX-License-Identifier: Apache-2.0
#include "net/aside.h"

#include "net/timer.h"
#include "net/worker.h"

#include <utility>

namespace sluice::net {

namespace {

// As often somebody who waits looks whether its worker ends.
constexpr std::chrono::milliseconds look_time{250};

}  // namespace

Aside::Aside(std::size_t threads, std::size_t queue) : most_(queue) {
    for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

Aside::~Aside() {
    {
        const std::lock_guard lock(mutex_);
        is_stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
}

void Aside::work() {
    std::unique_lock lock(mutex_);
    for (;;) {
        wake_.wait(lock, [this] { return is_stopping_ || !queue_.empty(); });
        if (is_stopping_) return;
        {
            std::move_only_function<void()> call = std::move(queue_.front());
            queue_.pop_front();
            ++running_;
            lock.unlock();
            call();
            --running_;
        }                                                    // what it owned goes before the lock is taken
        lock.lock();
    }
}

std::shared_ptr<Aside::Call> Aside::begin(Worker& worker, std::move_only_function<void()> call) {
    auto begun = std::make_shared<Call>();
    {
        const std::lock_guard lock(mutex_);
        if (queue_.size() >= most_) {
            begun->is_refused_ = true;
            return begun;
        }
        queue_.emplace_back([&worker, begun, call = std::move(call)]() mutable {
            call();
            worker.post([begun] {
                begun->is_done_ = true;
                begun->gate_.open();
            });
        });
    }
    wake_.notify_one();
    return begun;
}

Task<bool> Aside::Call::wait() {
    if (is_refused_) co_return false;
    co_await gate_.wait();
    co_return true;
}

Task<bool> Aside::Call::wait_unless_ending(Worker& worker) {
    if (is_refused_) co_return false;
    Timer look(worker.timers(), [this] { gate_.open(); });
    while (!is_done_ && !worker.is_ending()) {
        gate_.shut();
        look.set(look_time);
        co_await gate_.wait();
    }
    co_return is_done_;
}

Task<bool> Aside::run(Worker& worker, std::move_only_function<void()> call) {
    const auto begun = begin(worker, std::move(call));
    co_return co_await begun->wait();
}

}  // namespace sluice::net
