// SPDX-License-Identifier: Apache-2.0
// A server's octets to replies (RFC 959 4.2), and replies to octets for a client. Strict where readers could see other replies: a line
// without its code, a bare CR or LF, NUL, and inside a reply what some readers take for its end and others do not:
//   "ddd " with another code       curl ends there, with that code
//   the reply's code, and then neither a space nor "-"       Python's ftplib ends there
// Other inner lines may be anything: no code, another code and "-", the reply's own and "-".
#pragma once

#include "base/limits.h"
#include "base/result.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::ftp {

struct Reply {
    int code = 0;                                        // 100 to 599
    // At least one; without CRLF and Telnet's doubling of 0xFF. The first and the last are what is behind the separator, inner ones are whole.
    std::vector<std::string> lines;

    bool is_preliminary() const { return code < 200; }
    bool is_success() const { return code >= 200 && code < 300; }
    bool is_intermediate() const { return code >= 300 && code < 400; }
    bool is_failure() const { return code >= 400; }
    std::string_view text() const { return lines.back(); }  // of the last line
};

class ReplyReader {
public:
    explicit ReplyReader(const Limits& limits) : limits_(limits) {}

    // The next reply, its whole lines taken from the front of `in`; nullopt: more is needed, behind what is left of `in`, which is less than
    // a line. Errors, final for the connection (Side::server): malformed; too_large (Limits::ftp_line without CRLF, ftp_reply for all lines
    // with theirs). A first line of a code alone has an empty text.
    Result<std::optional<Reply>> next(std::string_view& in);
    // Some lines of a reply were taken and its last was not. Before a handshake there may be none, and nothing left of `in`.
    bool has_begun() const { return has_begun_; }

private:
    Result<std::optional<std::string>> next_line(std::string_view& in);
    Result<void> begin(std::string_view line);
    Result<void> go_on(std::string_view line);

    Limits limits_;
    Reply reply_;
    std::size_t size_ = 0;
    bool has_begun_ = false;
};

// As it goes to a client. Octets that would end a line, and NUL, become spaces: a server's words, or ours with a name in them, add no reply.
// One line: "CODE text\r\n"; several: "CODE-first\r\n", inner lines, "CODE last\r\n". Inner lines that begin with a digit get a space before it
// (RFC 959 4.2), but for those that begin with "CODE-", which everyone takes for what they are. 0xFF is doubled where Telnet would see a command.
std::string encode(const Reply& reply);
std::string encode(int code, std::string_view text);

}  // namespace sluice::ftp
