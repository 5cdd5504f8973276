// SPDX-License-Identifier: Apache-2.0
#include "audit/prometheus.h"

#include "audit/process_metrics.h"

#include <fmt/format.h>

#include <iterator>

namespace sluice::audit {

namespace {

// Exposition format 0.0.4, "Comments, help text, and type information"; label values escape backslash, quote and line feed.
class Exposition {
public:
    void family(std::string_view name, std::string_view type, std::string_view help) {
        name_ = name;
        fmt::format_to(std::back_inserter(text_), "# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help);
    }
    template <class T>
    void sample(T value) {
        fmt::format_to(std::back_inserter(text_), "{} {}\n", name_, value);
    }
    template <class T>
    void sample(std::string_view label, std::string_view label_value, T value) {
        fmt::format_to(std::back_inserter(text_), "{}{{{}=\"", name_, label);
        for (const char c : label_value) {
            if (c == '\n') text_ += "\\n";
            else {
                if (c == '\\' || c == '"') text_ += '\\';
                text_ += c;
            }
        }
        fmt::format_to(std::back_inserter(text_), "\"}} {}\n", value);
    }
    template <class T>
    void single(std::string_view name, std::string_view type, std::string_view help, T value) {
        family(name, type, help);
        sample(value);
    }
    void histogram(std::string_view name, std::string_view help, Histogram which, const MetricsSnapshot::Buckets& buckets) {
        family(name, "histogram", help);
        const auto bounds = bucket_bounds(which);
        std::uint64_t below = 0;
        for (std::size_t i = 0; i < bounds.size(); ++i) {
            below += buckets.counts[i];
            fmt::format_to(std::back_inserter(text_), "{}_bucket{{le=\"{}\"}} {}\n", name, seconds(static_cast<std::uint64_t>(bounds[i])),
                           below);
        }
        below += buckets.counts[bounds.size()];
        fmt::format_to(std::back_inserter(text_), "{0}_bucket{{le=\"+Inf\"}} {1}\n{0}_sum {2}\n{0}_count {1}\n", name, below,
                       seconds(buckets.sum));
    }
    std::string take() { return std::move(text_); }

private:
    static double seconds(std::uint64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e9; }

    std::string text_;
    std::string_view name_;
};

constexpr std::array<std::string_view, refusal_count> refusal_names{"client_not_allowed", "client_limit", "no_descriptors", "proxy_header",
                                                                    "policy"};

void write_traffic(Exposition& to, const MetricsSnapshot& now) {
    to.family("sluice_events_total", "counter", "Transactions by how they ended (event.action).");
    for (std::size_t i = 0; i < action_count; ++i) to.sample("event_action", to_string(static_cast<Action>(i)), now.actions[i]);
    to.family("sluice_errors_total", "counter", "Transactions that ended in an error, by RFC 9209 type (error.type).");
    for (std::size_t i = 0; i < error_type_count; ++i) to.sample("error_type", error_types()[i], now.errors[i]);
    to.family("sluice_rule_matches_total", "counter", "Matches of rules, shadow rules too (rule.name).");
    for (const auto& rule : now.rules) to.sample("rule_name", rule.name, rule.matches);
    to.family("sluice_refused_connections_total", "counter", "Client connections that were not served, by reason.");
    for (std::size_t i = 0; i < refusal_count; ++i) to.sample("reason", refusal_names[i], now.refusals[i]);
    to.single("sluice_requests_total", "counter", "Request heads read, whole and valid.", now[Counter::requests]);
    to.family("sluice_responses_total", "counter", "Final responses to clients, by class of status code; other: no status was sent.");
    static constexpr std::array<std::string_view, 6> classes{"other", "1xx", "2xx", "3xx", "4xx", "5xx"};
    for (std::size_t i = 0; i < classes.size(); ++i) to.sample("http_response_status_class", classes[i], now.status_classes[i]);
    to.family("sluice_bytes_total", "counter", "Bytes of connections, by direction.");
    to.sample("direction", "client_received", now[Counter::bytes_client_received]);
    to.sample("direction", "client_sent", now[Counter::bytes_client_sent]);
    to.sample("direction", "server_received", now[Counter::bytes_server_received]);
    to.sample("direction", "server_sent", now[Counter::bytes_server_sent]);
    to.histogram("sluice_request_duration_seconds", "From a request's first byte to its response's last.", Histogram::request,
                 now.histograms[0]);
    to.histogram("sluice_server_connect_duration_seconds", "Connecting to a server, names already known.", Histogram::server_connect,
                 now.histograms[1]);
    to.histogram("sluice_policy_duration_seconds", "Deciding, over all phases of a transaction (timing.policy).", Histogram::policy,
                 now.histograms[2]);
}

void write_connections(Exposition& to, const MetricsSnapshot& now) {
    to.single("sluice_client_connections_total", "counter", "Client connections accepted.", now[Counter::client_connections]);
    to.single("sluice_client_connections", "gauge", "Client connections open now.", now[Gauge::client_connections]);
    to.single("sluice_server_connections", "gauge", "Server connections open now.", now[Gauge::server_connections]);
    to.single("sluice_server_connections_idle", "gauge", "Server connections open and unused now.", now[Gauge::server_connections_idle]);
    to.single("sluice_tunnels", "gauge", "Tunnels open now.", now[Gauge::tunnels]);
    to.family("sluice_pool_connections_total", "counter",
              "Server connections taken: opened anew, reused, or found dead when they were to be reused.");
    to.sample("result", "opened", now[Counter::pool_opened]);
    to.sample("result", "reused", now[Counter::pool_reused]);
    to.sample("result", "stale", now[Counter::pool_stale]);
    to.single("sluice_dns_queries_total", "counter", "Names asked of the name servers.", now[Counter::dns_queries]);
    to.single("sluice_dns_cache_hits_total", "counter", "Names answered from the cache.", now[Counter::dns_cache_hits]);
    to.single("sluice_dns_failures_total", "counter", "Names that got no address.", now[Counter::dns_failures]);
}

void write_policy(Exposition& to, const MetricsSnapshot& now) {
    to.single("sluice_rules", "gauge", "Rules of the current policy.", now[Gauge::rules]);
    to.single("sluice_list_entries", "gauge", "Entries of all lists of the current policy.", now[Gauge::list_entries]);
    to.single("sluice_policy_loaded_timestamp_seconds", "gauge", "When the current policy was loaded.", now[Gauge::policy_loaded_seconds]);
    to.single("sluice_ready", "gauge", "1 while new clients are welcome.", now[Gauge::ready]);
    to.family("sluice_reloads_total", "counter", "Reloads of the configuration; a failed one changed nothing.");
    to.sample("event_outcome", "success", now[Counter::reloads_succeeded]);
    to.sample("event_outcome", "failure", now[Counter::reloads_failed]);
}

void write_log(Exposition& to, const Log& log) {
    const Log::Counters counts = log.counters();
    to.single("sluice_log_events_total", "counter", "Events written to the event log.", counts.written);
    to.single("sluice_log_bytes_total", "counter", "Bytes written to the event log.", counts.bytes);
    to.family("sluice_log_dropped_total", "counter", "Events lost: the queue was full, or the log could not be written.");
    to.sample("reason", "full", counts.dropped_full);
    to.sample("reason", "disk", counts.dropped_disk);
    to.single("sluice_log_write_errors_total", "counter", "Failed writes to the event log.", counts.write_errors);
    to.single("sluice_log_failing", "gauge", "1 while the event log cannot be written.", log.failing() ? 1 : 0);
}

void write_process(Exposition& to, const ProcessMetrics& process) {
    if (process.cpu_seconds) to.single("process_cpu_seconds_total", "counter", "User and system CPU time.", *process.cpu_seconds);
    if (process.resident_bytes) to.single("process_resident_memory_bytes", "gauge", "Resident memory.", *process.resident_bytes);
    if (process.virtual_bytes) to.single("process_virtual_memory_bytes", "gauge", "Virtual memory.", *process.virtual_bytes);
    if (process.open_descriptors) to.single("process_open_fds", "gauge", "Open file descriptors.", *process.open_descriptors);
    if (process.max_descriptors)
        to.single("process_max_fds", "gauge", "The most file descriptors that may be open.", *process.max_descriptors);
    if (process.threads) to.single("process_threads", "gauge", "Threads.", *process.threads);
    if (process.start_seconds)
        to.single("process_start_time_seconds", "gauge", "When the process started, Unix time.", *process.start_seconds);
}

}  // namespace

std::string prometheus_text(const Metrics& metrics, const Log* log, std::string_view version) {
    const MetricsSnapshot now = metrics.snapshot();
    Exposition to;
    write_traffic(to, now);
    write_connections(to, now);
    write_policy(to, now);
    if (log) write_log(to, *log);
    to.family("sluice_build_info", "gauge", "Always 1; the version is the label.");
    to.sample("version", version, 1);
    write_process(to, read_process_metrics());
    return to.take();
}

}  // namespace sluice::audit
