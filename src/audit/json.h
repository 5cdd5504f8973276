// SPDX-License-Identifier: Apache-2.0
// JSON written forward into memory that the caller has measured: no checks, no allocation. Every function returns the new end.
// Room: `escaped_size(n)` bytes for a text of n bytes; the 16 bytes after the end are scribbled over and need room too (`json_slack`,
// once).
#pragma once

#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace sluice::audit {

inline constexpr std::size_t json_slack = 16;
inline constexpr std::size_t number_size = 20;  // the longest 64-bit number

constexpr std::size_t escaped_size(std::size_t bytes) { return bytes * 6; }  // a control becomes \u00XX

// Verbatim: for what is known to need no escapes.
[[gnu::always_inline]] inline char* put(char* out, std::string_view text) {
    std::memcpy(out, text.data(), text.size());
    return out + text.size();
}

// The inside of a JSON string (RFC 8259 7). What is not UTF-8 (RFC 3629) becomes U+FFFD for each bad byte; C0 and C1 controls are
// escaped, so that a log shown in a terminal does not drive it.
char* put_escaped(char* out, std::string_view text);

// In quotes.
inline char* put_string(char* out, std::string_view text) {
    *out++ = '"';
    out = put_escaped(out, text);
    *out++ = '"';
    return out;
}

template <std::integral T>
char* put_number(char* out, T value) {
    return std::to_chars(out, out + number_size, value).ptr;
}

}  // namespace sluice::audit
