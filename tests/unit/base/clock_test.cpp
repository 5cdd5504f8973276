// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <gtest/gtest.h>

#include <chrono>

namespace sluice {
namespace {

TEST(Clock, says_when_a_steady_moment_was) {
    const auto before = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
    const Clock clock;
    const std::int64_t now = clock.unix_ns(steady_ns());
    constexpr std::int64_t minute = 60'000'000'000;
    EXPECT_GT(now, before - minute);
    EXPECT_LT(now, before + minute);
    EXPECT_EQ(clock.unix_ns(1'000'000'000) - clock.unix_ns(0), 1'000'000'000);
}

}  // namespace
}  // namespace sluice
