// SPDX-License-Identifier: Apache-2.0
// URLs as RFC 3986 defines them, read the way browsers and servers read them (WHATWG URL) where that decides what a rule sees: one
// host has one spelling, and so has one path. Used by rules, the log and dialling. Errors are `malformed`, on the client's side.
#pragma once

#include "base/ip.h"
#include "base/result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice {

// The "who" of a URL, or of a CONNECT.
struct Authority {
    std::string host;  // lower case ASCII (IDNA), percent-decoded, no final dot; an IPv6 address without brackets, as RFC 5952 writes it
    bool is_ip_literal = false;  // it came in brackets: an IPv6 address
    std::optional<IpAddress> address;  // the host is an address: also for 0x7f.1, 2130706433, 0177.0.0.1 and 127.1, which all are 127.0.0.1
    std::uint16_t port = 0;  // 0: none given
    std::string userinfo;  // as it came, without the "@"

    // "host", "[2001:db8::1]", and ":port" unless `written_port` is 0.
    void append_to(std::string& out, std::uint16_t written_port) const;
};

// "host", "host:port", "[v6]:port". An empty port after the colon counts as none; port 0 is refused.
Result<Authority> parse_authority(std::string_view text, bool userinfo_allowed);
// The same into an object that is used again: its strings keep their room. After an error its contents are unspecified.
Result<void> parse_authority(std::string_view text, bool userinfo_allowed, Authority& out);

// A host alone (no port, no userinfo), in the form that `Authority::host` has: for lists and rules.
Result<std::string> canonical_host(std::string_view host);

// An http, https or ftp URL. Parse into the same object again and again: nothing is allocated once its strings have their size.
struct Url {
    std::string scheme;  // "http", "https" or "ftp"
    Authority authority;
    std::uint16_t port = 0;  // the one given, or the scheme's
    std::string path;  // canonical (RFC 3986 6.2.2): no dot segments, no needless escapes, upper-case triplets, never empty
    std::string query;  // canonical, without the "?"
    bool has_query = false;
    std::string raw_target;  // path and query as they came, valid, for the request line: never empty, starts with "/"

    // For `url.full`: no userinfo, no default port, canonical throughout.
    std::string canonical() const;
    void append_canonical(std::string& out) const;
    // Lower case, after the last dot of the last segment; empty if there is none. A view into this object.
    std::string_view extension() const { return extension_; }

    std::string extension_;
};

// 0 for a scheme that is not known.
std::uint16_t default_port(std::string_view scheme);

// An absolute URL: "http://host/path?query". Refused: another scheme, no host, a fragment, controls, space, DEL, and encoded NUL, CR or LF.
// Octets 0x80–0xff and what browsers send raw (| ^ { } " [ ] \ ` < >) are taken, and escaped in `path` and `query`; so is a stray "%".
// A userinfo is taken: whether it is wanted is for the caller to say (RFC 9110 4.2.4).
Result<Url> parse_url(std::string_view absolute);
Result<void> parse_url(std::string_view absolute, Url& out);

// Path, query, raw_target and extension from an origin-form ("/path?query"); scheme and authority stay. Refuses what parse_url refuses.
Result<void> set_target(Url& url, std::string_view origin_form);

}  // namespace sluice
