// SPDX-License-Identifier: Apache-2.0
// The inner loop of the boundary search. For this folder.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace sluice::mime {

// The first CR or LF at or after `from`, or text.size(). In blocks without a branch inside, which the compiler makes vectors of.
inline std::size_t find_line_break(std::string_view text, std::size_t from) {
    constexpr std::size_t block = 64;
    const auto is_break = [](char c) { return c == '\r' || c == '\n'; };
    for (; from + block <= text.size(); from += block) {
        unsigned char found = 0;
        for (std::size_t i = 0; i < block; ++i)
            found |= static_cast<unsigned char>(text[from + i] == '\r') | static_cast<unsigned char>(text[from + i] == '\n');
        if (found != 0) break;
    }
    const auto rest = text.substr(from);
    return from + static_cast<std::size_t>(std::ranges::find_if(rest, is_break) - rest.begin());
}

}  // namespace sluice::mime
