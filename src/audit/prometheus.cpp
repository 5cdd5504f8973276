// SPDX-License-Identifier: Apache-2.0
#include "audit/prometheus.h"

#include "audit/process_metrics.h"

#include <fmt/format.h>

#include <initializer_list>
#include <iterator>
#include <utility>

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
        sample({{label, label_value}}, value);
    }
    template <class T>
    void sample(std::initializer_list<std::pair<std::string_view, std::string_view>> labels, T value) {
        text_ += name_;
        char separator = '{';
        for (const auto& [label, label_value] : labels) {
            fmt::format_to(std::back_inserter(text_), "{}{}=\"", std::exchange(separator, ','), label);
            escape(label_value);
            text_ += '"';
        }
        fmt::format_to(std::back_inserter(text_), "}} {}\n", value);
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
    void escape(std::string_view label_value) {
        for (const char c : label_value) {
            if (c == '\n') text_ += "\\n";
            else {
                if (c == '\\' || c == '"') text_ += '\\';
                text_ += c;
            }
        }
    }
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

// Of the hundreds of places most never count anything: those are left out, but for one of each verdict.
void write_payload_outcomes(Exposition& to, const std::array<std::uint64_t, payload_outcome_count>& payloads,
                            const std::array<std::uint64_t, payload_outcome_count>& values) {
    for (std::size_t verdict = 0; verdict < scan_verdict_count; ++verdict)
        for (std::size_t reason = 0; reason < scan_reason_count; ++reason)
            for (std::size_t engine = 0; engine < scan_engine_count; ++engine) {
                const std::size_t place = payload_outcome(verdict, reason, engine);
                if (payloads[place] == 0 && (reason != 0 || engine != 0)) continue;
                to.sample({{"scan_verdict", scan_verdicts()[verdict]},
                           {"scan_reason", scan_reasons()[reason]},
                           {"scan_engine", scan_engines()[engine]}},
                          values[place]);
            }
}

void write_payloads(Exposition& to, const MetricsSnapshot& now) {
    to.family("sluice_payloads_total", "counter", "Payloads by how they ended (scan.verdict, scan.reason, scan.engine).");
    write_payload_outcomes(to, now.payloads, now.payloads);
    to.family("sluice_payload_bytes_total", "counter", "Their bytes, as they came.");
    write_payload_outcomes(to, now.payloads, now.payload_bytes);
    to.histogram("sluice_scan_duration_seconds", "From a payload's last byte to its verdict (timing.scan).", Histogram::scan,
                 now.histograms[3]);
    to.family("sluice_scan_cache_total", "counter", "Payloads asked for in the verdict cache.");
    to.sample("result", "hit", now[Counter::scan_cache_hits]);
    to.sample("result", "miss", now[Counter::scan_cache_misses]);
    to.single("sluice_scanner_crashes_total", "counter", "Scanner processes that ended in the middle of a payload.",
              now[Counter::scanner_crashes]);
    to.family("sluice_quarantine_total", "counter", "Payloads that a rule blocked and wanted a copy of.");
    to.sample("result", "kept", now[Counter::quarantine_kept]);
    to.sample("result", "failed", now[Counter::quarantine_failed]);
    to.family("sluice_tls_client_handshakes_total", "counter",
              "TLS with clients that was decrypted: in full, resumed, or ended by the client.");
    to.sample("result", "full", now[Counter::tls_intercepted] - now[Counter::tls_intercepted_resumed]);
    to.sample("result", "resumed", now[Counter::tls_intercepted_resumed]);
    to.sample("result", "refused", now[Counter::tls_refused_by_client]);
    to.family("sluice_tls_server_handshakes_total", "counter",
              "TLS with servers: in full, resumed, or with one that could not be verified.");
    to.sample("result", "full",
              now[Counter::tls_server_handshakes] - now[Counter::tls_server_resumed] - now[Counter::tls_server_unverified]);
    to.sample("result", "resumed", now[Counter::tls_server_resumed]);
    to.sample("result", "unverified", now[Counter::tls_server_unverified]);
    to.single("sluice_tls_leaves_total", "counter", "Certificates that were made for servers' names.", now[Counter::tls_leaves_made]);
    to.single("sluice_scanner_queue", "gauge", "Payloads that wait for a scanner process now.", now[Gauge::scanner_queue]);
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
    write_payloads(to, now);
    write_policy(to, now);
    if (log) write_log(to, *log);
    to.family("sluice_build_info", "gauge", "Always 1; the version is the label.");
    to.sample("version", version, 1);
    write_process(to, read_process_metrics());
    return to.take();
}

}  // namespace sluice::audit
