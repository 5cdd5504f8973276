// SPDX-License-Identifier: Apache-2.0
// A message on its way to the server: by BDAT where the server has it, because then its end can be taken back; else by DATA, whose end cannot.
#include <fmt/format.h>

#include <array>
#include <utility>

#include "sessions/smtp/upstream.h"

namespace sluice::smtp {

Upstream::Outcome<std::optional<Reply>> Upstream::begin_message() {
    stuffer_ = {};
    chunk_.clear();
    unanswered_ = 0;
    chunk_refused_.reset();
    is_chunked_ = extensions_.chunking;
    if (!is_chunked_) {
        Reply reply = CO_TRY(co_await ask_step("DATA", limits().smtp_data_start));
        if (reply.code != 354 && !reply.is_failure())
            co_return broken({Errc::malformed, Side::server, "neither 354 nor a refusal to DATA"});
        if (reply.code != 354) co_return std::optional(std::move(reply));
    }
    is_in_message_ = true;
    co_return std::nullopt;
}

Upstream::Outcome<void> Upstream::put(std::span<const std::string_view> pieces) {
    if (!is_in_message_ || is_broken_) co_return broken({Errc::closed, Side::server, "closed"});
    if (!is_chunked_) co_return co_await put_stuffed(pieces);
    for (const std::string_view piece : pieces) {
        chunk_ += piece;
        if (chunk_.size() >= chunk_size) CO_TRY(co_await put_chunk(false));
    }
    co_return Result<void>{};
}

Upstream::Outcome<void> Upstream::put_stuffed(std::span<const std::string_view> pieces) {
    stuffed_.clear();
    for (const std::string_view piece : pieces) stuffer_.feed(piece, stuffed_);
    if (const auto sent = co_await channel_->send(stuffed_, limits().smtp_data_block); !sent) {
        // It may have said why before it closed.
        co_return broken(sent.error());
    }
    co_return Result<void>{};
}

// A refused chunk is told at the message's end: until then its client sends on anyway.
Upstream::Outcome<void> Upstream::put_chunk(bool is_last) {
    if (chunk_refused_ && !is_last) {
        chunk_.clear();
        co_return Result<void>{};
    }
    const std::string line = fmt::format("BDAT {}{}\r\n", chunk_.size(), is_last ? " LAST" : "");
    const std::array<std::string_view, 2> pieces{line, chunk_};
    if (const auto sent = co_await channel_->send(pieces, limits().smtp_data_block); !sent) co_return broken(sent.error());
    chunk_.clear();
    ++unanswered_;
    if (is_last) co_return Result<void>{};
    co_return co_await await_chunks(most_unanswered);
}

Upstream::Outcome<void> Upstream::await_chunks(std::size_t unanswered_at_most) {
    while (unanswered_ > unanswered_at_most) {
        Reply reply = CO_TRY(only_final(co_await await_reply(limits().smtp_end_of_data)));
        --unanswered_;
        if (!reply.is_success() && !chunk_refused_) chunk_refused_ = std::move(reply);
    }
    co_return Result<void>{};
}

bool Upstream::has_spoken_unasked() {
    if (channel_->unread().empty()) static_cast<void>(channel_->fill_now());
    return !channel_->unread().empty();
}

Upstream::Outcome<Reply> Upstream::end_message() {
    if (!is_in_message_ || is_broken_) co_return broken({Errc::closed, Side::server, "closed"});
    if (is_chunked_) {
        // With all earlier chunks answered it is known that this one's reply is the message's.
        CO_TRY(co_await await_chunks(0));
        if (chunk_refused_) {
            Reply refusal = *std::exchange(chunk_refused_, std::nullopt);
            co_await abort_message();
            co_return refusal;
        }
        if (has_spoken_unasked()) co_return broken({Errc::malformed, Side::server, "the server spoke unasked"});
        CO_TRY(co_await put_chunk(true));
        unanswered_ = 0;
    } else {
        if (has_spoken_unasked()) {
            // It refuses the message before it has all of it; or it is out of step. Either way there is no end to be sent.
            Reply early = CO_TRY(co_await await_reply(limits().smtp_command));
            co_await abort_message();
            if (!early.is_failure()) co_return broken({Errc::malformed, Side::server, "the server spoke unasked"});
            co_return early;
        }
        const std::array<std::string_view, 1> end{stuffer_.end()};
        if (const auto sent = co_await channel_->send(end, limits().smtp_data_block); !sent) co_return broken(sent.error());
    }
    Reply reply = CO_TRY(only_final(co_await await_reply(limits().smtp_end_of_data)));
    is_in_message_ = false;
    last_asked_ = std::chrono::steady_clock::now();
    co_return reply;
}

net::Task<void> Upstream::abort_message() {
    if (!is_in_message_) co_return;
    chunk_.clear();
    if (is_chunked_ && !is_broken_ && co_await await_chunks(0)) {
        is_in_message_ = false;
        const auto reset = co_await ask("RSET", limits().smtp_command);
        if (reset && reset->is_success()) co_return;
    }
    // DATA knows no other way: only without its end is it no message.
    is_broken_ = true;
    if (channel_) channel_->stream().abort();
    is_in_message_ = false;
}

}  // namespace sluice::smtp
