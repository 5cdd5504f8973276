// SPDX-License-Identifier: Apache-2.0
// What a line of a community list means: plain entries, hosts files, the domain lines of ad blockers' filters, sha256sum's output, with
// comments and the other things that such files contain.
#pragma once

#include "base/ip.h"
#include "policy/lists/list.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::policy {

enum class LineKind : std::uint8_t {
    entries,                  // one or more
    nothing,                  // empty, a comment, a header, or a hosts line that only names the machine itself
    not_applicable,  // valid where it comes from, but nothing that a list can say: an exception, a filter on a path or on a page's parts
    bad,
};

// Reads lines of one type, one after the other. What it found stays valid until the next call.
class LineParser {
public:
    explicit LineParser(ListType type) : type_(type) {}
    // `line`: without its end; a carriage return and white space around it do not matter.
    LineKind parse(std::string_view line);
    // A value of the configuration: nothing is a comment.
    LineKind parse_value(std::string_view value);

    // domain: lower case names without final dot; url: "host[:port][/path]", canonical; sha256: 32 bytes; string: as it stands.
    const std::vector<std::string_view>& entries() const { return entries_; }
    // ip: both ends inside, IPv4-mapped ones unmapped.
    const IpAddress& first() const { return first_; }
    const IpAddress& last() const { return last_; }

private:
    LineKind parse_domains(std::string_view line);
    LineKind parse_filter(std::string_view pattern);
    LineKind parse_hosts(std::string_view names);
    LineKind parse_range(std::string_view text);
    LineKind parse_hash(std::string_view text);
    LineKind parse_url_entry(std::string_view text);
    bool add_domain(std::string_view name);
    LineKind finish();

    ListType type_;
    std::vector<std::string_view> entries_;
    std::string storage_;  // the entries' text, end to end
    std::vector<std::size_t> ends_;
    IpAddress first_, last_;
};

// A domain as a list means it: "example.com", ".example.com", "*.example.com", "EXAMPLE.com.", an international name, an IPv4 address.
// Appends it to `out`, lower case, in ASCII and without final dot. False: not a domain; `out` is as it was.
bool append_domain(std::string_view text, std::string& out);

// The 32 bytes of 64 hexadecimal digits.
std::optional<std::array<char, 32>> sha256_bytes(std::string_view hex);

// "host[:port][/path]" in canonical form, from a URL with or without scheme; query, fragment and slashes at the end are left out.
std::optional<std::string> url_entry(std::string_view text);

}  // namespace sluice::policy
