// SPDX-License-Identifier: Apache-2.0
// The tunnel: two streams joined, both directions at once, until both have ended.
#pragma once

#include "base/limits.h"
#include "base/result.h"
#include "net/stream.h"

#include <atomic>
#include <cstdint>
#include <optional>

namespace sluice::net {

struct RelayResult {
    enum class Ended : std::uint8_t {
        client,              // the client ended first, in an orderly way, and so did the server then
        server,              // the server first
        idle,                // nothing moved for too long
        error,               // see `error`
        cancelled,
    };
    std::uint64_t to_server = 0;         // bytes that were handed to the peer's socket
    std::uint64_t to_client = 0;
    Ended ended = Ended::error;
    std::optional<Error> error;
};

// A view of a relay that runs; on its worker, but for the counters, which any thread may read.
class RelayControl {
public:
    std::uint64_t to_server() const { return to_server_.load(std::memory_order_relaxed); }
    std::uint64_t to_client() const { return to_client_.load(std::memory_order_relaxed); }
    // Ends the relay with `cancelled`, also one that has yet to begin.
    void cancel();

private:
    friend class Relay;
    std::atomic<std::uint64_t> to_server_{0};
    std::atomic<std::uint64_t> to_client_{0};
    bool cancelled_ = false;
    Stream* client_ = nullptr;
    Stream* server_ = nullptr;
};

// Of one way alone: where its source has ended, it is over, whatever the other peer does. What comes the other way is not read.
enum class RelayWay : std::uint8_t { both, to_client, to_server };

// Half-closes are passed on. `idle`: neither direction moved for so long. Between plain sockets the kernel moves the bytes (splice), once there
// are enough of them. Leaves both streams open and cancelled when it did not end in an orderly way; the caller closes them.
Task<RelayResult> relay(Worker& worker, Stream& client, Stream& server, Limits::Duration idle, RelayControl* control = nullptr,
                        RelayWay way = RelayWay::both);

}  // namespace sluice::net
