// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace sluice {

// As text or as an attribute's value in quotes (HTML 13.3).
void append_html_escaped(std::string& out, std::string_view text);

}  // namespace sluice
