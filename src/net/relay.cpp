// SPDX-License-Identifier: Apache-2.0
#include "net/relay.h"

#include "net/error.h"
#include "net/gate.h"
#include "net/pipe.h"
#include "net/tcp_stream.h"
#include "net/worker.h"

#include <fcntl.h>
#include <cerrno>

namespace sluice::net {

namespace {

class IdleDeadline final : public Deadline {
public:
    IdleDeadline(Wheel& wheel, Limits::Duration idle, Stream& client, Stream& server)
        : Deadline(wheel),
          idle_(idle),
          client_(client),
          server_(server) {
        touch();
    }
    void touch() { expires_in(idle_); }
    bool has_passed() const { return passed_; }

private:
    void on_expired() override {
        passed_ = true;
        client_.cancel(Errc::timed_out);
        server_.cancel(Errc::timed_out);
    }
    Limits::Duration idle_;
    Stream& client_;
    Stream& server_;
    bool passed_ = false;
};

// A pipe on loan. One with bytes in it is not lent again.
class LentPipe {
public:
    explicit LentPipe(PipePool& pool) : pool_(pool) {}
    LentPipe(const LentPipe&) = delete;
    LentPipe& operator=(const LentPipe&) = delete;
    ~LentPipe() { give_back(); }

    bool take() {
        if (!pipe_) pipe_ = pool_.take();
        return pipe_.has_value();
    }
    void give_back() {
        if (!pipe_) return;
        if (held == 0) pool_.put(*pipe_);
        else PipePool::close(*pipe_);
        pipe_.reset();
    }
    const Pipe* operator->() const { return &*pipe_; }

    std::size_t held = 0;                                    // bytes in it

private:
    PipePool& pool_;
    std::optional<Pipe> pipe_;
};

}  // namespace

class Relay {
public:
    Relay(Worker& worker, Stream& client, Stream& server, Limits::Duration idle, RelayControl& control, RelayWay way)
        : worker_(worker),
          client_(client),
          server_(server),
          control_(control),
          way_(way),
          idle_(worker.wheel(), idle, client, server) {
        control_.client_ = &client;
        control_.server_ = &server;
    }
    ~Relay() { control_.client_ = control_.server_ = nullptr; }

    Task<RelayResult> run() {
        client_.expires_never();
        server_.expires_never();
        if (control_.cancelled_) control_.cancel();
        if (way_ != RelayWay::to_server) spawn(worker_, run_to_client());
        else other_done_.open();
        if (way_ != RelayWay::to_client) finished(co_await pump(client_, server_, control_.to_server_), RelayResult::Ended::client);
        co_await other_done_.wait();
        result_.to_server = control_.to_server();
        result_.to_client = control_.to_client();
        co_return result_;
    }

private:
    Task<void> run_to_client() {
        finished(co_await pump(server_, client_, control_.to_client_), RelayResult::Ended::server);
        other_done_.open();
    }

    void finished(const Result<void>& outcome, RelayResult::Ended end) {
        if (outcome) {
            if (!std::exchange(has_ended_, true)) result_.ended = end;
            return;
        }
        if (result_.error) return;
        result_.error = outcome.error();
        result_.ended = idle_.has_passed()                        ? RelayResult::Ended::idle
                        : outcome.error().code == Errc::cancelled ? RelayResult::Ended::cancelled
                                                                  : RelayResult::Ended::error;
        client_.cancel();
        server_.cancel();
    }

    void moved(std::atomic<std::uint64_t>& counter, std::size_t bytes) {
        // One writer: a load and a store are enough.
        counter.store(counter.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
        idle_.touch();
    }

    Task<Result<void>> pump(Stream& from, Stream& to, std::atomic<std::uint64_t>& counter) {
        auto* const plain_from = dynamic_cast<TcpStream*>(&from);
        auto* const plain_to = dynamic_cast<TcpStream*>(&to);
        const bool may_splice = plain_from && plain_to;
        Buffer buffer;
        for (;;) {
            const std::size_t got = CO_TRY(co_await from.read_or_release(buffer, worker_.buffers()));
            if (got == 0) break;
            const std::string_view piece(buffer.data(), got);
            std::size_t written = CO_TRY(to.try_write({&piece, 1}));
            if (written < got) CO_TRY(co_await to.write({&piece, 1}, written));
            moved(counter, got);
            // A few bytes are copied faster than they are spliced; a full buffer says that there are more than a few.
            if (got < buffer.size() || !may_splice) continue;
            buffer.release();
            if (CO_TRY(co_await splice(*plain_from, *plain_to, counter))) break;
        }
        to.shutdown_write();
        co_return Result<void>{};
    }

    // Until the end (true), or until the flow has become a trickle (false).
    Task<Result<bool>> splice(TcpStream& from, TcpStream& to, std::atomic<std::uint64_t>& counter) {
        LentPipe pipe(worker_.pipes());
        std::size_t burst = BufferPool::small_size;          // bytes since the last wait
        for (;;) {
            if (from.has_failed()) CO_TRY(co_await from.wait_readable());
            if (!pipe.take()) co_return false;
            const ssize_t taken = splice_once(from, from.native_handle(), pipe->write_end, pipe->capacity - pipe.held);
            if (taken == 0) {  // the end, unless somebody has been told of an error before
                char octet;
                CO_TRY(from.try_read({&octet, 1}));
                co_return true;
            }
            if (taken < 0) {
                if (errno != EAGAIN) co_return std::unexpected(error_from_errno(errno, from.side(), "receiving failed"));
                pipe.give_back();
                if (burst < BufferPool::small_size) co_return false;
                burst = 0;
                from.note_read_would_block();
                CO_TRY(co_await from.wait_readable());
                continue;
            }
            pipe.held += static_cast<std::size_t>(taken);
            burst += static_cast<std::size_t>(taken);
            while (pipe.held != 0) {
                const ssize_t given = splice_once(to, pipe->read_end, to.native_handle(), pipe.held);
                if (given < 0) {
                    if (errno != EAGAIN) co_return std::unexpected(error_from_errno(errno, to.side(), "sending failed"));
                    to.note_write_would_block();
                    CO_TRY(co_await to.wait_writable());
                    continue;
                }
                pipe.held -= static_cast<std::size_t>(given);
                moved(counter, static_cast<std::size_t>(given));
            }
        }
    }

    static ssize_t splice_once(const TcpStream& stream, int from, int to, std::size_t bytes) {
        if (!stream.is_open()) {
            errno = ECONNABORTED;
            return -1;
        }
        ssize_t moved = 0;
        do moved = ::splice(from, nullptr, to, nullptr, bytes, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        while (moved < 0 && errno == EINTR);
        return moved;
    }

    Worker& worker_;
    Stream& client_;
    Stream& server_;
    RelayControl& control_;
    const RelayWay way_;
    IdleDeadline idle_;
    Gate other_done_;
    bool has_ended_ = false;                                 // one direction, in an orderly way
    RelayResult result_;
};

void RelayControl::cancel() {
    cancelled_ = true;
    if (client_) client_->cancel();
    if (server_) server_->cancel();
}

Task<RelayResult> relay(Worker& worker, Stream& client, Stream& server, Limits::Duration idle, RelayControl* control, RelayWay way) {
    RelayControl own;
    RelayControl& used = control ? *control : own;
    Relay joined(worker, client, server, idle, used, way);
    co_return co_await joined.run();
}

}  // namespace sluice::net
