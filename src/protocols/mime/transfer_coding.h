// SPDX-License-Identifier: Apache-2.0
// Content-Transfer-Encodings undone (RFC 2045 6.7, 6.8), as forgivingly as those who will do it later: what is no part of the coding is passed over,
// so that nothing hides from us that another decoder finds. Time and memory are linear in the octets.
#pragma once

#include <string>
#include <string_view>

namespace sluice::mime {

// Octets outside the alphabet are skipped; what follows padding is decoded anew.
std::string decode_base64(std::string_view text);
// "=" that begins neither an octet nor a soft line break stays as it is. Blanks at a line's end go.
std::string decode_quoted_printable(std::string_view text);

}  // namespace sluice::mime
