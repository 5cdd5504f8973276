// SPDX-License-Identifier: Apache-2.0
// The part of a name that someone registered, by the public suffix list: "www.example.co.uk" -> "example.co.uk".
#pragma once

#include <string_view>

namespace sluice::policy {

// `name`: lower case, ASCII, no final dot. The result is a part of `name`; empty for a public suffix itself, an address, or a bad name.
std::string_view registered_domain(std::string_view name);

}  // namespace sluice::policy
