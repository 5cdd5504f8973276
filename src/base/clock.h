// SPDX-License-Identifier: Apache-2.0
// Time in nanoseconds: for durations a clock that never goes back, and for the log the same moments as the calendar has them.
#pragma once

#include <cstdint>

namespace sluice {

std::int64_t steady_ns();

// What turns moments of steady_ns into Unix time. Two of one Clock differ as their steady ones do, until it is set again.
class Clock {
public:
    Clock() { set(); }
    // The system's calendar may have been put right in between.
    void set();
    std::int64_t unix_ns(std::int64_t steady) const { return steady + offset_; }

private:
    std::int64_t offset_ = 0;
};

}  // namespace sluice
