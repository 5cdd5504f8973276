// SPDX-License-Identifier: Apache-2.0
// Timers of a few milliseconds' exactness, for the few things that need one (attempts to connect, queries). Not for what happens with every
// request: that is the wheel's.
#pragma once

#include "net/waiter.h"

#include <chrono>
#include <functional>
#include <map>

namespace sluice::net {

class Timer;

class Timers {
public:
    using Clock = std::chrono::steady_clock;
    // Calls what is due.
    void run(Clock::time_point now);
    // When the next is due; Clock::time_point::max() if none is.
    Clock::time_point next() const { return due_.empty() ? Clock::time_point::max() : due_.begin()->first; }

private:
    friend class Timer;
    std::multimap<Clock::time_point, Timer*> due_;
};

// Calls once. Destroying or setting it again takes back what was set.
class Timer {
public:
    Timer(Timers& timers, std::function<void()> call) : timers_(timers), call_(std::move(call)) {}
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;
    ~Timer() { cancel(); }

    void set(std::chrono::milliseconds from_now);
    void cancel();
    bool is_set() const { return set_; }

private:
    friend class Timers;
    Timers& timers_;
    std::function<void()> call_;
    bool set_ = false;
    std::multimap<Timers::Clock::time_point, Timer*>::iterator place_;
};

}  // namespace sluice::net
