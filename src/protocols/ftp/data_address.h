// SPDX-License-Identifier: Apache-2.0
// Where data connections go: the arguments of PORT (RFC 959 4.1.2) and EPRT (RFC 2428 2), the replies to PASV and EPSV (RFC 1123 4.1.2.6,
// RFC 2428 3), read and written. Numbers are digits alone, no more of them than the largest value has.
#pragma once

#include "base/ip.h"
#include "base/result.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::ftp {

// "h1,h2,h3,h4,p1,p2", six numbers of 0 to 255 and nothing else. malformed (Side::client): 501. Port 0, and whose address it is, are the caller's to
// refuse; so with EPRT.
Result<IpPort> parse_port(std::string_view argument);
// "|family|address|port|" with any delimiter of 33 to 126 but a digit, which could be read in two ways. malformed: 501; unsupported: another family
// than 1 and 2: 522 (1,2). An address that is not of its family is malformed, and so is a zone. An IPv4-mapped one becomes IPv4.
Result<IpPort> parse_eprt(std::string_view argument);
// EPSV's argument (RFC 2428 3): "", "1", "2", "ALL" in any case. malformed: 501; unsupported: 522 (1,2).
enum class EpsvArgument : std::uint8_t { any, ipv4, ipv6, all };
Result<EpsvArgument> parse_epsv(std::string_view argument);

// Of a 227's text: the first six numbers with commas between them, wherever they stand. malformed (Side::server); seven are, and port 0 is. The
// address is what the server says: nobody should connect there without asking who it is.
Result<IpPort> parse_passive_reply(std::string_view text);
// Of a 229's text: the port between delimiters in parentheses. malformed (Side::server); port 0 is.
Result<std::uint16_t> parse_extended_passive_reply(std::string_view text);

// Below are ports that other services listen at (RFC 2577 3).
inline constexpr std::uint16_t first_data_port = 1024;

std::string port_argument(const IpPort& address);  // IPv4 alone
std::string eprt_argument(const IpPort& address);
std::string passive_text(const IpPort& address);  // "Entering Passive Mode (h1,h2,h3,h4,p1,p2)." IPv4 alone
std::string extended_passive_text(std::uint16_t port);  // "Entering Extended Passive Mode (|||port|)"

}  // namespace sluice::ftp
