// SPDX-License-Identifier: Apache-2.0
// What the rules see, phase by phase, and what a denial is called in SMTP's words.
#include <fmt/format.h>

#include <utility>

#include "sessions/smtp/service.h"
#include "sessions/smtp/session.h"

namespace sluice::smtp {

using policy::Action;
using policy::Field;
using policy::Phase;

// A new transaction: with what was said of the session before.
void Session::begin_judging() {
    judgement_.begin(settings(), generation_->rules);
    judgement_.set_client(peer_, listener_name_, "smtp", service_.unix_ns(start_ns_));
    judgement_.effects.header_edits = kept_.effects.header_edits;
    judgement_.effects.inspections = kept_.effects.inspections;
    judgement_.effects.tags = kept_.effects.tags;
    judgement_.effects.tokens = kept_.effects.tokens;
    for (const std::string_view tag : kept_.tags) judgement_.facts.add_tag(tag);
    judgement_.trusted = kept_.trusted;
    judgement_.allowed = kept_.allowed;
    judgement_.rule = kept_.rule;
    policy::Facts& facts = judgement_.facts;
    if (client_tls_ != nullptr) {
        facts.set(Field::tls_version, client_tls_->version());
        facts.set(Field::tls_cipher, client_tls_->cipher());
        facts.set(Field::tls_resumed, client_tls_->is_resumed());
        facts.set(Field::tls_client_ja4, std::string_view(client_ja4_));
        if (!client_server_name_.empty()) facts.set(Field::tls_server_name, std::string_view(client_server_name_));
    }
    if (!helo_.empty()) facts.set(Field::smtp_helo, std::string_view(helo_));
    judgement_.identity = identity_;
    if (!identity_.empty()) facts.set(Field::user_name, std::string_view(identity_));
    else if (is_authenticated_upstream_ && !upstream_user_.empty()) facts.set(Field::user_name, std::string_view(upstream_user_));
    if (server_ != nullptr && has_upstream()) {
        facts.set(Field::server_address, std::string_view(server_->path.empty() ? server_->host.host : server_->path));
        if (server_->path.empty()) facts.set(Field::server_port, server_->port);
    }
    if (server_address_ && has_upstream()) judgement_.set_server(server_address_->address);
    if (has_upstream() && upstream_->is_in_tls()) {
        facts.set(Field::tls_server_issuer, std::string_view(server_issuer_));
        facts.set(Field::tls_server_verified, upstream_->problem().empty());
    }
}

Session::Kept Session::effects_so_far() const {
    const auto tags = judgement_.facts.tags();
    return {judgement_.effects, {tags.begin(), tags.end()}, judgement_.trusted, judgement_.allowed, judgement_.rule};
}

Session::Denied Session::judge_accept() {
    kept_ = {};
    begin_judging();
    Denied denied = judgement_.judge(Phase::connect);
    kept_ = at_accept_ = at_hello_ = effects_so_far();
    return denied;
}

// `connect` once more, now that the client has said its name; and `tls`. Who has to say who he is may do so until MAIL.
Session::Denied Session::judge_hello() {
    kept_ = at_accept_;
    kept_.effects.tokens = at_hello_.effects.tokens;  // a name that is said again, behind STARTTLS, costs once
    must_authenticate_ = false;
    begin_judging();
    Denied denied = judgement_.judge(Phase::connect);
    if (!denied && client_tls_ != nullptr) denied = judgement_.judge(Phase::tls);
    if (denied && denied->action == Action::authenticate && identity_.empty()) {
        must_authenticate_ = true;
        denied.reset();
    }
    kept_ = at_hello_ = effects_so_far();
    return denied;
}

// The rules of `dial` have spoken before of the upstream that is there; others than those of now, maybe.
void Session::judge_upstream() {
    if (!has_upstream() || !server_address_ || !server_->path.empty()) return;
    judgement_.begin_dial();
    if (const auto candidate = judgement_.may_dial(peer_.address, *server_address_)) {
        judgement_.take(*candidate);
        kept_ = effects_so_far();
    } else {
        leave_upstream();
    }
}

// At MAIL: the sender alone. `[policy] default` waits for the recipients.
Session::Denied Session::judge_sender() {
    if (must_authenticate_) {
        if (identity_.empty()) return sessions::Denial{.action = Action::authenticate, .name = {}, .reason = {}};
        if (Denied denied = judge_hello()) {
            must_authenticate_ = true;  // whoever he is now, he may not
            return denied;
        }
        judge_upstream();
        begin_judging();
    }
    recipient_tags_.clear();
    sender_tags_ = judgement_.facts.tags().size();
    if (judgement_.trusted) return std::nullopt;
    judgement_.facts.set(Field::smtp_mail_from, std::string_view(sender_.address));
    const bool was_allowed = std::exchange(judgement_.allowed, true);
    Denied denied = judgement_.judge(Phase::request);
    judgement_.allowed = was_allowed;  // rules that allow the sender stand in their places for each recipient again
    sender_tags_ = judgement_.facts.tags().size();
    return denied;
}

// `allow` and `trust` are of this recipient alone. What else is said of him counts for the message once he is taken: until then it is in `judged_`.
Session::Denied Session::judge_recipient(const Path& path) {
    judged_ = {};
    judged_.trusted = judgement_.trusted;
    if (judgement_.trusted) return std::nullopt;
    before_recipient_ = effects_so_far();
    judgement_.facts.set(Field::smtp_rcpt_to, std::string_view(path.address));
    Denied denied = judgement_.judge(Phase::request);
    judgement_.facts.clear(Field::smtp_rcpt_to);
    judged_ = effects_so_far();
    judgement_.trusted = before_recipient_.trusted;
    judgement_.allowed = before_recipient_.allowed;
    judgement_.facts.keep_tags(sender_tags_);
    if (denied) forget_recipient();
    return denied;
}

// He is refused, by us or by the upstream: nothing that was said of him stays.
void Session::forget_recipient() {
    if (judgement_.trusted) return;
    judgement_.effects = before_recipient_.effects;
    judgement_.rule = before_recipient_.rule;
}

void Session::take_recipient(const Path& path) {
    recipients_.push_back(path);
    if (judged_.trusted) ++trusted_recipients_;
    if (judged_.tags.size() > sender_tags_)
        recipient_tags_.insert(recipient_tags_.end(), judged_.tags.begin() + static_cast<std::ptrdiff_t>(sender_tags_), judged_.tags.end());
}

Session::Denied Session::judge_reply(int code) {
    if (judgement_.trusted || !judgement_.has_rules(Phase::response)) return std::nullopt;
    judgement_.facts.set(Field::smtp_reply, code);
    return judgement_.judge(Phase::response);
}

// A reload came: what was said of the session is said anew, or no message goes on.
Session::Denied Session::judge_again() {
    kept_ = at_accept_ = {};  // the old rules are gone
    at_hello_ = {};
    begin_judging();
    if (!is_served()) return sessions::Denial{.name = {}, .reason = "the client's address is not in http.clients"};
    const std::string name = std::exchange(helo_, {});
    Denied denied = judge_accept();
    helo_ = name;
    if (denied) return denied;
    return judge_hello();
}

Session::Refusal Session::refusal_of(const sessions::Denial& denial) const {
    if (denial.action == Action::limit) return {450, with_id("4.7.1 Too much at once: please try again later.")};
    if (denial.action == Action::authenticate) {
        if (identity_.empty()) return {530, with_id("5.7.0 Say AUTH first.")};
        return {550, with_id("5.7.1 This user may not.")};
    }
    // What a scanner could not say it may say next time.
    if (denial.name == "unscanned" && has_mail_ && mail_->has_scanner_failed())
        return {451, with_id("4.7.1 The message could not be inspected: please try again later.")};
    if (!denial.reason.empty()) return {550, with_id(fmt::format("5.7.1 {}", denial.reason))};
    return {550, with_id(fmt::format("5.7.1 Blocked by rule {}.", denial.name.empty() ? std::string_view("policy.default") : denial.name))};
}

// Of an envelope's command: the transaction is over.
net::Task<Session::Then> Session::deny(const sessions::Denial& denial) {
    note(denial);
    const Refusal refusal = refusal_of(denial);
    if (denial.action == Action::reset) {
        client_->stream().abort();
        record();
        is_in_transaction_ = false;
        co_return Then::end;
    }
    const Then then = answer(refusal.code, refusal.text);
    if (is_in_transaction_) co_await end_transaction();
    else record();
    has_forwarded_ = false;
    forwarded_ = {};
    co_return then;
}

}  // namespace sluice::smtp
