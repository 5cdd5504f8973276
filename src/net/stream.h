// SPDX-License-Identifier: Apache-2.0
// A stream of bytes to one peer. One reader and one writer at a time; they may be two coroutines of the same worker.
//
// Lifetimes: a stream outlives the operations that wait on it. Errors carry the stream's side: the peer behind it.
#pragma once

#include "base/ip.h"
#include "base/limits.h"
#include "base/result.h"
#include "net/buffer.h"
#include "net/task.h"
#include "net/waiter.h"
#include "net/wheel.h"

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

namespace sluice::net {

namespace tls {
class TlsStream;
}

class Worker;

std::size_t total_size(std::span<const std::string_view> pieces);

class Stream {
public:
    virtual ~Stream();
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    // What is there now, without waiting: nullopt when nothing is, 0 at the orderly end. No coroutine: the fastest way to read on.
    virtual Result<std::optional<std::size_t>> try_read(std::span<char> into) = 0;
    // One gathered write without waiting; how much was taken, 0 when the peer has no room. No coroutine: the hot path.
    virtual Result<std::size_t> try_write(std::span<const std::string_view> pieces) = 0;

    // At least one byte, or 0 at the orderly end.
    Task<Result<std::size_t>> read_some(std::span<char> into);
    // The same without a coroutine of its own: as `try_read`, and where nothing is there, `until_woken` ends when it is worth asking again.
    //   for (got = stream.read_or_arm(room); got && !*got; got = stream.read_or_arm(room)) co_await stream.until_woken();
    Result<std::optional<std::size_t>> read_or_arm(std::span<char> into);
    auto until_woken() { return reader_->wait(); }
    // Without cause: who waits in `until_woken` looks again.
    void wake_reader() { reader_->wake(); }
    // All of it. `done` bytes from the front were written before (by `try_write`). The pieces must live until it ends. `idle`: it ends with
    // timed_out when the peer has taken nothing for so long (up to a quarter more), and every byte that it takes moves the deadline.
    Task<Result<void>> write(std::span<const std::string_view> pieces, std::size_t done = 0, std::optional<Limits::Duration> idle = {});
    // Until a read would not wait (bytes, the end or an error); holds no buffer.
    virtual Task<Result<void>> wait_readable();
    virtual Task<Result<void>> wait_writable();
    // For the wait between requests: reads into `buffer`, borrowed from `pool` where it holds none. After about a second without a byte the
    // buffer is given back until one comes. At the end or after an error the buffer may be empty.
    Task<Result<std::size_t>> read_or_release(Buffer& buffer, BufferPool& pool);

    // Nothing to read and not closed, as far as the worker has been told (up to its last look at its sockets): may be used again.
    virtual bool is_quiet() = 0;

    virtual void shutdown_write() = 0;
    // Pending operations end with `cancelled`.
    virtual void close() = 0;
    virtual void abort() = 0;  // as close, but the peer gets a reset
    virtual bool is_open() const = 0;

    // Pending operations end with that error, and so do later ones until `rearm`.
    void cancel(Errc reason = Errc::cancelled);
    void rearm();
    bool has_failed() const { return cancelled_ || timed_out_; }

    // The deadline, coarse (Wheel::tick). When it passes, pending operations, and those that follow, end with Errc::timed_out until a new
    // one is set (or none). A store: as cheap as it looks.
    void expires_in(Limits::Duration duration) {
        timed_out_ = false;
        deadline_.expires_in(duration);
    }
    void expires_never() {
        timed_out_ = false;
        deadline_.expires_never();
    }

    Worker& worker() const { return worker_; }
    Side side() const { return side_; }
    void set_side(Side side) { side_ = side; }
    const IpPort& peer() const { return peer_; }
    // A PROXY protocol header says who the peer really is.
    void set_peer(const IpPort& peer) { peer_ = peer; }
    virtual IpPort local() const = 0;
    virtual int native_handle() const { return -1; }  // a plain socket's descriptor: may be spliced

protected:
    Stream(Worker& worker, Side side, const IpPort& peer);

    // Sees to it that the reader or the writer is woken when there is something to do; may wake it without cause.
    virtual Result<void> arm_read() = 0;
    virtual Result<void> arm_write() = 0;
    // A read would not wait.
    virtual bool can_read() = 0;
    virtual bool can_write() = 0;
    // Bytes that were written, and that the peer's system has not taken yet.
    virtual std::size_t untaken() const = 0;

    std::optional<Error> failure() const {
        if (!has_failed()) return std::nullopt;
        return Error{cancelled_ ? reason_ : Errc::timed_out, side_, cancelled_ ? "cancelled" : "deadline passed"};
    }

    // A stream above this one waits in its own waiters: they are woken instead.
    virtual void wake_instead(Waiter& reader, Waiter& writer) {
        reader_ = &reader;
        writer_ = &writer;
    }

    Waiter own_reader_;
    Waiter own_writer_;
    Waiter* reader_ = &own_reader_;
    Waiter* writer_ = &own_writer_;

private:
    friend class Worker;
    friend class tls::TlsStream;
    class StreamDeadline final : public Deadline {
    public:
        using Action = void (Stream::*)();
        StreamDeadline(Wheel& wheel, Stream& stream, Action action) : Deadline(wheel), stream_(stream), action_(action) {}

    private:
        void on_expired() override { (stream_.*action_)(); }
        Stream& stream_;
        Action action_;
    };
    class Progress;
    void on_deadline();
    void on_impatience();

    Worker& worker_;
    StreamDeadline deadline_;
    StreamDeadline patience_;  // of read_or_release
    IpPort peer_;
    Side side_;
    Errc reason_ = Errc::cancelled;
    bool cancelled_ = false;
    bool timed_out_ = false;
    bool impatient_ = false;
    Stream* next_ = nullptr;  // all streams of the worker, so that a forced end finds them
    Stream** link_ = nullptr;
};

}  // namespace sluice::net
