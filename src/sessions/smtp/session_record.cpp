// SPDX-License-Identifier: Apache-2.0
// The event of a message, or of a session that was refused: what happened, written once.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sessions/smtp/service.h"
#include "sessions/smtp/session.h"

namespace sluice::smtp {

void Session::begin_record() {
    start_ns_ = steady_ns();
    id_ = service_.next_id(service_.unix_ns(start_ns_));
    upstream_ns_ = 0;
    client_received_before_ = client_ ? client_->received() : 0;
    server_received_before_ = upstream_ ? upstream_->received() : 0;
    reply_ = 0;
    action_ = audit::Action::allowed;
    error_type_ = {};
    reason_.clear();
    rule_ = {};
    mail_event_ = {};
    recipients_.clear();
    recipient_names_.clear();
    refusal_.reset();
    denied_.reset();
    has_content_ = is_by_chunks_ = false;
    has_mail_ = is_whole_ = false;
    content_.reset();
    begin_judging();
}

std::string Session::with_id(std::string_view text) const { return fmt::format("{} ({})", text, id_.view()); }

void Session::note(const sessions::Denial& denial) {
    action_ = sessions::action_of(denial);
    if (!denial.name.empty()) rule_ = denial.name;
    reason_ = sessions::reason_of(denial);
}

void Session::note_error(const Error& error) {
    const bool has_left = error.side == Side::client && (error.code == Errc::closed || error.code == Errc::reset);
    action_ = has_left || error.code == Errc::cancelled ? audit::Action::aborted : audit::Action::failed;
    reason_ = error.what;
    if (error.code == Errc::tls_failed) error_type_ = "tls_protocol_error";
    else if (error.code == Errc::refused) error_type_ = "connection_refused";
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
    event.protocol = "smtp";
    event.listener = listener_name_;
    event.client = has_forwarded_ && forwarded_.address ? IpPort{*forwarded_.address, forwarded_.port} : peer_;
    event.client_country = settings().country_of(event.client.address);
    event.client_bytes = client_ ? client_->received() - std::min(client_->received(), client_received_before_) : 0;
    if (server_ != nullptr) event.server_address = server_->path.empty() ? server_->host.host : server_->path;
    if (server_address_) {
        event.server = server_address_;
        event.server_country = settings().country_of(server_address_->address);
        event.server_bytes = upstream_ ? upstream_->received() - std::min(upstream_->received(), server_received_before_) : 0;
    }
    event.user_name = !identity_.empty()           ? std::string_view(identity_)
                      : is_authenticated_upstream_ ? std::string_view(upstream_user_)
                                                   : std::string_view();
    if (client_tls_ != nullptr) {
        event.tls_version = client_tls_->version();
        event.tls_cipher = client_tls_->cipher();
        event.tls_resumed = client_tls_->is_resumed();
        event.tls_server_name = client_server_name_;
        event.tls_ja4 = client_ja4_;
    }
    if (upstream_ && upstream_->is_in_tls()) {
        event.tls_server_issuer = upstream_->issuer();
        event.tls_server_verified = upstream_->problem().empty();
    }
    shadows_.clear();
    for (const policy::Rule* rule : judgement_.effects.shadows) shadows_.push_back(rule->name);
    event.shadow_rules = shadows_;
    event.tags = judgement_.facts.tags();
    mail_event_.helo = helo_;
    recipient_names_.clear();
    for (const Path& path : recipients_) recipient_names_.push_back(path.address);
    mail_event_.recipients = recipient_names_;
    mail_event_.reply = static_cast<std::uint16_t>(reply_);
    event.mail = &mail_event_;
    if (has_mail_) mail_->record(event, mail_event_, refusal_.has_value() || !is_whole_);
    if (upstream_) upstream_ns_ += upstream_->take_waited_ns();
    event.upstream_ns = upstream_ns_;
    return event;
}

void Session::record() {
    if (action_ == audit::Action::quarantined && has_mail_ && !is_whole_) {
        action_ = audit::Action::blocked;
        reason_ += reason_.empty() ? "it did not come to its end, so that no copy was kept"
                                   : "; it did not come to its end, so that no copy was kept";
    }
    const audit::Event event = describe();
    service_.lane().write(event);
    audit::MetricsShard& metrics = service_.metrics();
    metrics.count(event);
    if (has_mail_) {
        mail_->count(metrics, refusal_.has_value());
        mail_->clear();
    }
    judgement_.count_rules(judgement_.effects);
    metrics.add(audit::Counter::bytes_client_received, event.client_bytes);
    metrics.add(audit::Counter::bytes_server_received, event.server_bytes);
    is_in_transaction_ = has_mail_ = false;
}

// The message goes on without him; so who he was, and why not, is an event of its own.
Session::Then Session::refuse_recipient(const Path& path, const sessions::Denial* denial) {
    has_refused_ = true;
    const EventId message = std::exchange(id_, service_.next_id(service_.unix_ns(steady_ns())));
    const auto action = std::exchange(action_, audit::Action::blocked);
    const auto rule = std::exchange(rule_, {});
    const std::string reason = std::exchange(reason_, "relaying is denied");
    std::vector<Path> taken = std::exchange(recipients_, {path});
    if (denial) note(*denial);
    const Refusal refusal = denial ? refusal_of(*denial) : Refusal{550, with_id("5.7.1 Relaying denied.")};
    // Who tries names for a relay has them all refused one day.
    const Then then = denial ? answer(refusal.code, refusal.text) : answer_bad(refusal.code, refusal.text);
    audit::Event event = describe();
    event.client_bytes = event.server_bytes = 0;  // those are the message's
    service_.lane().write(event);
    service_.metrics().count(event);
    id_ = message;
    action_ = action;
    rule_ = rule;
    reason_ = reason;
    recipients_ = std::move(taken);
    return then;
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

}  // namespace sluice::smtp
