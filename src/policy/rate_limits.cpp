// SPDX-License-Identifier: Apache-2.0
#include "policy/rate_limits.h"

#include <algorithm>
#include <mutex>
#include <unordered_map>

#include <openssl/rand.h>

#include "base/text.h"
#include "policy/facts.h"

namespace sluice::policy {
namespace {

struct Key {
    std::uint64_t high = 0, low = 0;
    friend bool operator==(const Key&, const Key&) = default;
};
struct KeyHash {
    std::size_t operator()(const Key& key) const noexcept { return key.low; }
};

std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
    const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

// 128 bits under secret seeds: two keys meet by accident once in 2^64, and nobody outside can make them.
class KeyMaker {
public:
    explicit KeyMaker(const std::array<std::uint64_t, 4>& seed) : seed_(seed), key_{seed[2], seed[3]} {}
    void add(std::uint64_t word) {
        key_.high = fold(key_.high ^ word ^ seed_[1], seed_[0] | 1);
        key_.low = fold(key_.low ^ word ^ seed_[0], seed_[1] | 1) + key_.high;
    }
    // The length goes first, so that ("ab", "c") and ("a", "bc") differ.
    void add(std::string_view text) {
        add(static_cast<std::uint64_t>(text.size()));
        for (; !text.empty(); text.remove_prefix(std::min<std::size_t>(8, text.size()))) {
            std::uint64_t word = 0;
            __builtin_memcpy(&word, text.data(), std::min<std::size_t>(8, text.size()));
            add(word);
        }
    }
    Key key() {
        add(std::uint64_t{0x5bd1e995});
        return key_;
    }

private:
    const std::array<std::uint64_t, 4>& seed_;
    Key key_;
};

void add_value(KeyMaker& maker, const RateLimit::Key& part, const Facts& facts) {
    if (!part.header.empty()) {
        for (const NameValue& line : facts.headers(part.field))
            if (equals_ignoring_case(line.name, part.header)) maker.add(line.value);
    } else if (part.field == Field::tags) {
        for (const std::string_view tag : facts.tags()) maker.add(tag);
    } else if (!facts.has(part.field)) {
        maker.add(std::uint64_t{0});
        return;
    } else if (info(part.field).type == Type::ip) {
        const IpAddress& address = facts.ip(part.field);
        maker.add({reinterpret_cast<const char*>(address.bytes().data()), address.is_v4() ? 4U : 16U});
    } else if (info(part.field).type != Type::string) {
        maker.add(static_cast<std::uint64_t>(facts.number(part.field)));
    } else if (facts.is_many(part.field)) {
        for (const std::string_view value : facts.many(part.field)) maker.add(value);
    } else {
        maker.add(facts.text(part.field));
    }
    maker.add(std::uint64_t{1});
}

// Old full buckets that an insertion looks at when a shard is full: a step, not a sweep.
constexpr int eviction_steps = 16;

}  // namespace

// A bucket is the time (ns) at which it will be full again: an instant and nothing else (the generic cell rate algorithm). One whose time is
// past is as good as none.
struct RateLimits::Shard {
    std::mutex mutex;
    std::unordered_map<Key, std::int64_t, KeyHash> full_at;
    std::size_t hand = 0;  // where the next look for full buckets begins

    void make_room(std::int64_t now) {
        for (int step = 0; step < eviction_steps && !full_at.empty(); ++step) {
            hand = (hand + 1) % full_at.bucket_count();
            for (auto at = full_at.begin(hand); at != full_at.end(hand); ++at) {
                if (at->second > now) continue;
                full_at.erase(at->first);
                break;
            }
        }
    }
};

RateLimits::RateLimits(std::size_t max_buckets)
    : shards_(std::make_unique<std::array<Shard, shard_count>>()),
      max_per_shard_(std::max<std::size_t>(1, max_buckets / shard_count)),
      seed_{} {
    // Without randomness a peer could aim at a shard, but not get past a limit: the seed stays what it is then.
    (void)RAND_bytes(reinterpret_cast<unsigned char*>(seed_.data()), static_cast<int>(sizeof seed_));
}

RateLimits::~RateLimits() = default;

std::int64_t RateLimits::take(const RateLimit& limit, const Facts& facts, std::int64_t now_ns, Tokens* tokens) {
    KeyMaker maker(seed_);
    maker.add(limit.identity);
    KeyMaker shared = maker;
    for (const RateLimit::Key& part : limit.per) add_value(maker, part, facts);
    Key key = maker.key();

    const std::int64_t interval = std::max<std::int64_t>(1, limit.period_ns / limit.rate);
    const std::int64_t depth = interval * limit.burst;
    Shard& shard = (*shards_)[key.high % shard_count];
    const std::lock_guard lock(shard.mutex);
    auto bucket = shard.full_at.find(key);
    if (bucket == shard.full_at.end() && shard.full_at.size() >= max_per_shard_) {
        shard.make_room(now_ns);
        if (shard.full_at.size() >= max_per_shard_) {
            shared.add(std::uint64_t{2});
            key = shared.key();
            bucket = shard.full_at.find(key);
        }
    }
    Token token{key.high, key.low, interval};
    if (tokens && std::ranges::any_of(*tokens, [&](const Token& before) { return before.is_of_bucket_of(token); })) {
        token.taken = false;
        tokens->push_back(token);
        return 0;
    }
    if (bucket == shard.full_at.end()) bucket = shard.full_at.try_emplace(key, now_ns).first;
    const std::int64_t full_at = std::max(bucket->second, now_ns) + interval;
    if (full_at - now_ns > depth) return full_at - depth - now_ns;
    bucket->second = full_at;
    if (tokens) tokens->push_back(token);
    return 0;
}

void RateLimits::give_back(const Token& token) {
    const Key key{token.high, token.low};
    Shard& shard = (*shards_)[key.high % shard_count];
    const std::lock_guard lock(shard.mutex);
    if (const auto bucket = shard.full_at.find(key); bucket != shard.full_at.end()) bucket->second -= token.interval;
}

void RateLimits::give_back(const RateLimit& limit, const Facts& facts) {
    KeyMaker maker(seed_);
    maker.add(limit.identity);
    for (const RateLimit::Key& part : limit.per) add_value(maker, part, facts);
    const Key key = maker.key();
    Shard& shard = (*shards_)[key.high % shard_count];
    const std::lock_guard lock(shard.mutex);
    if (const auto bucket = shard.full_at.find(key); bucket != shard.full_at.end())
        bucket->second -= std::max<std::int64_t>(1, limit.period_ns / limit.rate);
}

std::size_t RateLimits::size() const {
    std::size_t sum = 0;
    for (Shard& shard : *shards_) {
        const std::lock_guard lock(shard.mutex);
        sum += shard.full_at.size();
    }
    return sum;
}

}  // namespace sluice::policy
