// SPDX-License-Identifier: Apache-2.0
// A port at which one connection of one peer is expected: FTP's data connections. Who else comes is reset, and counted.
#pragma once

#include "base/ip.h"
#include "base/limits.h"
#include "base/result.h"
#include "net/reactor.h"
#include "net/task.h"
#include "net/tcp_stream.h"
#include "net/waiter.h"

#include <cstdint>
#include <memory>
#include <optional>

namespace sluice::net {

class PeerListener final : private EventSource {
public:
    // Bound to `at` and a free port of the range, a random one, which nobody can guess (RFC 2577 8) and no other listener shares. Errors are ours:
    // overloaded where the range has no free port.
    static Result<std::unique_ptr<PeerListener>> open(Worker& worker, const IpAddress& at, std::uint16_t first, std::uint16_t last,
                                                      const IpAddress& peer, Side side);
    // A peer that is there and was not asked for is reset.
    ~PeerListener();
    PeerListener(const PeerListener&) = delete;
    PeerListener& operator=(const PeerListener&) = delete;

    const IpPort& local() const { return local_; }
    // The peer's connection; the port is closed as soon as it is there. timed_out (the side's) when it did not come in time; `cancel` says otherwise.
    Task<Result<std::unique_ptr<TcpStream>>> accept(Limits::Duration within);
    void cancel(Errc reason = Errc::cancelled);
    std::uint64_t strangers() const { return strangers_; }

private:
    PeerListener(Worker& worker, int descriptor, const IpPort& local, const IpAddress& peer, Side side);
    void on_ready(std::uint32_t events) override;
    bool accept_one();
    void close();

    Worker& worker_;
    int descriptor_;
    const IpPort local_;
    const IpAddress peer_;
    const Side side_;
    std::unique_ptr<TcpStream> accepted_;
    std::optional<Error> failure_;
    std::uint64_t strangers_ = 0;
    Waiter waiter_;
};

}  // namespace sluice::net
