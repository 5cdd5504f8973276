// SPDX-License-Identifier: Apache-2.0
#include "sessions/smtp/channel.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>
#include <vector>

#include "net/worker.h"

namespace sluice::smtp {

Channel::Channel(std::unique_ptr<net::Stream> stream, std::string_view ahead) : stream_(std::move(stream)) {
    if (ahead.empty()) return;
    buffer_ =
        stream_->worker().buffers().borrow(ahead.size() > net::BufferPool::small_size ? net::BufferSize::large : net::BufferSize::small);
    end_ = std::min(ahead.size(), buffer_.size());
    std::memcpy(buffer_.data(), ahead.data(), end_);
    received_ = end_;
}

void Channel::take(std::size_t octets) {
    begin_ += octets;
    if (begin_ < end_) return;
    begin_ = end_ = 0;
    is_much_expected_ = false;
}

// Behind what is unread.
std::span<char> Channel::room() {
    auto& pool = stream_->worker().buffers();
    const bool wants_more = is_much_expected_ && buffer_.size() < net::BufferPool::large_size;
    if (!buffer_ || (wants_more && begin_ == end_)) {
        buffer_ = pool.borrow(is_much_expected_ ? net::BufferSize::large : net::BufferSize::small);
        begin_ = end_ = 0;
    } else if (end_ == buffer_.size() && begin_ > 0) {
        std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
    }
    return buffer_.span().subspan(end_);
}

Result<void> Channel::note(std::size_t got) {
    if (got == 0) return fail(Errc::closed, stream_->side(), "closed");
    end_ += got;
    received_ += got;
    return {};
}

Result<void> Channel::fill_now() {
    const auto got = stream_->try_read(room());
    if (!got) return std::unexpected(got.error());
    return *got ? note(**got) : Result<void>{};
}

net::Task<Result<void>> Channel::fill() {
    for (;;) {
        const std::span<char> free = room();
        if (free.empty()) co_return fail(Errc::too_large, stream_->side(), "too much came at once");
        const auto got = CO_TRY(stream_->try_read(free));
        if (got) co_return note(*got);
        if (begin_ == end_) buffer_.release();
        CO_TRY(co_await stream_->wait_readable());
    }
}

net::Task<Result<void>> Channel::flush(Limits::Duration idle) {
    if (words_.empty()) co_return Result<void>{};
    co_return co_await send({}, idle);
}

net::Task<Result<void>> Channel::send(std::span<const std::string_view> pieces, Limits::Duration idle) {
    const std::string words = std::exchange(words_, {});
    std::vector<std::string_view> all;
    all.reserve(pieces.size() + 1);
    if (!words.empty()) all.push_back(words);
    all.insert(all.end(), pieces.begin(), pieces.end());
    const std::size_t total = net::total_size(all);
    if (total == 0) co_return Result<void>{};
    sent_ += total;
    const std::size_t done = CO_TRY(stream_->try_write(all));
    if (done == total) co_return Result<void>{};
    co_return co_await stream_->write(all, done, idle);
}

std::unique_ptr<net::Stream> Channel::release() {
    buffer_.release();
    begin_ = end_ = 0;
    return std::move(stream_);
}

}  // namespace sluice::smtp
