// SPDX-License-Identifier: Apache-2.0
// What receivers of a file call it. They differ where a sender breaks the syntax, or says two things; rules on names ask for all of them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"

namespace sluice::mime {

// The names in a Content-Disposition, without folders: first the one that RFC 6266 prefers, then what more forgiving readers take (two parameters of one
// name, continuations of RFC 2231, unknown charsets, escapes and encoded words within a plain name). None twice; at most
// Limits::header_parameters, the last among them.
std::vector<std::string> file_names(std::string_view disposition, const Limits& limits);

// The same for the last segment of a URL's path.
std::vector<std::string> file_names_of_path(std::string_view path);

}  // namespace sluice::mime
