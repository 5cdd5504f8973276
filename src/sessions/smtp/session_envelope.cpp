// SPDX-License-Identifier: Apache-2.0
// MAIL and RCPT: who writes to whom. Each recipient is judged by itself, and the upstream says what it thinks of him.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/text.h"
#include "sessions/smtp/service.h"
#include "sessions/smtp/session.h"

namespace sluice::smtp {

namespace {

constexpr std::string_view not_offered = "5.5.4 This parameter is not offered.";

}  // namespace

// Those of extensions that are offered; each that the upstream has goes on to it.
std::optional<Session::Refusal> Session::take_mail_parameters(const EnvelopeCommand& mail, std::vector<Parameter>& onward) {
    const Extensions& theirs = upstream_->extensions();
    is_binary_ = false;
    // Another upstream than the one of EHLO may have less: then it is not the client who is wrong.
    const auto missing = [](bool was_offered) {
        return was_offered ? Refusal{451, "4.4.2 The mail server that offered this is gone: please say EHLO again."}
                           : Refusal{555, std::string(not_offered)};
    };
    for (const Parameter& parameter : mail.parameters) {
        const std::string value = upper(parameter.value.value_or(""));
        bool goes_on = false;
        if (parameter.keyword == "SIZE") {
            const bool is_number = !value.empty() && std::ranges::all_of(value, is_digit);
            if (!is_number) return Refusal{501, "5.5.4 SIZE is a number."};
            if (parse_size(value).value_or(std::numeric_limits<std::uint64_t>::max()) > largest_message())
                return Refusal{552, fmt::format("5.3.4 A message may have {} octets.", largest_message())};
            goes_on = theirs.size.has_value();
        } else if (parameter.keyword == "BODY") {
            is_binary_ = value == "BINARYMIME";
            if (value != "7BIT" && value != "8BITMIME" && !is_binary_) return Refusal{501, "5.5.4 BODY is 7BIT, 8BITMIME or BINARYMIME."};
            if (is_binary_ && !(theirs.binarymime && theirs.chunking)) return missing(offered_.binarymime && offered_.chunking);
            if (value == "8BITMIME" && !theirs.eightbitmime) return missing(offered_.eightbitmime);
            goes_on = theirs.eightbitmime || is_binary_;
        } else if (parameter.keyword == "SMTPUTF8") {
            if (!theirs.smtputf8 || parameter.value) return missing(offered_.smtputf8 && !parameter.value);
            goes_on = true;
        } else if (parameter.keyword == "RET" || parameter.keyword == "ENVID") {
            if (!theirs.dsn || !parameter.value) return missing(offered_.dsn && parameter.value);
            goes_on = true;
        } else if (parameter.keyword == "AUTH") {
            if (!parameter.value) return Refusal{501, "5.5.4 AUTH= is an address."};
            goes_on = !theirs.auth.empty() && is_authenticated_upstream_;  // RFC 4954 5: who is not believed says nothing
        } else {
            return Refusal{555, std::string(not_offered)};
        }
        if (goes_on) onward.push_back(parameter);
    }
    if (!mail.path.is_ascii && mail.find("SMTPUTF8") == nullptr) return Refusal{553, "5.6.7 Say SMTPUTF8 with such an address."};
    return std::nullopt;
}

std::optional<Session::Refusal> Session::take_recipient_parameters(const EnvelopeCommand& recipient, std::vector<Parameter>& onward) const {
    for (const Parameter& parameter : recipient.parameters) {
        const bool is_dsn = parameter.keyword == "NOTIFY" || parameter.keyword == "ORCPT";
        if (is_dsn && parameter.value && !upstream_->extensions().dsn && offered_.dsn)
            return Refusal{451, "4.4.2 The mail server that offered this is gone: please say EHLO again."};
        if (!is_dsn || !parameter.value || !upstream_->extensions().dsn) return Refusal{555, std::string(not_offered)};
        onward.push_back(parameter);
    }
    if (!recipient.path.is_ascii && !upstream_->extensions().smtputf8) return Refusal{553, "5.6.7 This server takes no such address."};
    return std::nullopt;
}

net::Task<Session::Then> Session::mail(const Command& command) {
    if (helo_.empty()) co_return answer_bad(503, "5.5.1 Say EHLO first.");
    if (is_in_transaction_) co_return answer_bad(503, "5.5.1 A message is under way already.");
    const auto parsed = parse_mail(command.argument);
    if (!parsed)
        co_return answer_bad(501, fmt::format("{} {}.", parsed.error().code == Errc::unsupported ? "5.5.4" : "5.1.7", parsed.error().what));
    begin_record();
    sender_ = parsed->path;
    mail_event_.mail_from = sender_.address;
    if (generation_ != service_.generation()) {
        const std::shared_ptr<const Generation> before = std::exchange(generation_, service_.generation());
        if (const Denied denied = judge_again()) {  // nothing more of this session is let in
            note(*denied);
            reply_ = 421;
            record();
            co_await say_goodbye(421, with_id("4.7.0 This session is not let go on."));
            co_return Then::end;
        }
        if (is_spoken_with_otherwise(*before->settings)) leave_upstream();
        judge_upstream();
    }
    if (!has_upstream() && !is_authenticated_upstream_) co_await reach_upstream();
    if (!has_upstream()) {
        action_ = audit::Action::failed;
        if (unreached_by_rule_) co_return co_await deny(*unreached_by_rule_);
        if (unreached_) note_error(*unreached_);
        if (is_authenticated_upstream_)
            co_return co_await refuse_transaction({421, with_id("4.3.2 The mail server has closed the session.")});
        const bool is_about_tls = unreached_ && unreached_->code == Errc::tls_failed;
        co_return co_await refuse_transaction(
            {451, with_id(is_about_tls ? "4.7.5 The mail server cannot be spoken with as securely as it must be."
                                       : "4.4.1 The mail server cannot be reached: please try again later.")});
    }
    std::vector<Parameter> onward;
    if (auto refusal = take_mail_parameters(*parsed, onward)) {
        action_ = audit::Action::refused;
        reason_ = refusal->text;
        co_return co_await refuse_transaction(std::move(*refusal));
    }
    begin_judging();
    if (const Denied denied = judge_sender()) co_return co_await deny(*denied);
    if (!has_upstream())
        co_return co_await refuse_transaction({451, with_id("4.4.1 The mail server cannot be reached: please try again later.")});
    server_received_before_ = upstream_->received();
    Result<Reply> reply = Reply{};
    if (const auto introduced = co_await upstream_->introduce(has_forwarded_ ? forwarded_ : attributes()); !introduced)
        reply = std::unexpected(introduced.error());
    else reply = co_await upstream_->ask("MAIL " + encode_mail(sender_, onward), limits().smtp_command);
    if (!reply) {
        note_error(reply.error());
        leave_upstream();
        co_return co_await refuse_transaction(
            {is_authenticated_upstream_ ? 421 : 451, with_id("4.4.2 The mail server has broken the session.")});
    }
    const Denied denied = judge_reply(reply->code);
    if (denied || !reply->is_success()) {
        action_ = audit::Action::failed;
        reason_ = fmt::format("the server says {}", reply->code);
        if (reply->is_success()) static_cast<void>(co_await upstream_->ask("RSET", limits().smtp_command));
        if (denied) co_return co_await deny(*denied);
        const Then then = answer(*reply);
        record();
        has_forwarded_ = false;
        forwarded_ = {};
        co_return then;
    }
    sender_tags_ = judgement_.facts.tags().size();
    is_in_transaction_ = true;
    recipients_.clear();
    recipient_names_.clear();
    trusted_recipients_ = 0;
    has_refused_ = false;
    co_return answer(*reply);
}

// A reload has changed how mail goes to its server, or where that is.
bool Session::is_spoken_with_otherwise(const Settings& before) const {
    const auto is_same = [](const UpstreamServer& one, const UpstreamServer& other) { return one.is_same_as(other); };
    return !std::ranges::equal(settings().upstreams, before.upstreams, is_same) || settings().upstream_tls != before.upstream_tls ||
           settings().upstream_client != before.upstream_client;
}

// An open relay is used within hours: who may not relay may reach our own domains alone, whatever the upstream would take from us.
bool Session::may_relay_to(const Path& recipient) const {
    if (is_authenticated_upstream_) return true;
    if (is_client_known_ &&
        std::ranges::any_of(settings().relay_clients, [&](const IpNetwork& network) { return network.contains(peer_.address); }))
        return true;
    if (recipient.may_be_routed) return false;
    if (recipient.address == "postmaster") return true;  // RFC 5321 4.5.1
    return std::ranges::find(settings().domains, recipient.domain()) != settings().domains.end();
}

net::Task<Session::Then> Session::recipient(const Command& command) {
    if (!is_in_transaction_) co_return answer_bad(503, "5.5.1 Say MAIL first.");
    if (is_by_chunks_) co_return answer_bad(503, "5.5.1 The message has begun.");
    const auto parsed = parse_recipient(command.argument);
    if (!parsed)
        co_return answer_bad(501, fmt::format("{} {}.", parsed.error().code == Errc::unsupported ? "5.5.4" : "5.1.3", parsed.error().what));
    if (recipients_.size() >= settings().max_recipients)
        co_return answer(452, "4.5.3 Too many recipients: send another message to the rest.");
    if (!has_upstream()) co_return answer(451, "4.4.2 The mail server has broken the session.");
    // One answer is all that a message gets, and a server of LMTP gives one a recipient (RFC 2033 4.2).
    if (upstream_->is_lmtp() && !recipients_.empty()) co_return answer(452, "4.5.3 One recipient a message: send another one to the rest.");
    if (!may_relay_to(parsed->path)) {
        service_.metrics().refused(audit::Refusal::policy);
        co_return refuse_recipient(parsed->path, nullptr);
    }
    std::vector<Parameter> onward;
    if (const auto refusal = take_recipient_parameters(*parsed, onward)) co_return answer_bad(refusal->code, refusal->text);
    if (const Denied denied = judge_recipient(parsed->path)) {
        const Then then = refuse_recipient(parsed->path, &*denied);
        if (denied->action != policy::Action::reset) co_return then;
        client_->stream().abort();
        co_return Then::end;
    }
    const auto reply = co_await upstream_->ask("RCPT " + encode_recipient(parsed->path, onward), limits().smtp_command);
    if (!reply || !reply->is_success()) forget_recipient();
    if (!reply) {
        note_error(reply.error());
        leave_upstream();
        co_return answer(451, with_id("4.4.2 The mail server has broken the session."));
    }
    judgement_.facts.set(policy::Field::smtp_rcpt_to, std::string_view(parsed->path.address));
    const Denied denied = judge_reply(reply->code);
    judgement_.facts.clear(policy::Field::smtp_rcpt_to);
    if (denied) co_return co_await deny(*denied);
    if (!reply->is_success()) {
        if (recipients_.empty()) {
            action_ = audit::Action::failed;
            reason_ = fmt::format("the server says {}", reply->code);
        }
        co_return answer(*reply);
    }
    action_ = audit::Action::allowed;  // whatever became of those before
    reason_.clear();
    rule_ = {};
    take_recipient(parsed->path);
    co_return answer(*reply);
}

net::Task<Session::Then> Session::reset(const Command& command) {
    if (!command.argument.empty()) co_return answer_bad(501, "5.5.4 RSET takes no argument.");
    co_await end_transaction();
    co_return answer(250, "2.0.0 OK");
}

// It does not come to a message.
net::Task<Session::Then> Session::refuse_transaction(Refusal refusal) {
    const Then then = answer(refusal.code, refusal.text);
    record();
    is_in_transaction_ = has_forwarded_ = false;
    forwarded_ = {};
    co_return then;
}

// Whatever is under way is forgotten, here and at the upstream.
net::Task<void> Session::end_transaction() {
    if (upstream_ && upstream_->is_in_message()) co_await upstream_->abort_message();
    if (is_in_transaction_) {
        const bool is_told = has_refused_ && recipients_.empty() && action_ == audit::Action::allowed;
        if (action_ == audit::Action::allowed) {
            action_ = audit::Action::aborted;
            reason_ = "the client took the message back";
        }
        if (!is_told) record();
        if (has_upstream()) {
            const auto done = co_await upstream_->ask("RSET", limits().smtp_command);
            if (!done || !done->is_success()) leave_upstream();
        }
    }
    if (upstream_ && upstream_->is_broken()) leave_upstream();
    is_in_transaction_ = is_by_chunks_ = has_content_ = has_forwarded_ = false;
    forwarded_ = {};
    recipients_.clear();
}

}  // namespace sluice::smtp
