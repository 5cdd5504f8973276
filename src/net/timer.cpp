// SPDX-License-Identifier: Apache-2.0
#include "net/timer.h"

namespace sluice::net {

void Timers::run(Clock::time_point now) {
    while (!due_.empty() && due_.begin()->first <= now) {
        Timer& timer = *due_.begin()->second;
        timer.cancel();
        timer.call_();
    }
}

void Timer::set(std::chrono::milliseconds from_now) {
    cancel();
    place_ = timers_.due_.emplace(Timers::Clock::now() + from_now, this);
    set_ = true;
}

void Timer::cancel() {
    if (set_) timers_.due_.erase(place_);
    set_ = false;
}

}  // namespace sluice::net
