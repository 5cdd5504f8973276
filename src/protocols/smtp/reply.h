// SPDX-License-Identifier: Apache-2.0
// A server's octets to replies (RFC 5321 4.2), and replies to octets for a client. Strict on purpose: a bare CR or LF, a code that changes inside a
// reply, or an odd separator would let two readers see two different dialogues.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "base/result.h"

namespace sluice::smtp {

struct Reply {
    int code = 0;  // 200 to 599
    std::vector<std::string> lines;  // at least one; what stands behind the separator, an enhanced code included

    bool is_success() const { return code >= 200 && code < 300; }
    bool is_intermediate() const { return code >= 300 && code < 400; }
    bool is_transient() const { return code >= 400 && code < 500; }
    bool is_failure() const { return code >= 400; }
    std::string_view text() const { return lines.empty() ? std::string_view() : std::string_view(lines.back()); }
};

class ReplyReader {
public:
    explicit ReplyReader(const Limits& limits) : line_(limits.smtp_reply_line), all_(limits.smtp_reply) {}

    // The next reply, its whole lines taken from the front of `in`; nullopt: more is needed, behind what is left of `in`, which is less than a line.
    // Errors, final for the connection (Side::server): malformed (a bare LF as soon as it comes: behind it the server may be silent);
    // too_large (Limits::smtp_reply_line without CRLF, smtp_reply for all lines).
    Result<std::optional<Reply>> next(std::string_view& in);
    // Some lines of a reply were taken and its last was not.
    bool has_begun() const { return !reply_.lines.empty(); }

private:
    Result<bool> take(std::string_view line);

    std::size_t line_;
    std::size_t all_;
    std::size_t size_ = 0;
    Reply reply_;
};

// As it goes to a client; octets that would end a line, and NUL, become spaces: no reply is added by a server's words, or by ours with a name in them.
std::string encode(const Reply& reply);
std::string encode(int code, std::string_view text);
// The status code at the front of a reply's text (RFC 2034 4: "5.7.1 …"), or nothing.
std::string_view enhanced_code(std::string_view text);

}  // namespace sluice::smtp
