// SPDX-License-Identifier: Apache-2.0
#include "sessions/http/unwilling.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::http {
namespace {

using std::chrono::hours;

IpAddress client(std::uint32_t last) { return IpAddress::v4(0xC0000200U + last); }

TEST(Unwilling, three_failures_of_three_clients_exempt_those_that_failed) {
    Unwilling unwilling;
    const auto now = Unwilling::Clock::now();
    const auto fail = [&](std::uint32_t who, int times) {
        for (int i = 0; i < times; ++i) unwilling.note("a.test", client(who), now);
    };
    fail(1, 100);
    EXPECT_FALSE(unwilling.is_exempt("a.test", client(1), now)) << "one client is no application";
    fail(2, 3);
    fail(3, 2);
    EXPECT_FALSE(unwilling.is_exempt("a.test", client(1), now));
    fail(3, 1);
    for (const std::uint32_t who : {1U, 2U, 3U}) EXPECT_TRUE(unwilling.is_exempt("a.test", client(who), now));
    EXPECT_FALSE(unwilling.is_exempt("a.test", client(4), now));
    fail(4, 2);
    EXPECT_FALSE(unwilling.is_exempt("a.test", client(4), now));
    EXPECT_FALSE(unwilling.is_exempt("b.test", client(1), now));
    EXPECT_TRUE(unwilling.is_exempt("a.test", client(1), now + hours(11)));
    EXPECT_FALSE(unwilling.is_exempt("a.test", client(1), now + hours(13)));
}

TEST(Unwilling, one_machine_is_one_client_and_is_forgiven) {
    Unwilling unwilling;
    const auto now = Unwilling::Clock::now();
    for (std::uint8_t last = 1; last < 10; ++last)
        for (int i = 0; i < 3; ++i) unwilling.note("a.test", *IpAddress::parse("2001:db8::" + std::to_string(last)), now);
    EXPECT_FALSE(unwilling.is_exempt("a.test", *IpAddress::parse("2001:db8::1"), now));
    for (const std::uint32_t who : {1U, 2U})
        for (int i = 0; i < 3; ++i) unwilling.note("a.test", client(who), now);
    EXPECT_TRUE(unwilling.is_exempt("a.test", *IpAddress::parse("2001:db8::77"), now));
    unwilling.forgive("a.test", client(1));
    EXPECT_FALSE(unwilling.is_exempt("a.test", client(2), now));
}

TEST(Unwilling, is_listed_and_bounded) {
    Limits limits;
    limits.unwilling_names = 3;
    limits.unwilling_clients = 2;
    Unwilling unwilling(limits);
    const auto now = Unwilling::Clock::now();
    for (int i = 0; i < 5; ++i) unwilling.note("name" + std::to_string(i), client(1), now);
    unwilling.note("name4", client(2), now);
    unwilling.note("name4", client(3), now);
    const auto listed = unwilling.list(now);
    ASSERT_EQ(listed.size(), 3U);
    EXPECT_EQ(listed[0].name, "name4");
    EXPECT_EQ(listed[0].clients, 2U);
    EXPECT_EQ(listed[0].failures, 2U);
    EXPECT_FALSE(listed[0].is_enough);
    EXPECT_TRUE(unwilling.list(now + hours(13)).empty());
}

}  // namespace
}  // namespace sluice::http
