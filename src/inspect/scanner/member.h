// SPDX-License-Identifier: Apache-2.0
// A member of an archive, a part of a form, a member of an archive inside it, and so on, as rules see it.
#pragma once

#include "inspect/body_found.h"
#include "inspect/verdict.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace sluice::inspect {

using Digest = std::array<std::uint8_t, 32>;                 // SHA-256

struct Member {
    static constexpr std::size_t first_bytes_size = 4096;    // what telling its type needs

    std::uint16_t depth = 1;                                 // 1: in the object itself
    bool is_encrypted = false;                               // nothing of its content is known then
    std::uint64_t size = 0;                                  // unpacked; as far as it could be read
    std::optional<Digest> sha256;                            // where it is wanted
    std::string path;                                        // as the archive says; bytes, maybe not UTF-8
    std::string first_bytes;
    Outcome outcome = Outcome::clean();                      // of the engines that looked at it, not at what is inside it
    BodyFound body;
    bool operator==(const Member&) const = default;
};

}  // namespace sluice::inspect
