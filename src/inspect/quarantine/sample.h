// SPDX-License-Identifier: Apache-2.0
// A sample as it lies in the quarantine: two files, named after its event.
//   ID.sample   sample_magic, then the object under AES-256-CTR
//   ID.meta     text: the key, the nonce, the object's size and SHA-256, and the event's JSON
// The key lies beside what it opens: this keeps no secret. It keeps programs, indexers and other scanners from running, opening or finding the
// object by accident.
#pragma once

#include "base/id.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace sluice::inspect {

inline constexpr std::string_view sample_magic = "SLUICE-SAMPLE-1\n";
inline constexpr std::size_t max_event_size = 1 << 20;  // bytes of an event's JSON that are kept with a sample

using Sha256Value = std::array<std::uint8_t, 32>;

// All that is needed to have the object back, and what it was about.
struct Metadata {
    std::array<std::uint8_t, 32> key{};
    std::array<std::uint8_t, 16> nonce{};  // the counter's first value
    std::uint64_t size = 0;  // bytes of the object
    Sha256Value sha256{};  // of the object
    std::string event;  // a JSON object, as it was handed over; without a line's end
};

std::string encode(const Metadata& metadata);
// nullopt: not written by `encode`, or damaged. The event is not looked into.
std::optional<Metadata> parse_metadata(std::string_view text);

// The id that a person typed: small letters are taken for large ones, O for 0, I and L for 1, as Crockford's base 32 wants it. nullopt: none.
// What it gives has no other characters than digits and capital letters, so it is safe in a file's name.
std::optional<EventId> parse_event_id(std::string_view text);

std::string hex(std::span<const std::uint8_t> bytes);

}  // namespace sluice::inspect
