// SPDX-License-Identifier: Apache-2.0
// A connection to clamd for one scan. Each call waits, until the deadline at most: it is for threads that may wait, never for a worker.
#pragma once

#include "inspect/descriptor.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::inspect {

class ClamdConnection {
public:
    using Time = std::chrono::steady_clock::time_point;
    enum class Status : std::uint8_t {
        done,
        answered,            // of send: the other end has answered or closed already, and wants no more; what it said is to be received
        lost,                // nobody listens, or the connection broke without a whole reply
        timed_out,           // the deadline passed
    };

    explicit ClamdConnection(Time deadline) : deadline_(deadline) {}

    Status connect_local(std::string_view path);
    // A name is resolved by the system, in its own time; each of its addresses is tried.
    Status connect_remote(const std::string& host, std::uint16_t port);

    // `descriptor`: goes with the first of the bytes (local sockets only); -1: none.
    Status send(std::string_view bytes, int descriptor = -1);

    // Up to the first NUL, with what came behind it; or clamd_reply_bytes without one.
    Status receive(std::string& reply);

private:
    Status connect(int family, const void* address, std::uint32_t size);
    Status wait(short events, Time until) const;
    bool is_late() const { return std::chrono::steady_clock::now() >= deadline_; }

    Descriptor socket_;
    Time deadline_;
};

}  // namespace sluice::inspect
