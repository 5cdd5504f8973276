// SPDX-License-Identifier: Apache-2.0
#include "inspect/outside/outage.h"

#include <algorithm>
#include <thread>

namespace sluice::inspect {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds retry_time{5000};  // one that was lost is asked again for so long, from its first failure on
constexpr milliseconds first_pause{50};  // doubled each time
constexpr milliseconds longest_pause{500};
constexpr milliseconds down_time{1000};  // one that was given up is left in peace for so long

}  // namespace

Outage::Wait::Wait(Outage& outage, Time deadline) : outage_(outage), deadline_(deadline), next_(first_pause) {
    const Time down_until = outage_.down_until_.load(std::memory_order_relaxed);
    was_down_ = down_until != Time::min();
    is_over_ = steady_clock::now() < down_until;
}

void Outage::Wait::pause(bool spoke) {
    const Time now = steady_clock::now();
    was_down_ = was_down_ && !spoke;
    if (!give_up_) give_up_ = was_down_ ? now : now + retry_time;
    if (now + next_ >= *give_up_) {
        if (!spoke) outage_.down_until_.store(now + down_time, std::memory_order_relaxed);
        is_over_ = true;
    } else if (now + next_ >= deadline_) {
        is_over_ = true;
    } else {
        std::this_thread::sleep_for(next_);
        next_ = std::min(next_ * 2, longest_pause);
    }
}

}  // namespace sluice::inspect
