// SPDX-License-Identifier: Apache-2.0
// Text that a peer chose, on its way to a terminal: nothing of it drives the terminal, hides, or changes the order of what stands beside it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sluice::app {

// Controls, what has no width or turns the direction of writing (Unicode's Cc, Cf, Zl, Zp and variation selectors), and backslashes come as
// `\x1b`, `\u{202e}`, `\\`; bytes that are no UTF-8 as `\xff`. All else as it is.
std::string for_terminal(std::string_view text);

// The same, in exactly `width` columns, at least 1: filled with spaces, or cut with "…". Never cut inside an escape.
std::string terminal_cell(std::string_view text, std::size_t width);

// Columns that `for_terminal` takes.
std::size_t terminal_width(std::string_view text);

// The same for JSON, which such characters may stand in only inside strings: as `\u202e`.
std::string json_for_terminal(std::string_view json);

}  // namespace sluice::app
