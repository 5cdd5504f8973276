// SPDX-License-Identifier: Apache-2.0
#include "sessions/transaction/roster.h"

#include <gtest/gtest.h>

namespace sluice::sessions {
namespace {

struct Guest : RosterEntry {
    void drain() override { ++drained; }
    int drained = 0;
};

TEST(Roster, all_who_are_there_are_told) {
    Roster roster;
    Guest first, second, third;
    for (Guest* guest : {&first, &second, &third}) roster.add(*guest);
    roster.remove(second);
    EXPECT_EQ(roster.size(), 2U);
    EXPECT_FALSE(roster.is_draining());
    roster.drain();
    EXPECT_TRUE(roster.is_draining());
    EXPECT_EQ(first.drained, 1);
    EXPECT_EQ(second.drained, 0);
    EXPECT_EQ(third.drained, 1);
    roster.remove(third);
    roster.remove(first);
    roster.add(second);
    EXPECT_EQ(roster.size(), 1U);
}

}  // namespace
}  // namespace sluice::sessions
