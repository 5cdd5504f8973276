// SPDX-License-Identifier: Apache-2.0
// What clamd's reply to one scan means (clamd(8), commands FILDES and INSTREAM in their z form).
#pragma once

#include "inspect/verdict.h"

#include <cstddef>
#include <optional>
#include <string_view>

namespace sluice::inspect {

inline constexpr std::string_view clamd_engine = "clamav";
inline constexpr std::size_t clamd_reply_bytes = 4096;       // of a reply; beyond, it is none
inline constexpr std::size_t clamd_threat_bytes = 256;       // of a threat's name; what is beyond is cut off

// `reply`: as it came, with its NUL. Grammar: object ": " ("OK" / name " FOUND" / text " ERROR"), or text " ERROR"; object: "stream" or
// "fd[" digits "]"; then NUL. Whatever else is unscannable, engine-down, and so is an error that the object may be to blame for: only
// one "OK" that stands alone is clean. nullopt: an error that passes (clamd lacks memory, or is being stopped); ask again.
std::optional<Outcome> outcome_of_clamd_reply(std::string_view reply);

}  // namespace sluice::inspect
