// SPDX-License-Identifier: Apache-2.0
// What is looked at in a TOML text before toml++ reads it.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace sluice {

// The offset of the first character beyond ASCII that stands outside of strings and comments (or behind the backslash at a line's end), where TOML has
// none. toml++ 3.3 asks whether it is a blank, and answers that for some of them with undefined behaviour: such a text is not for it.
// nullopt: there is none, or a string does not end, which toml++ tells better.
std::optional<std::size_t> stray_character(std::string_view text);

}  // namespace sluice
