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

inline void append_doubling_iac(std::string& out, std::string_view text) {
    for (const char c : text) {
        out += c;
        if (c == iac) out += iac;
    }
}

}  // namespace sluice::ftp::telnet
