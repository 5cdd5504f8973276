// SPDX-License-Identifier: Apache-2.0
// A connection to an engine that is another program. Each call waits, until the deadline at most: it is for threads that may wait, never for a worker.
#pragma once

#include "inspect/descriptor.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::inspect {

class EngineConnection {
public:
    using Time = std::chrono::steady_clock::time_point;
    enum class Status : std::uint8_t {
        done,
        answered,  // of send: the other end has answered or closed already, and wants no more; what it said is to be received
        lost,  // nobody listens, or the connection broke without a whole reply
        timed_out,  // the deadline passed
    };

    explicit EngineConnection(Time deadline) : deadline_(deadline) {}

    Status connect_local(std::string_view path);
    // A name is resolved by the system, in its own time; each of its addresses is tried.
    Status connect_remote(const std::string& host, std::uint16_t port);

    // `descriptor`: goes with the first of the bytes (local sockets only); -1: none.
    Status send(std::string_view bytes, int descriptor = -1);

    // Behind what is there, some of what comes: `most` bytes at most. lost: also at its end.
    Status receive(std::string& to, std::size_t most);
    // Both at once: what the socket takes goes from the front of `out`; otherwise, and before it, some of what has come goes behind `to`. lost: the other
    // end is gone, and all that it said was received, or nothing more can be.
    Status exchange(std::string_view& out, std::string& to, std::size_t most);
    void set_deadline(Time deadline) { deadline_ = deadline; }
    // Nothing has come, and it was not closed, as far as the system has heard.
    bool is_quiet() const;

private:
    Status connect(int family, const void* address, std::uint32_t size);
    Status wait(short events, Time until) const;
    bool is_late() const { return std::chrono::steady_clock::now() >= deadline_; }

    Descriptor socket_;
    Time deadline_;
};

}  // namespace sluice::inspect
