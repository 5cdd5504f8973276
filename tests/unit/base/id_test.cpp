// SPDX-License-Identifier: Apache-2.0
#include "base/id.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace sluice {
namespace {

TEST(EventIds, are_sixteen_characters_that_can_be_read_out) {
    EventIds ids;
    const EventId id = ids.next(1'700'000'000'000);
    EXPECT_EQ(id.view().size(), 16U);
    EXPECT_EQ(id.view().find_first_not_of("0123456789ABCDEFGHJKMNPQRSTVWXYZ"), std::string_view::npos);
}

TEST(EventIds, begin_with_the_time) {
    EventIds ids;
    EXPECT_EQ(ids.next(0).view().substr(0, 9), "000000000");
    EXPECT_EQ(ids.next(33).view().substr(0, 9), "000000011");
    const std::string earlier(ids.next(1'700'000'000'000).view());
    const std::string later(ids.next(1'700'000'000'001).view());
    EXPECT_LT(earlier, later);
    EXPECT_EQ(ids.next((std::int64_t{1} << 45) - 1).view().substr(0, 9), "ZZZZZZZZZ");
}

TEST(EventIds, are_unique_in_a_millisecond_and_over_workers) {
    EventIds one;
    EventIds other;
    std::set<std::string> seen;
    for (int i = 0; i < 10'000; ++i) {
        seen.emplace(one.next(1).view());
        seen.emplace(other.next(1).view());
    }
    EXPECT_EQ(seen.size(), 20'000U);
}

}  // namespace
}  // namespace sluice
