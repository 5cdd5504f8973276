// SPDX-License-Identifier: Apache-2.0
// The buckets of `limit` rules: exact over all workers. One table for the process, in shards with a lock each; it outlives policies, so that a
// reload does not forgive. Bounded: beyond the bound, keys that are not there yet share one bucket a rule and shard, which is stricter,
// never laxer.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "policy/rule.h"

namespace sluice::policy {

class Facts;

class RateLimits {
public:
    explicit RateLimits(std::size_t max_buckets = Limits{}.rate_limit_buckets);
    ~RateLimits();
    RateLimits(const RateLimits&) = delete;
    RateLimits& operator=(const RateLimits&) = delete;

    // A bucket that was asked for a token and had one.
    struct Token {
        std::uint64_t high = 0, low = 0;  // the bucket
        std::int64_t interval = 0;
        bool taken = true;  // false: this transaction had taken one of that bucket before
        bool is_of_bucket_of(const Token& other) const { return high == other.high && low == other.low; }
    };
    using Tokens = std::vector<Token>;

    // Takes one token of the bucket that the facts name. 0: there was one; else the nanoseconds until there is one (nothing was taken).
    // `tokens`: those of one transaction, which takes no second one of a bucket; what was asked for is added.
    std::int64_t take(const RateLimit& limit, const Facts& facts, std::int64_t now_ns, Tokens* tokens = nullptr);
    void give_back(const Token& token);
    // The token that `take` took was not deserved: it goes back into the same bucket.
    void give_back(const RateLimit& limit, const Facts& facts);
    std::size_t size() const;  // buckets; for metrics and tests

private:
    struct Shard;
    static constexpr std::size_t shard_count = 64;
    std::unique_ptr<std::array<Shard, shard_count>> shards_;
    std::size_t max_per_shard_;
    std::array<std::uint64_t, 4> seed_;  // peers choose the keys, not where they land
};

}  // namespace sluice::policy
