// SPDX-License-Identifier: Apache-2.0
// What FTP's control connection has of Telnet (RFC 959 5.3.1, RFC 1123 4.1.2.12): its command octets, and IAC IAC, which is the octet 0xFF.
#pragma once

#include <string>
#include <string_view>

namespace sluice::ftp::telnet {

inline constexpr char end_of_subnegotiation = '\xf0';
inline constexpr char data_mark = '\xf2';
inline constexpr char interrupt_process = '\xf4';
inline constexpr char subnegotiation = '\xfa';
inline constexpr char iac = '\xff';

// Behind IAC (RFC 854; 0xEC to 0xEF: RFC 1184, RFC 885).
constexpr bool is_command(char c) { return static_cast<unsigned char>(c) >= 0xec && c != iac; }
// WILL, WONT, DO and DONT: an option's octet follows.
constexpr bool has_option(char c) { return static_cast<unsigned char>(c) >= 0xfb && c != iac; }

// Doubled where Telnet would see a command; alone elsewhere, because servers and clients that know no Telnet, which are most, would keep both.
inline void append_escaped(std::string& out, std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        out += text[i];
        if (text[i] == iac && i + 1 < text.size() && (text[i + 1] == iac || is_command(text[i + 1]))) out += iac;
    }
}

}  // namespace sluice::ftp::telnet
