// SPDX-License-Identifier: Apache-2.0
#include "audit/metrics.h"
#include "audit/prometheus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <thread>

namespace sluice::audit {
namespace {

TEST(Metrics, shards_are_summed) {
    Metrics metrics(2);
    metrics.worker(0).add(Counter::client_connections);
    metrics.worker(1).add(Counter::client_connections, 5);
    metrics.main().add(Counter::reloads_failed);
    metrics.worker(0).add(Gauge::tunnels, 3);
    metrics.worker(1).add(Gauge::tunnels, -1);                      // closed by another thread than opened it
    metrics.main().set(Gauge::rules, 7);
    metrics.main().set(Gauge::rules, 8);
    const auto now = metrics.snapshot();
    EXPECT_EQ(now[Counter::client_connections], 6U);
    EXPECT_EQ(now[Counter::reloads_failed], 1U);
    EXPECT_EQ(now[Gauge::tunnels], 2);
    EXPECT_EQ(now[Gauge::rules], 8);
}

TEST(Metrics, an_event_counts_what_it_says) {
    Metrics metrics(1);
    Event event;
    event.method = "GET";
    event.action = Action::blocked;
    event.error_type = "http_request_denied";
    event.status = 403;
    event.end_ns = 2'000'000;
    event.policy_ns = 300;
    metrics.worker(0).count(event);
    event.stage = Stage::start;
    metrics.worker(0).count(event);                                 // counted when it ends
    event.stage = Stage::end;
    event.error_type = "made_up";
    event.status = 999;
    metrics.worker(0).count(event);
    event.method = {};
    metrics.worker(0).count(event);                                 // a connection: no response
    const auto now = metrics.snapshot();
    EXPECT_EQ(now[Action::blocked], 3U);
    EXPECT_EQ(now.errors[error_type_index("http_request_denied")], 1U);
    EXPECT_EQ(now.errors[error_type_index("other")], 2U);
    EXPECT_EQ(now.status_classes[4], 1U);
    EXPECT_EQ(now.status_classes[0], 1U);
    EXPECT_EQ(now.histograms[0].sum, 4'000'000U);
    EXPECT_EQ(now.histograms[2].sum, 600U);
}

TEST(Metrics, payloads_by_verdict_reason_and_engine) {
    Metrics metrics(2);
    metrics.worker(0).payload("infected", "", "yara", 10);
    metrics.worker(1).payload("infected", "", "yara", 5);
    metrics.worker(1).payload("unscannable", "bomb", "", 7);
    metrics.worker(1).payload("unscannable", "unheard of", "unheard of", 1);
    metrics.worker(0).observe(Histogram::scan, 3'000'000);
    metrics.worker(0).add(Counter::scan_cache_hits);
    metrics.worker(0).add(Gauge::scanner_queue, 2);
    metrics.worker(1).add(Gauge::scanner_queue, -1);
    const std::string text = prometheus_text(metrics, nullptr, "1");
    for (const std::string_view line : {
             R"(sluice_payloads_total{scan_verdict="clean",scan_reason="",scan_engine=""} 0)",
             R"(sluice_payloads_total{scan_verdict="infected",scan_reason="",scan_engine="yara"} 2)",
             R"(sluice_payload_bytes_total{scan_verdict="infected",scan_reason="",scan_engine="yara"} 15)",
             R"(sluice_payload_bytes_total{scan_verdict="unscannable",scan_reason="bomb",scan_engine=""} 7)",
             R"(sluice_payloads_total{scan_verdict="unscannable",scan_reason="other",scan_engine="other"} 1)",
             R"(sluice_scan_duration_seconds_bucket{le="0.0025"} 0)",
             R"(sluice_scan_duration_seconds_bucket{le="0.005"} 1)",
             R"(sluice_scan_cache_total{result="hit"} 1)",
             "sluice_scanner_queue 1",
         })
        EXPECT_NE(text.find("\n" + std::string(line) + "\n"), std::string::npos) << line;
    EXPECT_EQ(text.find("engine-down"), std::string::npos) << "what never happened is not listed";
    for (const auto words : {scan_verdicts(), scan_reasons(), scan_engines()})
        EXPECT_EQ(std::set<std::string_view>(words.begin(), words.end()).size(), words.size()) << "each word once";
}

TEST(Metrics, bucket_bounds_are_inclusive) {
    Metrics metrics(1);
    const auto bounds = bucket_bounds(Histogram::request);
    ASSERT_TRUE(std::ranges::is_sorted(bounds));
    metrics.worker(0).observe(Histogram::request, bounds[0]);
    metrics.worker(0).observe(Histogram::request, bounds[0] + 1);
    metrics.worker(0).observe(Histogram::request, bounds.back() + 1);
    metrics.worker(0).observe(Histogram::request, -5);              // a clock that was set back
    const auto counts = metrics.snapshot().histograms[0].counts;
    EXPECT_EQ(counts[0], 2U);
    EXPECT_EQ(counts[1], 1U);
    EXPECT_EQ(counts[bounds.size()], 1U);
}

TEST(Metrics, rules_keep_their_counts_over_reloads) {
    Metrics metrics(2);
    const std::vector<std::string_view> first{"a", "b", "c"};
    const auto slots = metrics.rule_slots(first);
    metrics.worker(0).rule_matched(slots[0]);
    metrics.worker(1).rule_matched(slots[1]);
    const std::vector<std::string_view> second{"d", "a"};
    const auto reloaded = metrics.rule_slots(second);
    EXPECT_EQ(reloaded[1], slots[0]);
    metrics.worker(0).rule_matched(reloaded[1]);
    metrics.worker(0).rule_matched(slots[1]);                       // a transaction that began before the reload
    std::map<std::string, std::uint64_t> matches;
    for (const auto& rule : metrics.snapshot().rules) matches[rule.name] = rule.matches;
    EXPECT_EQ(matches, (std::map<std::string, std::uint64_t>{{"a", 2}, {"b", 2}, {"d", 0}}));
}

TEST(Metrics, names_of_rules_are_bounded) {
    Metrics metrics(1);
    std::vector<std::string> names;
    for (std::size_t i = 0; i < Limits{}.rule_names + 10; ++i) names.push_back("rule-" + std::to_string(i));
    const std::vector<std::string_view> views(names.begin(), names.end());
    const auto slots = metrics.rule_slots(views);
    for (const RuleSlot slot : slots) metrics.worker(0).rule_matched(slot);
    const auto now = metrics.snapshot();
    EXPECT_EQ(now.rules.size(), Limits{}.rule_names);
    EXPECT_EQ(now.rules[0].name, "");
    EXPECT_EQ(now.rules[0].matches, 11U);
}

TEST(Metrics, counting_and_scraping_at_once) {
    Metrics metrics(2);
    std::vector<std::thread> threads;
    const std::vector<std::string_view> first{"a"};
    const auto slots = metrics.rule_slots(first);
    for (std::size_t worker = 0; worker < 2; ++worker)
        threads.emplace_back([&, worker] {
            Event event;
            event.method = "GET";
            event.action = Action::allowed;
            for (int i = 0; i < 20'000; ++i) {
                metrics.worker(worker).count(event);
                metrics.worker(worker).rule_matched(slots[0]);
            }
        });
    std::uint64_t last = 0;
    for (std::size_t i = 0; i < 50; ++i) {
        const std::string name = "rule-" + std::to_string(i);
        const std::vector<std::string_view> more{"a", name};
        (void)metrics.rule_slots(more);
        const std::uint64_t now = metrics.snapshot()[Action::allowed];
        EXPECT_GE(now, last);
        last = now;
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(metrics.snapshot()[Action::allowed], 40'000U);
}

// The exposition format as its document has it: names, labels, values; HELP and TYPE once, before a family's samples; a family in one
// piece.
TEST(Prometheus, the_text_is_valid) {
    Metrics metrics(1);
    const std::vector<std::string_view> names{"plain", "qu\"ote\\and\nline"};
    const auto slots = metrics.rule_slots(names);
    metrics.worker(0).rule_matched(slots[1]);
    Event event;
    event.method = "GET";
    event.action = Action::allowed;
    event.end_ns = 3'000'000;
    metrics.worker(0).count(event);
    LogOptions options;
    options.destination = "";
    const Log log(options, 1);
    const std::string text = prometheus_text(metrics, &log, "1.2.3");
    EXPECT_EQ(text.back(), '\n');

    static const std::regex help(R"(# HELP ([a-z_]+) \S.*)");
    static const std::regex type(R"(# TYPE ([a-z_]+) (counter|gauge|histogram))");
    static const std::regex sample(
        R"re(([a-z_]+)(\{[a-z_]+="(?:[^"\\\n]|\\\\|\\"|\\n)*"(?:,[a-z_]+="(?:[^"\\\n]|\\\\|\\"|\\n)*")*\})? (\S+))re");
    std::map<std::string, std::string> types, samples;
    std::string family;
    std::stringstream in(text);
    for (std::string line; std::getline(in, line);) {
        std::smatch match;
        if (std::regex_match(line, match, help)) {
            family = match[1];
            EXPECT_FALSE(types.contains(family)) << line;
        } else if (std::regex_match(line, match, type)) {
            EXPECT_EQ(match[1], family) << line;
            types[family] = match[2];
        } else {
            ASSERT_TRUE(std::regex_match(line, match, sample)) << line;
            const std::string name = match[1];
            const bool is_histogram = types[family] == "histogram";
            EXPECT_TRUE(name == family ||
                        (is_histogram && (name == family + "_bucket" || name == family + "_sum" || name == family + "_count")))
                << line;
            EXPECT_EQ(types[family] == "counter", name.ends_with("_total")) << line;
            EXPECT_TRUE(samples.emplace(line.substr(0, line.rfind(' ')), match[3]).second) << "twice: " << line;
            EXPECT_NO_THROW((void)std::stod(match[3])) << line;
        }
    }
    EXPECT_EQ(samples[R"(sluice_events_total{event_action="allowed"})"], "1");
    EXPECT_EQ(samples[R"(sluice_events_total{event_action="blocked"})"], "0");
    EXPECT_EQ(samples[R"(sluice_rule_matches_total{rule_name="plain"})"], "0");
    EXPECT_EQ(samples[R"(sluice_rule_matches_total{rule_name="qu\"ote\\and\nline"})"], "1");
    EXPECT_EQ(samples[R"(sluice_build_info{version="1.2.3"})"], "1");
    EXPECT_EQ(samples[R"(sluice_request_duration_seconds_bucket{le="0.0025"})"], "0");
    EXPECT_EQ(samples[R"(sluice_request_duration_seconds_bucket{le="0.005"})"], "1");
    EXPECT_EQ(samples[R"(sluice_request_duration_seconds_bucket{le="+Inf"})"], "1");
    EXPECT_EQ(samples["sluice_request_duration_seconds_sum"], "0.003");
    EXPECT_EQ(samples["sluice_request_duration_seconds_count"], "1");
    EXPECT_EQ(samples[R"(sluice_log_dropped_total{reason="full"})"], "0");
    for (const char* name : {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "process_max_fds",
                             "process_start_time_seconds"})
        EXPECT_GT(std::stod(samples[name]), std::string_view(name) == "process_cpu_seconds_total" ? -1 : 0) << name;
    const auto started = static_cast<std::time_t>(std::stod(samples["process_start_time_seconds"]));
    EXPECT_NEAR(static_cast<double>(started), static_cast<double>(std::time(nullptr)), 3600);
}

TEST(Prometheus, every_error_type_is_listed_once) {
    const auto types = error_types();
    EXPECT_EQ(types.size(), error_type_count);
    EXPECT_EQ(types.back(), "other");
    for (std::size_t i = 0; i < types.size(); ++i) EXPECT_EQ(error_type_index(types[i]), i);
}

}  // namespace
}  // namespace sluice::audit
