// SPDX-License-Identifier: Apache-2.0
// DATA and BDAT (RFC 3030): how a message's octets come, up to its true end, whatever is the matter with it.
#include <fmt/format.h>

#include <algorithm>

#include "sessions/smtp/service.h"
#include "sessions/smtp/session.h"

namespace sluice::smtp {

bool Session::normalises() const {
    return settings().bare_newline == BareNewline::normalize &&
           std::ranges::any_of(settings().bare_newline_clients, [&](const IpNetwork& network) { return network.contains(peer_.address); });
}

// A reply: the upstream does not want it.
Session::Outcome<std::optional<Reply>> Session::begin_content(ContentReader::Source source) {
    const bool is_binary = source == ContentReader::Source::bdat && is_binary_;
    content_.emplace(source, normalises(), is_binary);
    refusal_.reset();
    denied_.reset();
    is_head_sent_ = false;
    skip_ = 0;
    // A rule may add to the head of what it has not seen yet.
    const bool is_held = judgement_.policy().may_add_header(policy::Protocol::smtp);
    if (!mail_) mail_.emplace(worker_, service_.bench(), service_.inspection(), judgement_);
    recipient_names_.clear();
    for (const Path& path : recipients_) recipient_names_.push_back(path.address);
    judgement_.facts.set_many(policy::Field::smtp_rcpt_to, recipient_names_);
    judgement_.trusted = kept_.trusted || (trusted_recipients_ > 0 && trusted_recipients_ == recipients_.size());
    for (const std::string_view tag : recipient_tags_) judgement_.facts.add_tag(tag);
    mail_->begin(generation_->settings, is_held);
    has_content_ = has_mail_ = true;
    // What waits begins upstream when it goes on: until then the server can be kept alive.
    if (is_held || settings().deliver == policy::Deliver::hold || judgement_.policy().may_hold(policy::Protocol::smtp))
        co_return std::nullopt;
    co_return co_await upstream_->begin_message();
}

net::Task<Session::Then> Session::data(const Command& command) {
    // A client that sends its message without waiting is answered once, so that none of it is taken for commands.
    if (has_spoken_early()) co_return co_await end_out_of_step();
    if (!command.argument.empty()) co_return answer_bad(501, "5.5.4 DATA takes no argument.");
    if (!is_in_transaction_ || is_by_chunks_)
        co_return answer_bad(503, is_by_chunks_ ? "5.5.1 The message has begun with BDAT." : "5.5.1 Say MAIL first.");
    if (recipients_.empty()) co_return answer_bad(554, "5.5.1 No valid recipients.");
    if (is_binary_) co_return answer_bad(503, "5.5.1 BINARYMIME is for BDAT.");
    if (!has_upstream()) co_return answer(451, with_id("4.4.2 The mail server has broken the session."));
    auto begun = co_await begin_content(ContentReader::Source::data);
    if (has_spoken_early()) co_return co_await end_out_of_step();
    if (!begun) {
        note_error(begun.error());
        leave_upstream();
        co_return co_await refuse_transaction({451, with_id("4.4.2 The mail server has broken the session.")});
    }
    if (*begun) {
        action_ = audit::Action::failed;
        reason_ = fmt::format("the server says {} to DATA", (*begun)->code);
        answer(**begun);
        co_await end_transaction();
        co_return Then::next;
    }
    answer(354, "End with a dot on a line by itself.");
    if (!co_await client_->flush(limits().body_idle)) co_return Then::end;
    if (const auto received = co_await receive_data(); !received) {
        note_error(received.error());
        if (received.error().code == Errc::timed_out) co_await say_goodbye(421, with_id("4.4.2 Nothing came for too long: goodbye."));
        co_return Then::end;
    }
    co_return co_await finish_content();
}

// The next octets. An upstream that waits for a held message hears that we are there, also while many octets come fast.
Session::Outcome<void> Session::fill_content() {
    client_->expect_much();
    const bool beats = has_content_ && !refusal_ && has_upstream() && !upstream_->is_in_message();
    if (beats)
        if (const auto alive = co_await upstream_->keep_alive(); !alive) refuse(alive.error());
    co_return co_await fill_patiently(beats && has_upstream());
}

Session::Outcome<void> Session::receive_data() {
    while (!content_->has_ended()) {
        if (client_->unread().empty()) CO_TRY(co_await fill_content());
        std::string_view in = client_->unread();
        const std::size_t had = in.size();
        views_.clear();
        content_->feed(in, views_);
        co_await pass(views_);
        client_->take(had - in.size());
    }
    co_return Result<void>{};
}

Session::Outcome<void> Session::receive_chunk(std::uint64_t size) {
    while (size > 0) {
        if (client_->unread().empty()) CO_TRY(co_await fill_content());
        std::string_view in =
            client_->unread().substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(size, client_->unread().size())));
        const std::size_t had = in.size();
        if (has_content_) {
            views_.clear();
            content_->feed(in, views_);
            co_await pass(views_);
        }
        client_->take(had);
        size -= had;
    }
    co_return Result<void>{};
}

// What is not wanted is read nonetheless: behind it comes the next command. Where that is not known, or too far, the session ends.
net::Task<Session::Then> Session::refuse_chunk(std::optional<Chunk> chunk, int code, std::string_view text) {
    has_content_ = false;
    if (!chunk || chunk->size > limits().smtp_swallowed) {
        action_ = audit::Action::refused;
        reason_ = chunk ? "BDAT with more octets than are read to their end" : "BDAT with a bad size";
        if (chunk) co_await say_goodbye(552, with_id(fmt::format("5.3.4 A message may have {} octets.", largest_message())));
        else co_await say_goodbye(501, with_id("5.5.4 BDAT takes a size, and LAST."));
        co_return Then::end;
    }
    if (const auto received = co_await receive_chunk(chunk->size); !received) co_return Then::end;
    co_return answer_bad(code, text);
}

net::Task<Session::Then> Session::chunk(const Command& command) {
    const auto chunk = parse_chunk(command.argument);
    if (!is_in_transaction_ || !chunk || chunk->size > limits().smtp_swallowed)
        co_return co_await refuse_chunk(chunk, 503, "5.5.1 Say MAIL first.");
    if (recipients_.empty()) co_return co_await refuse_chunk(chunk, 554, "5.5.1 No valid recipients.");
    if (!is_by_chunks_) {
        is_by_chunks_ = true;
        auto begun = has_upstream() ? co_await begin_content(ContentReader::Source::bdat)
                                    : Result<std::optional<Reply>>(fail(Errc::closed, Side::server, "closed"));
        if (!begun) {
            refuse(begun.error());
        } else if (*begun) {
            action_ = audit::Action::failed;
            reason_ = fmt::format("the server says {} to DATA", (*begun)->code);
            refusal_ = Refusal{(*begun)->code == 421 ? 451 : (*begun)->code, std::string((*begun)->text())};
        }
    }
    if (const auto received = co_await receive_chunk(chunk->size); !received) {
        note_error(received.error());
        if (received.error().code == Errc::timed_out) co_await say_goodbye(421, with_id("4.4.2 Nothing came for too long: goodbye."));
        co_return Then::end;
    }
    if (chunk->is_last) {
        if (has_content_) content_->finish();
        co_return co_await finish_content();
    }
    // For a quarantine the rest is wanted, and who hears a refusal sends no more.
    if (refusal_ && !wants_copy()) co_return answer(refusal_->code, refusal_->text);
    co_return answer(250, fmt::format("2.0.0 {} octets received.", chunk->size));
}

}  // namespace sluice::smtp
