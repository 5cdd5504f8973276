// SPDX-License-Identifier: Apache-2.0
// The engine `icap`: a server is asked about an object as an ICAP client would ask it to adapt a message (RFC 3507). What is adapted is not taken
// over: a service that would change a message, or answers a request in the server's place, has found something, and the payload is infected.
//
// What the service says of itself (OPTIONS) is remembered for its TTL, until its state changes or it fails. Connections are used again. A server that is
// gone for a moment is asked again (outage.h); one that is there and fails on an object, a few times. The log of diagnostics says why there is no verdict.
#pragma once

#include "inspect/icap/icap_conversation.h"
#include "inspect/object.h"
#include "inspect/outside/engine_connection.h"
#include "inspect/outside/outage.h"
#include "inspect/verdict.h"
#include "protocols/icap/icap.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
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
        bool operator==(const Options&) const = default;
    };

    explicit IcapClient(Options options);

    // Blocks, until the deadline at most (a name's resolution apart): for a pool's thread, never a worker. Many threads may call it at once. `about`:
    // its content_length is not read. Outcomes: clean; infected; unscannable for timeout, truncated (not all of the object can be read), engine-down.
    Outcome scan(const Object& object, const icap::Message& about, Time deadline) const;
    // Counts the changes of the service's state that its answers told of (ISTag, RFC 3507 4.7): verdicts from before one are old.
    std::uint64_t changes() const { return changes_.load(std::memory_order_relaxed); }
    const Options& options() const { return options_; }

private:
    struct Known {
        icap::Options options;
        Time until;
    };
    struct Idle {
        EngineConnection connection;
        Time since;
    };

    std::optional<Outcome> ask(const Object& object, const icap::Message& about, Time deadline, bool& is_there) const;
    IcapConversation::End prepare(std::optional<EngineConnection>& connection, std::optional<icap::Options>& options, Time deadline,
                                  bool& is_there, std::string& why) const;
    std::optional<icap::Options> known_options() const;
    void remember(const icap::Options& options) const;
    void forget_options() const;
    void note_istag(const std::string& istag) const;
    std::optional<EngineConnection> take_idle(Time deadline) const;
    void keep(EngineConnection connection, const icap::Options& options) const;
    void complain(std::string_view what) const;
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
    mutable std::string istag_;  // of the last answer that had one
    mutable std::atomic<std::uint64_t> changes_ = 0;
    mutable std::string complaint_;
    mutable std::optional<Time> complained_;
};

}  // namespace sluice::inspect
