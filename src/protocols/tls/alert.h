// SPDX-License-Identifier: Apache-2.0
// How a peer is refused in TLS's own words, before there are keys: one alert record, in the clear (RFC 8446 6; the same octets since RFC 2246).
#pragma once

#include <cstdint>
#include <string>

namespace sluice::tls {

// Descriptions (RFC 8446 6.2) that fit what parse_client_hello and rules refuse.
namespace alert {
inline constexpr std::uint8_t unexpected_message = 10;
inline constexpr std::uint8_t handshake_failure = 40;
inline constexpr std::uint8_t illegal_parameter = 47;
inline constexpr std::uint8_t access_denied = 49;
inline constexpr std::uint8_t decode_error = 50;
inline constexpr std::uint8_t protocol_version = 70;
inline constexpr std::uint8_t internal_error = 80;
inline constexpr std::uint8_t unrecognized_name = 112;
}  // namespace alert

// 7 octets: a record of type 21, version 3.3, two octets long: fatal, and the description. After it the connection is closed.
inline std::string fatal_alert(std::uint8_t description) {
    return {'\x15', '\x03', '\x03', '\x00', '\x02', '\x02', static_cast<char>(description)};
}

}  // namespace sluice::tls
