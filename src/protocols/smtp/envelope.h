// SPDX-License-Identifier: Apache-2.0
// What MAIL and RCPT say (RFC 5321 4.1.2): a path, and parameters of extensions. The server gets the client's own octets; rules see the address in one
// form, because servers take many forms for the same mailbox.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sluice::smtp {

struct Path {
    std::string sent;  // between the angle brackets, as it came: with its source route and quotes; empty: the null path "<>"
    // Without source route and needless quotes, small letters, an international domain as DNS has it: "ann@xn--exmple-cua.org", "postmaster",
    // "a@[192.0.2.1]", "a@[ipv6:2001:db8::1]".
    std::string address;
    std::string_view local() const;  // of `address`, up to the "@" before its domain
    std::string_view domain() const;  // behind it; empty: none. An address literal with its brackets
    // The mailbox is not in `domain` for every server: a source route, or a local part that some servers take for another address ("a%b@c", "b!a@c",
    // "\"a@b\"@c", "\"b::a\"@c") or for the path's end ("\"a>\"@c"). Who may not relay may not name one.
    bool may_be_routed = false;
    bool is_ascii = true;
};

struct Parameter {
    std::string keyword;  // upper case
    std::optional<std::string> value;
};

struct EnvelopeCommand {
    Path path;
    std::vector<Parameter> parameters;
    const Parameter* find(std::string_view keyword) const;
};

// What stands behind MAIL and RCPT. Errors, the client's: unsupported (its parameters), malformed (no "FROM:" or "TO:", a path that cannot be read, octets below 0x20, some that
// are no UTF-8, a parameter that is none, one said twice), too_large. Brackets may be missing around a plain address, as old clients have it.
Result<EnvelopeCommand> parse_mail(std::string_view argument);
Result<EnvelopeCommand> parse_recipient(std::string_view argument);

// "FROM:<path> KEY=value…", or "TO:"; only `parameters`.
std::string encode_mail(const Path& path, const std::vector<Parameter>& parameters);
std::string encode_recipient(const Path& path, const std::vector<Parameter>& parameters);

// RFC 3461 4: "+3D" for "=" and so on; nullopt: it is none. Small hexadecimal digits are taken.
std::optional<std::string> decode_xtext(std::string_view text);
std::string encode_xtext(std::string_view text);

// The octets that MAIL's SIZE says (RFC 1870 6.1). nullopt: not a number, or beyond 20 digits' worth.
std::optional<std::uint64_t> parse_size(std::string_view text);

}  // namespace sluice::smtp
