// SPDX-License-Identifier: Apache-2.0
#include "policy/rate_limits.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "policy/facts.h"

namespace sluice::policy {
namespace {

constexpr std::int64_t second = 1'000'000'000;

RateLimit limit_of(std::int64_t rate, std::int64_t burst, std::vector<RateLimit::Key> per = {}) {
    return {.rate = rate, .period_ns = second, .burst = burst, .per = std::move(per), .identity = 7};
}

TEST(RateLimits, let_a_burst_through_and_then_the_rate) {
    RateLimits limits;
    const RateLimit limit = limit_of(10, 3);
    const Facts facts;
    for (int i = 0; i < 3; ++i) EXPECT_EQ(limits.take(limit, facts, 0), 0);
    EXPECT_EQ(limits.take(limit, facts, 0), second / 10);
    EXPECT_EQ(limits.take(limit, facts, second / 10 - 1), 1);
    EXPECT_EQ(limits.take(limit, facts, second / 10), 0);
    EXPECT_NE(limits.take(limit, facts, second / 10), 0) << "a refusal takes nothing, a success does";
    for (int i = 0; i < 3; ++i) EXPECT_EQ(limits.take(limit, facts, 100 * second), 0) << "no more than the burst is saved";
    EXPECT_NE(limits.take(limit, facts, 100 * second), 0);
}

TEST(RateLimits, give_a_transaction_one_token_of_a_bucket) {
    RateLimits limits;
    const RateLimit limit = limit_of(1, 1);
    const Facts facts;
    RateLimits::Tokens tokens;
    EXPECT_EQ(limits.take(limit, facts, 0, &tokens), 0);
    EXPECT_EQ(limits.take(limit, facts, 0, &tokens), 0);
    ASSERT_EQ(tokens.size(), 2U);
    EXPECT_TRUE(tokens[0].taken);
    EXPECT_FALSE(tokens[1].taken);
    EXPECT_TRUE(tokens[0].is_of_bucket_of(tokens[1]));
    RateLimits::Tokens of_another;
    EXPECT_NE(limits.take(limit, facts, 0, &of_another), 0);
    EXPECT_TRUE(of_another.empty());
    limits.give_back(tokens[0]);
    EXPECT_EQ(limits.take(limit, facts, 0, &of_another), 0);
}

TEST(RateLimits, keep_one_bucket_for_each_combination) {
    RateLimits limits;
    const RateLimit limit =
        limit_of(1, 1, {{Field::url_domain, ""}, {Field::url_path, ""}, {Field::request_header, "x-key"}, {Field::url_port, ""}});
    Facts facts;
    const auto take = [&](std::string_view a, std::string_view b, std::string_view key, int port) {
        const std::vector<NameValue> lines{{"X-Key", key}};
        facts.set(Field::url_domain, a);
        facts.set(Field::url_path, b);
        facts.set(Field::url_port, port);
        facts.set_headers(Field::request_header, lines);
        return limits.take(limit, facts, 0) == 0;
    };
    EXPECT_TRUE(take("ab", "c", "k", 1));
    EXPECT_FALSE(take("ab", "c", "k", 1));
    EXPECT_TRUE(take("a", "bc", "k", 1));
    EXPECT_TRUE(take("ab", "c", "l", 1));
    EXPECT_TRUE(take("ab", "c", "k", 2));
    EXPECT_TRUE(take("", "abc", "k", 1));
    facts.clear();
    EXPECT_EQ(limits.take(limit, facts, 0), 0) << "a missing value is a value of its own";
    EXPECT_NE(limits.take(limit, facts, 0), 0);
}

TEST(RateLimits, are_kept_by_the_rule_and_so_outlive_a_policy) {
    RateLimits limits;
    const Facts facts;
    EXPECT_EQ(limits.take(limit_of(1, 1), facts, 0), 0);
    EXPECT_NE(limits.take(limit_of(1, 1), facts, 0), 0);
    RateLimit other = limit_of(1, 1);
    other.identity = 8;
    EXPECT_EQ(limits.take(other, facts, 0), 0);
}

TEST(RateLimits, are_exact_over_threads) {
    RateLimits limits;
    const RateLimit limit = limit_of(1, 1000);
    std::atomic<int> taken = 0;
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
            const Facts facts;
            for (int k = 0; k < 1000; ++k)
                if (limits.take(limit, facts, 0) == 0) ++taken;
        });
    threads.clear();
    EXPECT_EQ(taken, 1000);
}

TEST(RateLimits, stay_bounded_and_strict_under_a_flood_of_keys) {
    RateLimits limits(640);
    const RateLimit limit = limit_of(1, 1, {{Field::url_path, ""}});
    Facts facts;
    int taken = 0;
    for (int i = 0; i < 20'000; ++i) {
        const std::string path = std::to_string(i);
        facts.set(Field::url_path, path);
        if (limits.take(limit, facts, 0) == 0) ++taken;
    }
    EXPECT_LE(limits.size(), 640U + 64U);
    EXPECT_LE(taken, 640 + 64) << "what has no room shares a bucket";
    for (int i = 0; i < 2000; ++i) {
        const std::string path = "later" + std::to_string(i);
        facts.set(Field::url_path, path);
        EXPECT_EQ(limits.take(limit, facts, (10 + i) * second), 0) << "full buckets make room";
    }
}

}  // namespace
}  // namespace sluice::policy
