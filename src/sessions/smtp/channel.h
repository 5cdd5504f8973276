// SPDX-License-Identifier: Apache-2.0
// A transmission channel (RFC 5321 2.3.8) with a client or a server: its stream, the octets that came and were not taken yet, and the words that
// wait to go out together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/limits.h"
#include "net/buffer.h"
#include "net/stream.h"
#include "net/task.h"

namespace sluice::smtp {

class Channel {
public:
    // `ahead`: octets that somebody else read from the stream before.
    explicit Channel(std::unique_ptr<net::Stream> stream, std::string_view ahead = {});

    net::Stream& stream() { return *stream_; }
    const net::Stream& stream() const { return *stream_; }

    // Came and was not taken. Changes with `fill`, `take` and `room`.
    std::string_view unread() const { return {buffer_.data() + begin_, end_ - begin_}; }
    void take(std::size_t octets);
    // At least one octet more, or an error (closed: at the orderly end). Precondition: `unread` is less than small_size. Holds no memory while it waits for the first.
    net::Task<Result<void>> fill();
    // What is there now. Error: as `fill`.
    Result<void> fill_now();
    // For much that comes: a larger buffer, until nothing is unread.
    void expect_much() { is_much_expected_ = true; }

    // Goes out with the next `flush`.
    void say(std::string_view text) { words_ += text; }
    // An error: behind half a line nothing can be said. A peer that takes nothing for `idle` is gone.
    net::Task<Result<void>> flush(Limits::Duration idle);
    // The same at once, what was said before it first.
    net::Task<Result<void>> send(std::span<const std::string_view> pieces, Limits::Duration idle);

    // A handshake follows: what came in the clear is the caller's to have looked at.
    std::unique_ptr<net::Stream> release();
    // Octets so far, as they are after TLS.
    std::uint64_t received() const { return received_; }
    std::uint64_t sent() const { return sent_; }

private:
    std::span<char> room();
    Result<void> note(std::size_t got);

    std::unique_ptr<net::Stream> stream_;
    net::Buffer buffer_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    bool is_much_expected_ = false;
    std::string words_;
    std::uint64_t received_ = 0;
    std::uint64_t sent_ = 0;
};

}  // namespace sluice::smtp
