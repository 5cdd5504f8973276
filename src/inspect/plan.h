// SPDX-License-Identifier: Apache-2.0
// How one payload is inspected and delivered: fixed in phase `payload`, when its first bytes are known and none has gone on.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "inspect/content/media_type.h"
#include "policy/inspect_options.h"
#include "protocols/icap/icap.h"
#include "protocols/mime/multipart.h"

namespace sluice::inspect {

// What `deliver` comes to. hold: nothing goes on before the verdict. tail: the last bytes wait for it. stream: nothing waits; what is found
// cuts what follows.
enum class Mode : std::uint8_t { hold, tail, stream };

// The last bytes of a payload in mode `tail` that wait for the verdict.
inline constexpr std::size_t tail_size = 64 * 1024;
// The largest payload that `automatic` holds.
inline constexpr std::uint64_t automatic_hold = 64 * 1024 * 1024;

struct Delivery {
    Mode mode = Mode::tail;
    bool automatic = false;  // a payload that turns out larger than `automatic_hold` goes on as a tail
    bool may_let_go = false;  // where its source pauses, what waits goes on if nothing was found so far
    bool trickles = false;  // held, a few of its first bytes go ahead (Payload::trickle)
};

// `declared_type`: without parameters, lower case. `declared_size`: 0 where it is not known.
Delivery choose_delivery(policy::Deliver wanted, const MediaType& sniffed, std::string_view declared_type, std::uint64_t declared_size);

// What looks at a payload.
struct Examination {
    policy::EngineSet engines;  // those that the configuration has and no rule leaves out
    policy::Whole whole = policy::Whole::risky;
    std::string name;  // as it is called, for engines that read it
    std::chrono::milliseconds at_most = std::chrono::milliseconds::max();  // an engine's time, where the peers wait no longer than that
    bool keeps_content = false;  // a rule may ask for a copy of it: what is not held is copied
    std::optional<icap::Message> message;  // what it came in, where the engine `icap` is asked
    mime::MultipartType multipart;  // its parts are looked at one by one
    bool hides_parts = false;  // it says that it has parts, in a way that nobody reads for sure
    bool has_parts() const { return hides_parts || multipart.kind != mime::MultipartKind::none; }
};

}  // namespace sluice::inspect
