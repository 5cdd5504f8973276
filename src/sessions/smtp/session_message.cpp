// SPDX-License-Identifier: Apache-2.0
// A message between its client and the upstream: it goes on while it is looked at, or waits; and its end goes on only once it is known that it may.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "audit/event_json.h"
#include "base/text.h"
#include "sessions/smtp/service.h"
#include "sessions/smtp/session.h"

namespace sluice::smtp {

namespace {

constexpr std::string_view tags_field = "X-Sluice-Tags";

// RFC 5322 3.3.
std::string mail_date(std::int64_t unix_ns) {
    const std::time_t seconds = unix_ns / 1'000'000'000;
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    static constexpr const char* days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    return fmt::format("{}, {} {} {} {:02}:{:02}:{:02} +0000", days[parts.tm_wday], parts.tm_mday, months[parts.tm_mon],
                       parts.tm_year + 1900, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

// Text that cannot end a header field's line.
std::string one_line(std::string_view text) {
    std::string out(text);
    std::ranges::replace_if(out, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
    return out;
}

// The name of the field that a line begins; empty: it goes on from the line before, or is none.
std::string_view field_name(std::string_view line) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || line.starts_with(' ') || line.starts_with('\t')) return {};
    return trim(line.substr(0, colon));
}

}  // namespace

void Session::refuse(int code, std::string text) {
    if (!refusal_) refusal_ = Refusal{code, std::move(text)};
}

void Session::refuse_content() {
    if (content_->fault() == ContentFault::nul) refuse(554, with_id("5.6.0 A message has no NUL."));
    else refuse(550, with_id("5.5.2 CR and LF come only together."));
}

void Session::refuse(const Error& error) {
    note_error(error);
    if (error.side == Side::server) refuse(451, with_id("4.4.2 The mail server has broken the session."));
    else refuse(451, with_id("4.3.0 This gateway failed: please try again later."));
}

// The next octets of the content. Whatever is wrong is kept for the end: until there the client has to be heard out.
net::Task<void> Session::pass(const Views& content) {
    if (!refusal_) {
        if (content_->fault() != ContentFault::none) refuse_content();
        else if (mail_->size() + net::total_size(content) > largest_message())
            refuse(552, with_id(fmt::format("5.3.4 A message may have {} octets.", largest_message())));
        if (refusal_) {
            action_ = audit::Action::refused;
            reason_ = refusal_->text;
            co_await stop_forwarding();
        }
    }
    if (refusal_) {
        if (!wants_copy()) co_return;
        // What is kept is the message, or it is refused for what it is.
        const bool is_bad = content_->fault() != ContentFault::none || mail_->size() + net::total_size(content) > largest_message();
        if (!is_bad) co_return co_await mail_->swallow(content);
        denied_.reset();
        refusal_.reset();
        action_ = audit::Action::refused;
        rule_ = {};
        if (content_->fault() != ContentFault::none) refuse_content();
        else refuse(552, with_id(fmt::format("5.3.4 A message may have {} octets.", largest_message())));
        reason_ = refusal_->text;
        co_return;
    }
    auto taken = co_await mail_->take(content);
    if (!taken) {
        refuse(taken.error());
    } else if ((denied_ = *taken)) {
        note(*denied_);
        const Refusal refusal = refusal_of(*denied_);
        refuse(refusal.code, refusal.text);
    } else if (!mail_->is_held()) {
        if (const auto forwarded = co_await forward(); !forwarded) refuse(forwarded.error());
    }
    if (refusal_) co_await stop_forwarding();
}

// Nothing of it may be delivered.
net::Task<void> Session::stop_forwarding() {
    if (!upstream_) co_return;
    if (upstream_->is_in_message()) co_await upstream_->abort_message();
    if (upstream_->is_broken()) leave_upstream();
}

std::string Session::received_field() const {
    const std::string address = peer_.address.is_v4() ? peer_.address.to_string() : "IPv6:" + peer_.address.to_string();
    const std::string_view with = client_tls_          ? (is_authenticated() ? "ESMTPSA" : "ESMTPS")
                                  : is_authenticated() ? "ESMTPA"
                                  : is_extended_       ? "ESMTP"
                                                       : "SMTP";
    const std::string whom = recipients_.size() == 1 ? fmt::format("\r\n\tfor <{}>", one_line(recipients_.front().sent)) : std::string();
    return fmt::format("Received: from {} ([{}])\r\n\tby {} with {} id {}{};\r\n\t{}\r\n", one_line(helo_), address, settings().hostname,
                       with, id_.view(), whom, mail_date(service_.unix_ns(start_ns_)));
}

// What comes before a head that is not changed.
std::string Session::added_head() {
    std::string out;
    if (settings().adds_received) out += received_field();
    std::vector<std::string_view> tags;
    for (const policy::Rule* rule : judgement_.effects.tags)
        for (const std::string& tag : rule->tags)
            if (rule->tags_as_header && std::ranges::find(tags, tag) == tags.end()) tags.push_back(tag);
    if (!tags.empty()) out += fmt::format("{}: {}\r\n", tags_field, one_line(fmt::format("{}", fmt::join(tags, ", "))));
    for (const policy::Rule* rule : judgement_.effects.header_edits)
        if (rule->action == policy::Action::set_request_header || rule->action == policy::Action::set_response_header)
            out.append(rule->edit.name).append(": ").append(one_line(rule->edit.value)).append("\r\n");
    return out;
}

// The header section without the fields that rules remove or set anew, and without tags that somebody else put there.
std::string Session::edited_head() {
    const auto is_removed = [this](std::string_view name) {
        if (equals_ignoring_case(name, tags_field)) return true;
        return std::ranges::any_of(judgement_.effects.header_edits,
                                   [&](const policy::Rule* rule) { return equals_ignoring_case(rule->edit.name, name); });
    };
    std::string out;
    bool is_out = false;
    for (std::string_view in = mail_->header_section(); !in.empty();) {
        const std::size_t end = in.find('\n');
        const std::string_view line = in.substr(0, end == std::string_view::npos ? in.size() : end + 1);
        in.remove_prefix(line.size());
        const bool goes_on = line.starts_with(' ') || line.starts_with('\t');
        if (!goes_on) is_out = is_removed(field_name(line));
        if (!is_out) out += line;
    }
    return out;
}

// What the message let go: behind our own fields, and where rules changed its head, that instead of its own.
Session::Outcome<void> Session::forward() {
    if (!has_upstream()) co_return fail(Errc::closed, Side::server, "closed");
    if (mail_->released.empty() && (is_head_sent_ || !is_whole_))
        co_return Result<void>{};  // a message without a single octet has our fields
    views_.clear();
    // It may have waited for its head.
    if (!upstream_->is_in_message()) {
        if (const auto refused = CO_TRY(co_await upstream_->begin_message())) {
            action_ = audit::Action::failed;
            reason_ = fmt::format("the server says {} to DATA", refused->code);
            refuse(refused->code == 421 ? 451 : refused->code, std::string(refused->text()));
            co_return Result<void>{};
        }
    }
    if (!is_head_sent_) {
        is_head_sent_ = true;
        head_ = added_head();
        const bool may_edit = mail_->is_held() || !judgement_.effects.header_edits.empty();
        if (may_edit) {
            std::string kept = edited_head();
            // What is not changed stays as it was signed, octet for octet.
            if (kept.size() != mail_->header_section().size()) {
                head_ += kept;
                skip_ = mail_->header_section().size();
            }
        }
        const auto first = std::ranges::find_if(mail_->released, [](std::string_view piece) { return !piece.empty(); });
        const bool goes_on = first != mail_->released.end() && (first->starts_with(' ') || first->starts_with('\t'));
        if (goes_on && !head_.empty()) {
            action_ = audit::Action::refused;
            reason_ = "the message begins with a line that would go on our field's";
            refuse(554, with_id("5.6.0 A message does not begin with a blank."));
            co_return Result<void>{};
        }
        if (!head_.empty()) views_.push_back(head_);
    }
    for (std::string_view piece : mail_->released) {
        const std::size_t left_out = std::min(skip_, piece.size());
        skip_ -= left_out;
        piece.remove_prefix(left_out);
        if (!piece.empty()) views_.push_back(piece);
    }
    co_return co_await upstream_->put(views_);
}

// All of it has come.
net::Task<Session::Then> Session::finish_content() {
    has_content_ = false;
    is_whole_ = true;
    if (!refusal_) co_await pass({});  // a fault of its last octets
    if (!refusal_) {
        if (mail_->is_held() && has_upstream())
            if (const auto alive = co_await upstream_->keep_alive(); !alive) refuse(alive.error());
        const std::array<sessions::Inspected::Number, 2> traffic{
            {{policy::Field::client_bytes, client_->received() - std::min(client_->received(), client_received_before_)},
             {policy::Field::server_bytes,
              upstream_ ? upstream_->received() - std::min(upstream_->received(), server_received_before_) : 0}}};
        auto ended = co_await mail_->end(traffic);
        if (!ended) {
            refuse(ended.error());
        } else if ((denied_ = *ended)) {
            const Refusal refusal = refusal_of(*denied_);
            refuse(refusal.code, refusal.text);
        } else if (mail_->is_held() && !mail_->is_header_section_whole()) {
            action_ = audit::Action::refused;
            reason_ = "a header section that is too long to be edited";
            refuse(554, with_id("5.6.0 The message's header section is too long."));
        } else if (mail_->head().received >= limits().smtp_received) {
            action_ = audit::Action::refused;
            reason_ = "too many Received fields: the message goes in circles";
            refuse(554, with_id("5.4.6 Too many hops: this message goes in circles."));
        }
    }
    if (content_ && content_->fault() == ContentFault::nul && !denied_) {  // whatever was wrong before it
        refusal_.reset();
        refuse_content();
        reason_ = refusal_->text;
    }
    if (refusal_) co_return co_await finish_refused();
    const auto reply = co_await deliver();
    if (!reply) {
        // It may have the message or not (RFC 1047): the client comes again, and never hears that it was lost.
        note_error(reply.error());
        refuse(451, with_id(reply.error().side == Side::client
                                ? "4.4.2 You were gone before the message was handed on."
                                : "4.3.0 The mail server was lost before it said that it has the message: please try again later."));
        co_return co_await finish_refused();
    }
    if (refusal_) co_return co_await finish_refused();
    // It is too late to take it back: what the client hears is what has become of it.
    if (const Denied denied = judge_reply(reply->code); denied && reply->is_success())
        reason_ = fmt::format("{} came too late: the server has the message", denied->name);
    if (!reply->is_success()) {
        action_ = audit::Action::failed;
        reason_ = fmt::format("the server says {}", reply->code);
        // Where it has refused DATA, its transaction is open still.
        if (has_upstream())
            if (const auto done = co_await upstream_->ask("RSET", limits().smtp_command); !done) leave_upstream();
    }
    answer(*reply);
    record();
    is_in_transaction_ = false;
    co_await end_transaction();
    co_return Then::next;
}

// The upstream's last word on it.
Session::Outcome<Reply> Session::deliver() {
    if (!has_upstream()) co_return fail(Errc::closed, Side::server, "closed");
    if (!upstream_->is_in_message())
        if (auto begun = CO_TRY(co_await upstream_->begin_message())) co_return std::move(*begun);
    do {
        CO_TRY(co_await forward());
        if (refusal_) co_return Reply{};
    } while (CO_TRY(co_await mail_->read_on()));
    // Who went away while we scanned sends it again, so it must not be there already.
    if (client_->unread().empty())
        if (const auto there = client_->fill_now(); !there) co_return std::unexpected(there.error());
    co_return co_await upstream_->end_message();
}

net::Task<std::string_view> Session::keep_sample() {
    audit::Event event = describe();
    std::string json;
    audit::write_json(event, *settings().redaction, json);
    co_return co_await mail_->whole().keep_sample(worker_, service_.inspection(), id_, json);
}

net::Task<Session::Then> Session::finish_refused() {
    co_await stop_forwarding();
    if (denied_) note(*denied_);
    if (denied_ && denied_->action == policy::Action::reset) {
        client_->stream().abort();
        record();
        is_in_transaction_ = false;
        co_return Then::end;
    }
    if (wants_copy()) {
        const std::string_view problem = !mail_->whole().is_on   ? std::string_view("it was not inspected")
                                         : mail_->is_copy_lost() ? std::string_view("there was no room for it")
                                                                 : co_await keep_sample();
        if (!problem.empty()) reason_ += fmt::format("{}{}", reason_.empty() ? "" : "; ", problem);
        if (denied_->rule != nullptr && denied_->rule->accept) {
            // Acknowledged once it is on disk, and only then.
            if (problem.empty()) refusal_ = Refusal{250, with_id("2.0.0 The message was taken.")};
            else refusal_ = Refusal{451, with_id("4.3.0 This gateway cannot keep the message now: please try again later.")};
        }
    }
    answer(refusal_->code, refusal_->text);
    co_await end_transaction();
    co_return Then::next;
}

}  // namespace sluice::smtp
