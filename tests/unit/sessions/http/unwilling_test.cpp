// SPDX-License-Identifier: Apache-2.0
#include "sessions/http/unwilling.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <thread>
#include <vector>

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

// Failures count for as long as an exemption lasts; what is older is as if it had not been.
TEST(Unwilling, failures_are_of_one_time) {
    Unwilling unwilling;
    const auto begin = Unwilling::Clock::now();
    const auto all_fail = [&](hours after) {
        for (const std::uint32_t who : {1U, 2U, 3U}) unwilling.note("a.test", client(who), begin + after);
    };
    const auto is_exempt = [&](hours after) { return unwilling.is_exempt("a.test", client(1), begin + after); };
    all_fail(hours(0));
    all_fail(hours(10));
    EXPECT_FALSE(is_exempt(hours(10)));
    all_fail(hours(20));
    EXPECT_FALSE(is_exempt(hours(20))) << "the first was too long ago";
    all_fail(hours(21));
    all_fail(hours(21));
    EXPECT_TRUE(is_exempt(hours(21)));
}

// The three need not fail at once, but each within the time; who failed long ago is forgotten alone.
TEST(Unwilling, clients_are_forgotten_one_by_one) {
    Unwilling unwilling;
    const auto begin = Unwilling::Clock::now();
    for (const std::uint32_t who : {1U, 2U, 3U})
        for (int i = 0; i < 3; ++i) unwilling.note("a.test", client(who), begin + hours(who));
    EXPECT_TRUE(unwilling.is_exempt("a.test", client(3), begin + hours(13)));
    EXPECT_FALSE(unwilling.is_exempt("a.test", client(3), begin + hours(14))) << "two are left";
    EXPECT_FALSE(unwilling.is_exempt("a.test", client(1), begin + hours(14)));
    const auto listed = unwilling.list(begin + hours(14));
    ASSERT_EQ(listed.size(), 1U);
    EXPECT_EQ(listed[0].clients, 2U);
    EXPECT_EQ(listed[0].failures, 6U);
    EXPECT_FALSE(listed[0].is_enough);
    for (int i = 0; i < 3; ++i) unwilling.note("a.test", client(4), begin + hours(14));
    EXPECT_TRUE(unwilling.is_exempt("a.test", client(3), begin + hours(14)));
    EXPECT_TRUE(unwilling.list(begin + hours(14))[0].is_enough);
}

TEST(Unwilling, the_name_that_failed_longest_ago_goes) {
    Limits limits;
    limits.unwilling_names = 3;
    Unwilling unwilling(limits);
    const auto now = Unwilling::Clock::now();
    for (const std::string_view name : {"a", "b", "c"})
        for (const std::uint32_t who : {1U, 2U, 3U})
            for (int i = 0; i < 3; ++i) unwilling.note(name, client(who), now);
    unwilling.note("a", client(1), now);
    unwilling.note("d", client(1), now);
    EXPECT_TRUE(unwilling.is_exempt("a", client(1), now));
    EXPECT_FALSE(unwilling.is_exempt("b", client(1), now));
    EXPECT_TRUE(unwilling.is_exempt("c", client(1), now));
    const auto listed = unwilling.list(now);
    ASSERT_EQ(listed.size(), 3U);
    EXPECT_EQ(listed[0].name, "a") << "most failures first";
    EXPECT_EQ(listed[1].name, "c");
    EXPECT_EQ(listed[2].name, "d");
    for (int i = 0; i < 1000; ++i) unwilling.note("name" + std::to_string(i), client(1), now);
    EXPECT_EQ(unwilling.list(now).size(), 3U);
}

// So many clients of a name are told apart; who is known still counts when no other is let in.
TEST(Unwilling, clients_of_a_name_are_bounded) {
    Limits limits;
    limits.unwilling_clients = 3;
    Unwilling unwilling(limits);
    const auto now = Unwilling::Clock::now();
    for (std::uint32_t who = 1; who <= 200; ++who) unwilling.note("a.test", client(who), now);
    for (int i = 0; i < 2; ++i)
        for (std::uint32_t who = 1; who <= 5; ++who) unwilling.note("a.test", client(who), now);
    EXPECT_EQ(unwilling.list(now)[0].clients, 3U);
    EXPECT_EQ(unwilling.list(now)[0].failures, 9U);
    EXPECT_TRUE(unwilling.is_exempt("a.test", client(3), now));
    EXPECT_FALSE(unwilling.is_exempt("a.test", client(4), now));
    // There is room again when they are forgotten.
    unwilling.note("a.test", client(4), now + hours(13));
    EXPECT_EQ(unwilling.list(now + hours(13))[0].clients, 1U);
}

TEST(Unwilling, addresses_of_both_kinds_are_clients) {
    Unwilling unwilling;
    const auto now = Unwilling::Clock::now();
    const std::array clients{*IpAddress::parse("192.0.2.1"), *IpAddress::parse("2001:db8:0:1::1"), *IpAddress::parse("2001:db8:0:2::1")};
    for (const IpAddress& each : clients)
        for (int i = 0; i < 3; ++i) unwilling.note("a.test", each, now);
    for (const IpAddress& each : clients) EXPECT_TRUE(unwilling.is_exempt("a.test", each, now));
}

TEST(Unwilling, workers_may_tell_it_side_by_side) {
    Limits limits;
    limits.unwilling_names = 8;
    Unwilling unwilling(limits);
    const auto now = Unwilling::Clock::now();
    std::vector<std::thread> threads;
    for (std::uint32_t worker = 0; worker < 3; ++worker)
        threads.emplace_back([&, worker] {
            for (std::uint32_t i = 0; i < 2000; ++i) {
                const std::string name = "name" + std::to_string((i * (worker + 1)) % 10);
                unwilling.note(name, client(i % 5), now);
                static_cast<void>(unwilling.is_exempt(name, client(1), now));
                if (i % 100 == 0) EXPECT_LE(unwilling.list(now).size(), 8U);
            }
        });
    for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace sluice::http
