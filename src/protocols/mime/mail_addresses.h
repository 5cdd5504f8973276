// SPDX-License-Identifier: Apache-2.0
// The addresses of From, To and Cc (RFC 5322 3.4), without names, comments and groups, as far as they can be found in what is malformed.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::mime {

// Appends them to `into`, in small letters, each once, as long as there are fewer than `most`; false: there are more. Where readers differ, what each of them
// takes: all that is in angles and an address before them, what stands behind a quote or a comment without an end, an encoded word. Linear in the octets for
// a given `most`.
bool add_addresses(std::string_view text, std::size_t most, std::vector<std::string>& into);

}  // namespace sluice::mime
