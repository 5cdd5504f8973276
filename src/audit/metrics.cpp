// SPDX-License-Identifier: Apache-2.0
#include "audit/metrics.h"

#include <algorithm>
#include <iterator>

namespace sluice::audit {

namespace {

constexpr std::array<std::string_view, error_type_count> tokens{"dns_timeout",
                                                                "dns_error",
                                                                "destination_not_found",
                                                                "destination_unavailable",
                                                                "destination_ip_prohibited",
                                                                "destination_ip_unroutable",
                                                                "connection_refused",
                                                                "connection_terminated",
                                                                "connection_timeout",
                                                                "connection_read_timeout",
                                                                "connection_write_timeout",
                                                                "connection_limit_reached",
                                                                "tls_protocol_error",
                                                                "tls_certificate_error",
                                                                "tls_alert_received",
                                                                "http_request_error",
                                                                "http_request_denied",
                                                                "http_response_incomplete",
                                                                "http_response_header_section_size",
                                                                "http_response_header_size",
                                                                "http_response_body_size",
                                                                "http_response_trailer_section_size",
                                                                "http_response_trailer_size",
                                                                "http_response_transfer_coding",
                                                                "http_response_content_coding",
                                                                "http_response_timeout",
                                                                "http_upgrade_failed",
                                                                "http_protocol_error",
                                                                "proxy_internal_response",
                                                                "proxy_internal_error",
                                                                "proxy_configuration_error",
                                                                "proxy_loop_detected",
                                                                "other"};

constexpr std::array<std::string_view, scan_verdict_count> verdict_words{"clean", "infected", "unscannable", "skipped"};
constexpr std::array<std::string_view, scan_reason_count> reason_words{
    "",          "timeout", "crashed",     "overloaded", "no-space", "engine-down", "too-large", "too-deep", "bomb",
    "encrypted", "corrupt", "undecodable", "truncated",  "tunnel",   "upgrade",     "no-engine", "other"};
constexpr std::array<std::string_view, scan_engine_count> engine_words{"", "hash", "signatures", "yara", "clamav", "icap", "other"};

// The last word stands for any other.
std::size_t word_index(std::span<const std::string_view> words, std::string_view word) {
    const auto found = std::ranges::find(words, word);
    return std::min(static_cast<std::size_t>(found - words.begin()), words.size() - 1);
}

constexpr std::int64_t microsecond = 1'000;
constexpr std::int64_t millisecond = 1'000'000;
constexpr std::int64_t second = 1'000'000'000;

constexpr std::array request_bounds{
    500 * microsecond, millisecond,       2'500 * microsecond, 5 * millisecond,   10 * millisecond, 25 * millisecond,
    50 * millisecond,  100 * millisecond, 250 * millisecond,   500 * millisecond, second,           2'500 * millisecond,
    5 * second,        10 * second,       30 * second,         60 * second};
constexpr std::array connect_bounds{
    100 * microsecond, 250 * microsecond, 500 * microsecond, millisecond,       2'500 * microsecond, 5 * millisecond, 10 * millisecond,
    25 * millisecond,  50 * millisecond,  100 * millisecond, 250 * millisecond, 500 * millisecond,   second,          2'500 * millisecond,
    5 * second,        10 * second};
constexpr std::array policy_bounds{std::int64_t{250}, std::int64_t{500}, microsecond,      std::int64_t{2'500}, 5 * microsecond,
                                   10 * microsecond,  25 * microsecond,  50 * microsecond, 100 * microsecond,   250 * microsecond,
                                   500 * microsecond, millisecond,       10 * millisecond, 100 * millisecond,   second};
constexpr std::array scan_bounds{
    100 * microsecond, 250 * microsecond, 500 * microsecond, millisecond,       2'500 * microsecond, 5 * millisecond, 10 * millisecond,
    25 * millisecond,  50 * millisecond,  100 * millisecond, 250 * millisecond, 500 * millisecond,   second,          2'500 * millisecond,
    5 * second,        10 * second,       30 * second};
static_assert(scan_bounds.size() < bucket_count_max);
static_assert(request_bounds.size() < bucket_count_max && connect_bounds.size() < bucket_count_max &&
              policy_bounds.size() < bucket_count_max);

}  // namespace

std::span<const std::string_view> error_types() { return tokens; }

std::span<const std::string_view> scan_verdicts() { return verdict_words; }
std::span<const std::string_view> scan_reasons() { return reason_words; }
std::span<const std::string_view> scan_engines() { return engine_words; }

std::size_t error_type_index(std::string_view token) {
    const auto found = std::ranges::find(tokens, token);
    return found == tokens.end() ? tokens.size() - 1 : static_cast<std::size_t>(std::distance(tokens.begin(), found));
}

std::span<const std::int64_t> bucket_bounds(Histogram histogram) {
    switch (histogram) {
        case Histogram::request: return request_bounds;
        case Histogram::server_connect: return connect_bounds;
        case Histogram::policy: return policy_bounds;
        case Histogram::scan: return scan_bounds;
    }
    return {};
}

MetricsShard::MetricsShard() = default;

MetricsShard::~MetricsShard() {
    for (const auto& block : rules_) delete block.load();
}

void MetricsShard::observe(Histogram histogram, std::int64_t observed) {
    Buckets& buckets = histograms_[static_cast<std::size_t>(histogram)];
    const auto bounds = bucket_bounds(histogram);
    std::size_t i = 0;
    while (i < bounds.size() && observed > bounds[i]) ++i;
    buckets.counts[i].add();
    buckets.sum.add(static_cast<std::uint64_t>(std::max<std::int64_t>(observed, 0)));
}

void MetricsShard::rule_matched(RuleSlot slot) {
    RuleBlock* block = rules_[slot / rules_per_block].load(std::memory_order_acquire);
    if (block) (*block)[slot % rules_per_block].add();
}

void MetricsShard::payload(std::string_view verdict, std::string_view reason, std::string_view engine, std::uint64_t bytes) {
    const std::size_t place =
        payload_outcome(word_index(verdict_words, verdict), word_index(reason_words, reason), word_index(engine_words, engine));
    payloads_[place].add();
    payload_bytes_[place].add(bytes);
}

void MetricsShard::count(const Event& event) {
    if (event.stage == Stage::start) return;
    actions_[static_cast<std::size_t>(event.action)].add();
    if (!event.error_type.empty()) errors_[error_type_index(event.error_type)].add();
    if (event.method.empty()) return;
    const std::size_t status_class = event.status / 100;
    status_classes_[status_class < status_classes_.size() ? status_class : 0].add();
    observe(Histogram::request, event.end_ns - event.start_ns);
    if (event.policy_ns > 0) observe(Histogram::policy, event.policy_ns);
}

Metrics::Metrics(std::size_t workers) {
    for (std::size_t i = 0; i < workers + 1; ++i) shards_.push_back(std::make_unique<MetricsShard>());
    rule_names_.emplace_back();
    current_.push_back(false);
    for (const auto& shard : shards_) shard->rules_[0].store(new MetricsShard::RuleBlock, std::memory_order_release);
}

std::vector<RuleSlot> Metrics::rule_slots(std::span<const std::string_view> names) {
    const std::scoped_lock lock(mutex_);
    current_.assign(rule_names_.size(), false);
    std::vector<RuleSlot> slots;
    slots.reserve(names.size());
    for (const std::string_view name : names) {
        const auto known = rule_slots_.find(std::string(name));
        if (known != rule_slots_.end()) {
            slots.push_back(known->second);
            current_[known->second] = true;
            continue;
        }
        if (rule_names_.size() == Limits{}.rule_names) {
            slots.push_back(0);
            continue;
        }
        const auto slot = static_cast<RuleSlot>(rule_names_.size());
        if (slot % MetricsShard::rules_per_block == 0)
            for (const auto& shard : shards_)
                shard->rules_[slot / MetricsShard::rules_per_block].store(new MetricsShard::RuleBlock, std::memory_order_release);
        rule_names_.emplace_back(name);
        rule_slots_.emplace(name, slot);
        current_.push_back(true);
        slots.push_back(slot);
    }
    return slots;
}

MetricsSnapshot Metrics::snapshot() const {
    MetricsSnapshot out;
    const auto sum = [](auto& into, const auto& counts) {
        for (std::size_t i = 0; i < into.size(); ++i) into[i] += static_cast<std::remove_cvref_t<decltype(into[i])>>(counts[i].value());
    };
    for (const auto& shard : shards_) {
        sum(out.actions, shard->actions_);
        sum(out.counters, shard->counters_);
        sum(out.gauges, shard->gauges_);
        sum(out.refusals, shard->refusals_);
        sum(out.errors, shard->errors_);
        sum(out.status_classes, shard->status_classes_);
        sum(out.payloads, shard->payloads_);
        sum(out.payload_bytes, shard->payload_bytes_);
        for (std::size_t i = 0; i < histogram_count; ++i) {
            sum(out.histograms[i].counts, shard->histograms_[i].counts);
            out.histograms[i].sum += shard->histograms_[i].sum.value();
        }
    }
    const std::scoped_lock lock(mutex_);
    for (std::size_t slot = 0; slot < rule_names_.size(); ++slot) {
        std::uint64_t matches = 0;
        for (const auto& shard : shards_) {
            const auto* block = shard->rules_[slot / MetricsShard::rules_per_block].load(std::memory_order_acquire);
            matches += (*block)[slot % MetricsShard::rules_per_block].value();
        }
        if (current_[slot] || matches > 0) out.rules.push_back({rule_names_[slot], matches});
    }
    return out;
}

}  // namespace sluice::audit
