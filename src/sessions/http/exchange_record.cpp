// SPDX-License-Identifier: Apache-2.0
// The event: what happened, written once.
#include "policy/registered_domain.h"
#include "sessions/http/exchange.h"
#include "sessions/http/service.h"
#include "sessions/http/session.h"

namespace sluice::http {

using http1::KnownField;

void Exchange::note(const Refusal& refusal) {
    status_ = refusal.status;
    error_type_ = refusal.error;
    reason_ = refusal.reason.empty() ? refusal.what : refusal.reason;
    if (!refusal.rule.empty()) judgement_.rule = refusal.rule;
}

void Exchange::note_error(const Error& error, http::Stage stage) {
    const Refusal refusal = refusal_of(error, stage);
    error_type_ = refusal.error;
    reason_ = error.what;
}

// Its views live as long as the exchange does not go on.
audit::Event Exchange::describe(audit::Action action, audit::Stage stage) {
    const std::int64_t now = steady_ns();
    audit::Event event;
    event.id = id_;
    event.start_ns = service_->unix_ns(start_ns_);
    event.end_ns = service_->unix_ns(now);
    event.stage = stage;
    event.action = action;
    event.reason = reason_;
    event.rule_name = judgement_.rule;
    event.error_type = error_type_;
    shadows_.clear();
    for (const policy::Rule* rule : judgement_.effects.shadows) shadows_.push_back(rule->name);
    event.shadow_rules = shadows_;
    event.tags = judgement_.facts.tags();

    event.listener = session_->listener();
    event.client = session_->peer();
    event.client_bytes = client_bytes_;
    event.server_bytes = server_bytes_;
    if (in_tunnel_ && relay_) {
        event.client_bytes += relay_->to_server();
        event.server_bytes += relay_->to_client();
    }
    event.server = server_;
    event.client_country = generation_->settings->country_of(session_->peer().address);
    if (server_) event.server_country = generation_->settings->country_of(server_->address);
    event.user_name = user_.empty() ? std::string_view(session_->user()) : std::string_view(user_);
    if (head_complete_) {
        event.method = head_.method;
        event.http_version = http1::to_string(head_.version);
        if (const auto agent = head_.fields.find(KnownField::user_agent)) event.user_agent = *agent;
        if (const auto referrer = head_.fields.find(KnownField::referer)) event.referrer = *referrer;
        event.request_content_type = request_type_;
    }
    if (has_target_) {
        event.server_address = url_.authority.host;
        event.domain = url_.authority.host;
        event.url_port = url_.port;
        if (is_connect()) {
            event.url_full = host_key_;
        } else {
            event.url_scheme = url_.scheme;
            event.path = url_.path;
            event.query = url_.query;
            event.extension = extension_;
        }
        if (judgement_.policy().reads(policy::Field::url_registered_domain))
            event.registered_domain = policy::registered_domain(url_.authority.host);
    }
    if (const auto& inside = session_->inside(); inside && inside->tls) {
        event.tls_server_name = inside->tls->server_name;
        event.tls_ja4 = inside->tls->ja4;
        event.tls_ech = inside->tls->has_ech;
        event.tls_version = inside->tls->version;
        event.tls_cipher = inside->tls->cipher;
        event.tls_resumed = inside->tls->resumed;
        event.tls_server_issuer = inside->tls->server_issuer;
        if (!inside->tls->server_issuer.empty()) event.tls_server_verified = inside->tls->unverified.empty();
    } else if (has_hello_) {
        if (hello_.server_name) event.tls_server_name = *hello_.server_name;
        event.tls_ja4 = ja4_;
        event.tls_ech = hello_.encrypted_client_hello;
    }
    event.tls_client_issuer = session_->client_issuer();
    event.status = static_cast<std::uint16_t>(status_);
    event.request_body_bytes = upload_body_.bytes;
    event.response_body_bytes = download_body_.bytes;
    event.response_content_type = response_type_;
    // No payload ends without a verdict, and the log has it.
    if (Inspected* way = recorded_payload()) {
        way->record(event, is_cut_);
    } else if (!scan_reason_.empty() || response_started_) {
        event.scan_verdict = "skipped";
        event.scan_reason = scan_reason_.empty() ? "no-engine" : scan_reason_;
    }
    event.policy_ns = policy_ns_;
    event.upstream_ns = upstream_ns_;
    return event;
}

void Exchange::record(audit::Action action, audit::Stage stage) {
    const audit::Event event = describe(action, stage);
    service_->lane().write(event);

    audit::MetricsShard& metrics = service_->metrics();
    metrics.count(event);
    if (stage == audit::Stage::start) return;
    count_payloads();
    const policy::Effects& effects = judgement_.effects;
    for (std::size_t i = counted_tags_; i < effects.tags.size(); ++i) judgement_.count_rule(*effects.tags[i]);
    for (std::size_t i = counted_shadows_; i < effects.shadows.size(); ++i) judgement_.count_rule(*effects.shadows[i]);
    metrics.add(audit::Counter::bytes_client_received, event.client_bytes);
    metrics.add(audit::Counter::bytes_server_received, event.server_bytes);
    metrics.add(audit::Counter::bytes_client_sent, client_sent_);
    metrics.add(audit::Counter::bytes_server_sent, server_sent_);
}

}  // namespace sluice::http
