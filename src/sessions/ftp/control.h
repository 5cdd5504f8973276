// SPDX-License-Identifier: Apache-2.0
// The two control connections of a session. Each is read by a coroutine of its own, so that the session may wait for either side, for data and
// for time at once: whatever comes is told as `News`.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/limits.h"
#include "base/result.h"
#include "net/gate.h"
#include "net/stream.h"
#include "net/task.h"
#include "net/worker.h"
#include "protocols/ftp/command.h"
#include "protocols/ftp/reply.h"

namespace sluice::ftp {

// Something may have changed: who waits looks again. One coroutine waits; `heed` is called each time besides, whatever is waited for.
class News {
public:
    explicit News(std::function<void()> heed) : heed_(std::move(heed)) {}
    void tell() {
        is_there_ = true;
        heed_();
        waiter_.wake();
    }
    net::Task<void> wait() {
        while (!is_there_) co_await waiter_.wait();
        is_there_ = false;
    }
    // Until `is_so()`, which is asked each time something was told.
    template <class F>
    net::Task<void> until(F is_so) {
        while (!is_so()) co_await wait();
    }

private:
    std::function<void()> heed_;
    bool is_there_ = false;
    net::Waiter waiter_;
};

// What both have: a stream, the octets that came and make no line yet, and the coroutine that reads.
class Control {
public:
    Control(std::unique_ptr<net::Stream> stream, News& news);
    virtual ~Control();
    Control(const Control&) = delete;
    Control& operator=(const Control&) = delete;

    // `ahead`: octets that somebody else read from the stream before.
    void start(std::string_view ahead = {});
    // Ends the reading; before it is destroyed, and where it had begun.
    net::Task<void> stop();
    // The same, and the stream is somebody else's: a handshake follows.
    net::Task<std::unique_ptr<net::Stream>> release();
    // Octets that came behind the last whole line.
    bool has_unread() const { return !unread_.empty(); }

    net::Stream& stream() { return *stream_; }
    const net::Stream& stream() const { return *stream_; }
    // Why nothing more comes: closed at the peer's orderly end. What came before is still to be taken.
    const std::optional<Error>& failure() const { return failure_; }
    // Octets so far.
    struct Traffic {
        std::uint64_t received = 0;
        std::uint64_t sent = 0;
    };
    const Traffic& traffic() const { return traffic_; }
    // All of it, or an error; a peer that takes nothing for `idle` is gone.
    net::Task<Result<void>> send(std::string_view text, Limits::Duration idle);

protected:
    // What is in `unread` is looked through; the whole lines at its front are taken.
    virtual Result<void> take(std::string_view& unread) = 0;
    virtual bool has_room() const = 0;  // else nothing is read until `read_on`
    void read_on() { room_.open(); }

private:
    net::Task<void> read();
    Result<void> take_lines();

    std::unique_ptr<net::Stream> stream_;
    News& news_;
    net::Buffer buffer_;
    std::string unread_;
    net::Gate room_;
    net::Gate done_;
    bool is_reading_ = false;
    std::optional<Error> failure_;
    Traffic traffic_;
};

class ClientControl final : public Control {
public:
    ClientControl(std::unique_ptr<net::Stream> stream, const Limits& limits, News& news)
        : Control(std::move(stream), news),
          reader_(limits) {}

    // Commands that came ahead wait their turn.
    bool has_command() const { return !commands_.empty(); }
    const Command& front() const { return commands_.front(); }
    Command take_command();
    // One is among them, which ends the transfer under way out of turn; it is answered in its turn.
    bool has_abort() const { return aborts_ > 0; }
    // Behind AUTH nothing is read: what follows may be a handshake. It was none: go on.
    void unpark();

private:
    // Commands sent ahead that wait; what is more stays with the client's system.
    static constexpr std::size_t most_commands = 64;
    Result<void> take(std::string_view& unread) override;
    bool has_room() const override { return !is_parked_ && commands_.size() < most_commands; }

    CommandReader reader_;
    std::deque<Command> commands_;
    std::size_t aborts_ = 0;
    bool is_parked_ = false;
};

class ServerControl final : public Control {
public:
    ServerControl(std::unique_ptr<net::Stream> stream, const Limits& limits, News& news)
        : Control(std::move(stream), news),
          reader_(limits) {}

    bool has_reply() const { return !replies_.empty(); }
    const Reply& front() const { return replies_.front(); }
    Reply take_reply();

private:
    static constexpr std::size_t most_replies = 16;
    Result<void> take(std::string_view& unread) override;
    bool has_room() const override { return replies_.size() < most_replies; }

    ReplyReader reader_;
    std::deque<Reply> replies_;
};

}  // namespace sluice::ftp
