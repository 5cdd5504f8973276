// SPDX-License-Identifier: Apache-2.0
// A payload's content, whole, for the engines that need all of it: decoded, as it would be opened.
#pragma once

#include <cstdint>
#include <string_view>

namespace sluice::inspect {

struct Object {
    int descriptor = -1;                                     // sealed memory or an unlinked file, to be read or mapped; nobody writes to it any more
    std::uint64_t size = 0;                                  // bytes; where the descriptor's offset stands says nothing
    std::string_view name;                                   // as it is called, without folders; may be empty
};

}  // namespace sluice::inspect
