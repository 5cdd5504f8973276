// SPDX-License-Identifier: Apache-2.0
// What Sluice counts about itself: a closed set, so that no peer can make it grow. Each thread counts into a shard of its own (a load and
// a store, no locked instruction); they are summed when somebody asks. The only open label is `rule.name`, bounded by
// `Limits::rule_names`.
#pragma once

#include "audit/event.h"
#include "base/limits.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace sluice::audit {

// Things that only grow. Those above `client_connections` are counted by `MetricsShard::count` or a function of their own.
enum class Counter : std::uint8_t {
    client_connections,  // accepted
    requests,  // heads read, whole and valid
    bytes_client_received,
    bytes_client_sent,
    bytes_server_received,
    bytes_server_sent,
    pool_opened,  // a new connection to a server
    pool_reused,  // one from the pool
    pool_stale,  // one from the pool that turned out to be dead
    dns_queries,  // asked of the name servers
    dns_cache_hits,
    dns_failures,
    reloads_succeeded,
    reloads_failed,
    scan_cache_hits,  // payloads whose verdict was known already
    scan_cache_misses,
    scanner_crashes,  // scanner processes that ended in the middle of a payload
    quarantine_kept,  // payloads that were put away
    quarantine_failed,  // payloads that should have been, and were blocked without a copy
    tls_intercepted,  // handshakes with clients, under a leaf of ours
    tls_intercepted_resumed,  // of those, by a ticket
    tls_refused_by_client,  // those that a client ended, maybe for want of trust in us
    tls_server_handshakes,
    tls_server_resumed,  // of those
    tls_server_unverified,  // and servers that could not be verified
    tls_leaves_made,
};
inline constexpr std::size_t counter_count = 26;

// Things that go up and down; over all shards, the sum.
enum class Gauge : std::uint8_t {
    client_connections,  // open now
    server_connections,  // open now, idle ones too
    server_connections_idle,  // of those, in the pool
    tunnels,  // open now
    rules,  // set by the main thread
    list_entries,  // set by the main thread: of all lists together
    policy_loaded_seconds,  // set by the main thread: Unix time
    ready,  // set by the main thread: 1 or 0, as /readyz says
    scanner_queue,  // payloads that wait for a scanner process
};
inline constexpr std::size_t gauge_count = 9;

// Durations, in nanoseconds; exposed in seconds.
enum class Histogram : std::uint8_t { request, server_connect, policy, scan };
inline constexpr std::size_t histogram_count = 4;

// Why a connection was not served at all.
enum class Refusal : std::uint8_t {
    client_not_allowed,  // its address is not in `clients`
    client_limit,  // `limits.connections_per_client`
    no_descriptors,
    proxy_header,  // the PROXY header is missing or bad
    policy,  // a rule of phase `connect`
};
inline constexpr std::size_t refusal_count = 5;

// The words of scan.verdict, scan.reason and scan.engine. In the latter two "" comes first, for none, and "other" last, for any other.
std::span<const std::string_view> scan_verdicts();
std::span<const std::string_view> scan_reasons();
std::span<const std::string_view> scan_engines();
inline constexpr std::size_t scan_verdict_count = 4;
inline constexpr std::size_t scan_reason_count = 17;
inline constexpr std::size_t scan_engine_count = 7;

// How payloads ended: a place for each verdict, reason and engine.
inline constexpr std::size_t payload_outcome_count = scan_verdict_count * scan_reason_count * scan_engine_count;
constexpr std::size_t payload_outcome(std::size_t verdict, std::size_t reason, std::size_t engine) {
    return (verdict * scan_reason_count + reason) * scan_engine_count + engine;
}

// RFC 9209's proxy error types, and last "other" for anything else.
std::span<const std::string_view> error_types();
inline constexpr std::size_t error_type_count = 33;
std::size_t error_type_index(std::string_view token);

// Upper bounds of a histogram's buckets, in nanoseconds, ascending; above the last there is one more bucket.
std::span<const std::int64_t> bucket_bounds(Histogram histogram);
inline constexpr std::size_t bucket_count_max = 18;  // the one more included

// A number that one thread writes and any reads.
class Count {
public:
    void add(std::uint64_t by = 1) { value_.store(value() + by, std::memory_order_relaxed); }
    void set(std::uint64_t to) { value_.store(to, std::memory_order_relaxed); }
    std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> value_{0};
};

// A rule as metrics know it: the same name has the same slot in every policy that is loaded.
using RuleSlot = std::uint32_t;

// One thread's numbers. Only that thread may call what counts.
class alignas(64) MetricsShard {
public:
    MetricsShard();
    ~MetricsShard();
    MetricsShard(const MetricsShard&) = delete;
    MetricsShard& operator=(const MetricsShard&) = delete;

    void add(Counter counter, std::uint64_t by = 1) { counters_[static_cast<std::size_t>(counter)].add(by); }
    // Gauges may go below 0 in one shard (opened by one thread, closed by another); the sum is right.
    void add(Gauge gauge, std::int64_t by) { gauges_[static_cast<std::size_t>(gauge)].add(static_cast<std::uint64_t>(by)); }
    void set(Gauge gauge, std::int64_t to) { gauges_[static_cast<std::size_t>(gauge)].set(static_cast<std::uint64_t>(to)); }
    void observe(Histogram histogram, std::int64_t nanoseconds);
    void refused(Refusal refusal) { refusals_[static_cast<std::size_t>(refusal)].add(); }
    void rule_matched(RuleSlot slot);  // shadow rules too
    // A payload that has its verdict, in the words of scan.*; `bytes` of it as they came.
    void payload(std::string_view verdict, std::string_view reason, std::string_view engine, std::uint64_t bytes);
    // Everything that an event says by itself: its action, error type, status class, durations of request and policy. Not bytes, not
    // rules. A `start` event counts nothing.
    void count(const Event& event);

    // Any thread.
    std::uint64_t value(Counter counter) const { return counters_[static_cast<std::size_t>(counter)].value(); }
    std::int64_t value(Gauge gauge) const { return static_cast<std::int64_t>(gauges_[static_cast<std::size_t>(gauge)].value()); }

private:
    friend class Metrics;
    static constexpr std::size_t rules_per_block = 256;
    using RuleBlock = std::array<Count, rules_per_block>;

    struct Buckets {
        std::array<Count, bucket_count_max> counts;
        Count sum;  // nanoseconds
    };

    std::array<Count, action_count> actions_;
    std::array<Count, counter_count> counters_;
    std::array<Count, gauge_count> gauges_;
    std::array<Count, refusal_count> refusals_;
    std::array<Count, error_type_count> errors_;
    std::array<Count, 6> status_classes_;  // [1] is 1xx; [0] is anything else
    std::array<Buckets, histogram_count> histograms_;
    std::array<Count, payload_outcome_count> payloads_;
    std::array<Count, payload_outcome_count> payload_bytes_;
    // Blocks are made before a slot in them is given away, and stay.
    std::array<std::atomic<RuleBlock*>, Limits{}.rule_names / rules_per_block> rules_{};
};

// All shards summed, at one moment. What is plain numbers here has its label in `prometheus.cpp`.
struct MetricsSnapshot {
    struct Buckets {
        std::array<std::uint64_t, bucket_count_max> counts{};
        std::uint64_t sum = 0;
    };
    struct Rule {
        std::string name;
        std::uint64_t matches = 0;
    };
    std::array<std::uint64_t, action_count> actions{};
    std::array<std::uint64_t, counter_count> counters{};
    std::array<std::int64_t, gauge_count> gauges{};
    std::array<std::uint64_t, refusal_count> refusals{};
    std::array<std::uint64_t, error_type_count> errors{};
    std::array<std::uint64_t, 6> status_classes{};
    std::array<Buckets, histogram_count> histograms{};
    std::array<std::uint64_t, payload_outcome_count> payloads{};  // by payload_outcome
    std::array<std::uint64_t, payload_outcome_count> payload_bytes{};
    std::vector<Rule> rules;  // in the order in which they were first loaded; of former policies, only those that ever matched

    std::uint64_t operator[](Counter counter) const { return counters[static_cast<std::size_t>(counter)]; }
    std::int64_t operator[](Gauge gauge) const { return gauges[static_cast<std::size_t>(gauge)]; }
    std::uint64_t operator[](Action action) const { return actions[static_cast<std::size_t>(action)]; }
};

class Metrics {
public:
    explicit Metrics(std::size_t workers);

    MetricsShard& worker(std::size_t index) { return *shards_[index]; }
    MetricsShard& main() { return *shards_.back(); }  // of the thread that reloads and answers /metrics

    // Slots for a policy's rules, in their order; call it before workers get that policy. Names that were known keep their slot and their
    // count; when there are too many different ones, the rest share one slot without a name. Any thread.
    std::vector<RuleSlot> rule_slots(std::span<const std::string_view> names);

    MetricsSnapshot snapshot() const;  // any thread

private:
    std::vector<std::unique_ptr<MetricsShard>> shards_;
    mutable std::mutex mutex_;
    std::vector<std::string> rule_names_;  // by slot; [0] is the shared one; guarded by mutex_, as are the next two
    std::unordered_map<std::string, RuleSlot> rule_slots_;
    std::vector<bool> current_;  // by slot: in the policy that was loaded last
};

}  // namespace sluice::audit
