// SPDX-License-Identifier: Apache-2.0
// The engine `clamav`: ClamAV's daemon is asked about an object, with one connection a scan.
//
// A clamd of this machine (a local socket) gets the object's descriptor (FILDES) and reads it itself; one elsewhere gets the content (INSTREAM).
// A clamd that is gone for a moment (restarted, reloading, out of memory) is asked again for a few seconds; then it is down, and who asks it is told
// so at once, but for one try a second.
//
// What clamd does not tell it cannot know: where its clamd.conf lacks `AlertExceedsMax yes`, clamd says OK of what is beyond its own MaxFileSize and
// MaxScanSize, without having read it.
#pragma once

#include "inspect/object.h"
#include "inspect/outside/outage.h"
#include "inspect/verdict.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace sluice::inspect {

class Clamd {
public:
    using Time = std::chrono::steady_clock::time_point;

    struct Options {
        std::string socket;  // a path; empty: host and port
        std::string host;  // a name or an address, without brackets
        std::uint16_t port = 0;
        std::uint64_t max_size = 100ULL << 20;  // bytes; beyond, clamd is not asked: too-large
        bool operator==(const Options&) const = default;
    };

    explicit Clamd(Options options) : options_(std::move(options)) {}

    // Blocks, until the deadline at most (a name's resolution apart): for a pool's thread, never a worker. Many threads may call it at once.
    // Outcomes: clean; infected; unscannable for timeout, too-large, encrypted, truncated (not all of the object can be read), engine-down.
    Outcome scan(const Object& object, Time deadline) const;
    const Options& options() const { return options_; }

private:
    std::optional<Outcome> ask(const Object& object, Time deadline, bool& spoke) const;

    Options options_;
    mutable Outage outage_;
};

}  // namespace sluice::inspect
