// SPDX-License-Identifier: Apache-2.0
// The engine `icap`: a server is asked about an object as an ICAP client would ask it to adapt a message (RFC 3507). What is adapted is not taken
// over: a service that would change a message, or answers a request in the server's place, has found something, and the payload is infected.
//
// What the service says of itself (OPTIONS) is remembered for its TTL. Connections are used again. A server that is gone for a moment is asked again
// (outage.h).
#pragma once

#include "inspect/object.h"
#include "inspect/outside/engine_connection.h"
#include "inspect/outside/outage.h"
#include "inspect/verdict.h"
#include "protocols/icap/icap.h"

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace sluice::inspect {

inline constexpr std::string_view icap_engine = "icap";

class IcapClient {
public:
    using Time = std::chrono::steady_clock::time_point;

    struct Options {
        std::string url;
        std::string host;  // a name or an address, without brackets
        std::uint16_t port = icap::default_port;
        Limits limits;
    };

    explicit IcapClient(Options options);

    // Blocks, until the deadline at most (a name's resolution apart): for a pool's thread, never a worker. Many threads may call it at once. `about`:
    // its content_length is not read. Outcomes: clean; infected; unscannable for timeout, truncated (not all of the object can be read), engine-down.
    Outcome scan(const Object& object, const icap::Message& about, Time deadline) const;

private:
    class Conversation;
    struct Known {
        icap::Options options;
        Time until;
    };
    struct Idle {
        EngineConnection connection;
        Time since;
    };

    std::optional<Outcome> ask(const Object& object, const icap::Message& about, Time deadline) const;
    std::optional<icap::Options> known_options() const;
    bool enter(std::optional<std::uint32_t> most, Time deadline) const;
    void leave() const;

    Options options_;
    icap::Service service_;
    mutable Outage outage_;
    mutable std::mutex mutex_;
    mutable std::condition_variable left_;
    mutable std::size_t asking_ = 0;
    mutable std::optional<Known> known_;
    mutable std::vector<Idle> idle_;  // the last used last
};

}  // namespace sluice::inspect
