// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <chrono>

namespace sluice {

using std::chrono::duration_cast;
using std::chrono::nanoseconds;

std::int64_t steady_ns() { return duration_cast<nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

void Clock::set() { offset_ = duration_cast<nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count() - steady_ns(); }

}  // namespace sluice
