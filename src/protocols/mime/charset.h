// SPDX-License-Identifier: Apache-2.0
// Text of mail heads in UTF-8. Small on purpose: no iconv, whose converters are files that are loaded, and have had holes. What of a charset is not known here
// keeps its ASCII, which is what names' extensions and rules are made of.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::mime {

bool is_utf8(std::string_view octets);  // RFC 3629: no surrogates, nothing overlong

enum class CharsetReading : std::uint8_t {
    usual,
    turned,  // of UTF-16 and its like, the other order of octets: it is said in several places, and readers believe one or another
    unknown,  // as by those who do not know the charset
};

// UTF-8 as it is, with U+FFFD for what is broken; UTF-7, UTF-16, UTF-32 and the charsets of Europe and the Near
// East of one octet a character (ISO-8859, Windows-125x, KOI8) converted. Of others, U+FFFD for each octet beyond
// ASCII, unless they happen to be UTF-8; and nothing for what only shifts from one set to another (ISO 2022, HZ).
// No charset: UTF-8, or Windows-1252 where it is none, as receivers guess.
std::string to_utf8(std::string_view octets, std::string_view charset, CharsetReading reading = CharsetReading::usual);

// False: its ASCII may be lost, because it has other octets (EBCDIC), or is known to others alone.
bool keeps_ascii(std::string_view charset);
// Other readings of it than the usual one are not the same.
bool has_other_readings(std::string_view charset);

// At most `most` octets, no character cut.
void cut_utf8(std::string& text, std::size_t most);

}  // namespace sluice::mime
