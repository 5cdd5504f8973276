// SPDX-License-Identifier: Apache-2.0
// The event of a command, of a transfer, or of a session that was refused: what happened, written once.
#include "policy/registered_domain.h"
#include "protocols/ftp/path.h"
#include "sessions/ftp/service.h"
#include "sessions/ftp/session.h"

namespace sluice::ftp {

void Session::begin_record(const Command& command) {
    start_ns_ = steady_ns();
    id_ = service_.next_id(service_.unix_ns(start_ns_));
    upstream_ns_ = 0;
    data_from_client_ = data_from_server_ = moved_ = 0;
    verb_ = command.verb;
    argument_ = command.verb == "PASS" || command.verb == "ACCT" ? std::string() : command.argument;
    path_.clear();
    extension_.clear();
    reply_ = 0;
    action_ = audit::Action::allowed;
    error_type_ = {};
    reason_.clear();
    rule_ = {};
    sample_problem_.clear();
    is_cut_ = false;
    inspected_ = nullptr;
    begin_judging();
}

void Session::note(const sessions::Denial& denial) {
    action_ = sessions::action_of(denial);
    if (!denial.name.empty()) rule_ = denial.name;
    reason_ = sessions::reason_of(denial);
    if (!sample_problem_.empty()) reason_ += (reason_.empty() ? "" : "; ") + sample_problem_;
    if (denial.name == "protect-host") error_type_ = "destination_ip_prohibited";
}

void Session::note_error(const Error& error) {
    const bool has_left = error.side == Side::client && (error.code == Errc::closed || error.code == Errc::reset);
    action_ = has_left || error.code == Errc::cancelled ? audit::Action::aborted : audit::Action::failed;
    reason_ = error.what;
    if (error.code == Errc::tls_failed)
        error_type_ = error.side == Side::server && server_ && !server_->problem().empty() ? "tls_certificate_error" : "tls_protocol_error";
    else if (error.side == Side::server) error_type_ = error.code == Errc::timed_out ? "connection_read_timeout" : "connection_terminated";
}

audit::Event Session::describe() {
    const std::int64_t now = steady_ns();
    audit::Event event;
    event.id = id_;
    event.start_ns = service_.unix_ns(start_ns_);
    event.end_ns = service_.unix_ns(now);
    event.action = action_;
    event.reason = reason_;
    event.rule_name = rule_.empty() ? judgement_.rule : rule_;
    event.error_type = error_type_;
    event.protocol = "ftp";
    event.listener = listener_name_;
    event.client = peer_;
    event.client_country = settings().country_of(event.client.address);
    event.client_bytes = data_from_client_ + (client_ ? client_->traffic().received - client_before_.received : 0);
    if (server_address_) {
        event.server = server_address_;
        event.server_country = settings().country_of(server_address_->address);
        event.server_bytes = data_from_server_ + (server_ ? server_->traffic().received - server_before_.received : 0);
    }
    if (client_tls_ != nullptr) {
        event.tls_version = client_tls_->version();
        event.tls_cipher = client_tls_->cipher();
        event.tls_resumed = client_tls_->is_resumed();
        event.tls_server_name = client_server_name_;
        event.tls_ja4 = client_ja4_;
    }
    if (server_ && server_->is_in_tls()) {
        event.tls_server_issuer = server_->issuer();
        event.tls_server_verified = server_->problem().empty();
    }
    shadows_.clear();
    for (const policy::Rule* rule : judgement_.effects.shadows) shadows_.push_back(rule->name);
    event.shadow_rules = shadows_;
    event.tags = judgement_.facts.tags();
    event.ftp_command = verb_;
    event.ftp_argument = argument_;
    event.ftp_reply = static_cast<std::uint16_t>(reply_);
    if (login_) {
        event.user_name = identity_.empty() ? login_->user : identity_;
        event.server_address = login_->server.host;
        event.domain = login_->server.host;
        event.registered_domain =
            judgement_.policy().reads(policy::Field::url_registered_domain) ? policy::registered_domain(event.domain) : std::string_view();
        event.url_port = login_->port;
        event.url_scheme = "ftp";
        event.path = path_;
        event.extension = extension_;
    }
    // No payload ends without a verdict, and the log has it.
    if (inspected_ != nullptr && inspected_->is_on) {
        inspected_->record(event, is_cut_);
    } else if (moved_ > 0 && inspected_ != nullptr) {
        event.scan_verdict = "skipped";
        event.scan_reason = "no-engine";
    }
    if (server_) upstream_ns_ += server_->take_waited_ns();
    event.upstream_ns = upstream_ns_;
    return event;
}

void Session::record() {
    const audit::Event event = describe();
    service_.lane().write(event);
    audit::MetricsShard& metrics = service_.metrics();
    metrics.count(event);
    if (inspected_ != nullptr && inspected_->is_on) inspected_->count(metrics, is_cut_);
    judgement_.count_rules(judgement_.effects);
    metrics.add(audit::Counter::bytes_client_received, event.client_bytes);
    metrics.add(audit::Counter::bytes_server_received, event.server_bytes);
    const bool is_upload = inspected_ == &upload_;
    const std::uint64_t to_client = client_ ? client_->traffic().sent - client_before_.sent : 0;
    const std::uint64_t to_server = server_ ? server_->traffic().sent - server_before_.sent : 0;
    metrics.add(audit::Counter::bytes_client_sent, to_client + (is_upload ? 0 : moved_));
    metrics.add(audit::Counter::bytes_server_sent, to_server + (is_upload ? moved_ : 0));
}

// A connection that ends before it has a session.
void Session::record_refused(std::string_view error, std::string_view reason) {
    action_ = audit::Action::refused;
    error_type_ = error;
    reason_ = reason;
    const audit::Event event = describe();
    service_.lane().write(event);
    service_.metrics().count(event);
}

}  // namespace sluice::ftp
