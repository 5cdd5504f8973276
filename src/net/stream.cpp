// SPDX-License-Identifier: Apache-2.0
#include "net/stream.h"

#include "net/worker.h"

#include <algorithm>
#include <array>

namespace sluice::net {

namespace {

// How long a reader holds its buffer while nothing comes.
constexpr Limits::Duration patience{1'000};

constexpr std::size_t pieces_at_once = 32;

}  // namespace

std::size_t total_size(std::span<const std::string_view> pieces) {
    std::size_t total = 0;
    for (const std::string_view piece : pieces) total += piece.size();
    return total;
}

Stream::Stream(Worker& worker, Side side, const IpPort& peer)
    : worker_(worker),
      deadline_(worker.wheel(), *this, &Stream::on_deadline),
      patience_(worker.wheel(), *this, &Stream::on_impatience),
      peer_(peer),
      side_(side),
      cancelled_(worker.is_ending()),
      next_(worker.streams_),
      link_(&worker.streams_) {
    if (next_) next_->link_ = &next_;
    worker.streams_ = this;
}

Stream::~Stream() {
    *link_ = next_;
    if (next_) next_->link_ = link_;
}

Task<Result<std::size_t>> Stream::read_some(std::span<char> into) {
    for (;;) {
        const auto got = read_or_arm(into);
        if (!got) co_return std::unexpected(got.error());
        if (*got) co_return **got;
        co_await until_woken();
    }
}

Result<std::optional<std::size_t>> Stream::read_or_arm(std::span<char> into) {
    auto got = try_read(into);
    if (got && !*got) TRY(arm_read());
    return got;
}

// Watches a peer that has no room. That the socket has room again would be no measure: the system says so when a third of a buffer of
// megabytes is free. So we look at what the peer has taken of it.
class Stream::Progress final : public Deadline {
public:
    Progress(Stream& stream, Limits::Duration idle) : Deadline(stream.worker_.wheel()), stream_(stream), idle_(idle) {}

    void begin() {
        untaken_ = stream_.untaken();
        looks_ = 0;
        moved();
    }
    // The peer has taken nothing for too long.
    bool has_stalled() const { return stalled_; }

private:
    static constexpr int looks_in_idle = 4;

    // A peer that takes bytes is there, whoever waits for it to send some.
    void moved() {
        stream_.deadline_.extend(idle_);
        expires_in(idle_ / looks_in_idle);
    }
    // Of the writer alone: a peer that takes no more may still be sending.
    void on_expired() override {
        const std::size_t untaken = stream_.untaken();
        const bool has_moved = untaken < untaken_;
        untaken_ = untaken;
        if (has_moved) {
            looks_ = 0;
            moved();
        } else if (++looks_ < looks_in_idle) {
            expires_in(idle_ / looks_in_idle);
        } else {
            stalled_ = true;
            stream_.writer_->wake();
        }
    }

    Stream& stream_;
    Limits::Duration idle_;
    std::size_t untaken_ = 0;
    int looks_ = 0;                                      // in which nothing had moved
    bool stalled_ = false;
};

Task<Result<void>> Stream::write(std::span<const std::string_view> pieces, std::size_t done, std::optional<Limits::Duration> idle) {
    std::optional<Progress> progress;
    if (idle) progress.emplace(*this, *idle);
    while (!pieces.empty()) {
        // The pieces that are wholly written fall away; what is left of the first stands alone.
        if (done >= pieces.front().size()) {
            done -= pieces.front().size();
            pieces = pieces.subspan(1);
            continue;
        }
        std::array<std::string_view, pieces_at_once> rest;
        std::size_t count = 0;
        for (const std::string_view piece : pieces.first(std::min(pieces.size(), rest.size()))) rest[count++] = piece;
        rest[0].remove_prefix(done);
        const auto written = try_write(std::span(rest).first(count));
        if (!written) co_return std::unexpected(written.error());
        done += *written;
        if (*written == total_size(std::span(rest).first(count))) continue;
        if (!progress) {
            CO_TRY(co_await wait_writable());
            continue;
        }
        progress->begin();
        for (;;) {
            if (const auto error = failure()) co_return std::unexpected(*error);
            if (can_write()) break;
            if (progress->has_stalled()) co_return fail(Errc::timed_out, side_, "nothing was taken in time");
            CO_TRY(arm_write());
            co_await writer_->wait();
        }
        progress->expires_never();
    }
    co_return Result<void>{};
}

Task<Result<void>> Stream::wait_readable() {
    for (;;) {
        if (const auto error = failure()) co_return std::unexpected(*error);
        if (can_read()) co_return Result<void>{};
        CO_TRY(arm_read());
        co_await reader_->wait();
    }
}

Task<Result<void>> Stream::wait_writable() {
    for (;;) {
        if (const auto error = failure()) co_return std::unexpected(*error);
        if (can_write()) co_return Result<void>{};
        CO_TRY(arm_write());
        co_await writer_->wait();
    }
}

Task<Result<std::size_t>> Stream::read_or_release(Buffer& buffer, BufferPool& pool) {
    impatient_ = false;
    for (;;) {
        if (const auto error = failure()) co_return std::unexpected(*error);
        if (impatient_) {
            impatient_ = false;
            patience_.expires_never();
            buffer.release();
            CO_TRY(co_await wait_readable());
        }
        if (!buffer) buffer = pool.borrow();
        const auto got = try_read(buffer.span());
        if (!got || *got) {
            patience_.expires_never();
            if (!got) co_return std::unexpected(got.error());
            co_return **got;
        }
        if (!patience_.is_set()) patience_.expires_in(patience);
        CO_TRY(arm_read());
        co_await reader_->wait();
    }
}

void Stream::cancel(Errc reason) {
    cancelled_ = true;
    reason_ = reason;
    reader_->wake();
    writer_->wake();
}

void Stream::rearm() {
    cancelled_ = worker_.is_ending();
    timed_out_ = false;
    reason_ = Errc::cancelled;
}

void Stream::on_deadline() {
    timed_out_ = true;
    reader_->wake();
    writer_->wake();
}

void Stream::on_impatience() {
    impatient_ = true;
    reader_->wake();
}

}  // namespace sluice::net
