// SPDX-License-Identifier: Apache-2.0
// The small grammar that everything in HTTP/1 is made of (RFC 9110 5, RFC 9112).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice::http1 {

enum class Version : std::uint8_t { http_1_0, http_1_1 };

std::string_view to_string(Version version);              // "1.0", "1.1": `http.version`

namespace detail {
extern const std::array<bool, 256> token_octets;          // tchar of RFC 9110 5.6.2
}

inline bool is_token_octet(char c) { return detail::token_octets[static_cast<unsigned char>(c)]; }
bool is_token(std::string_view text);                     // not empty
// What may stand in a field value: HTAB, SP, VCHAR and 0x80–0xff (RFC 9110 5.5). May be empty; white space at the ends is not judged.
bool is_field_value(std::string_view text);
// uri-host [ ":" port ] by its characters and shape (RFC 3986 3.2.2). Whether it names something is for parse_authority to say.
bool is_host_and_port(std::string_view text);

// The first octet from `from` that is a control other than HTAB, or text.size(). The hot loop of head parsing: 16 octets a step.
std::size_t find_control(std::string_view text, std::size_t from);

// RFC 9110 15 and the registry; "Unknown" for others.
std::string_view reason_phrase(int status);

// Whether the first octets inside a tunnel are an HTTP/1 request line: method SP target SP "HTTP/1.". Decided as early as possible, `no` at
// the first octet that cannot be one. "PRI * HTTP/2.0" is `no`. Whoever has its buffer full and still hears `undecided` has met a very
// long target: take it as `yes`, and the parser will say what is wrong with it.
enum class Guess : std::uint8_t { no, yes, undecided };
Guess looks_like_request(std::string_view prefix);

}  // namespace sluice::http1
