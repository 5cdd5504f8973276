// SPDX-License-Identifier: Apache-2.0
// What of a URL must not reach the log: the values of named query parameters, and userinfo (RFC 3986 3.2.1) always. When in doubt it
// hides more: parameters may begin after "&" and ";", but a hidden value ends at "&" alone, because servers differ.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::audit {

class Redaction {
public:
    static constexpr std::string_view replacement = "REDACTED";

    Redaction() = default;  // hides no parameter
    // Names of query parameters, compared ignoring ASCII case after percent-decoding ("+" is a space).
    explicit Redaction(const std::vector<std::string>& names);

    struct Range {
        std::size_t begin;
        std::size_t end;
    };
    // The next value at or after `from`, where a parameter's name must begin, that is to be hidden; begin == npos: none. To go on, pass
    // `end`.
    Range next(std::string_view query, std::size_t from) const;
    bool empty() const { return names_.empty(); }

private:
    bool names_it(std::string_view name, bool encoded) const;

    std::vector<std::string> names_;  // lower case
    std::uint64_t lengths_ = 0;  // bit n: a name of n bytes (63: that many or more)
};

// A URL or URL reference in parts, without its userinfo and fragment: `before` + `after` + (`has_query` ? "?" + `query`) is what may be
// shown, once the query is redacted. Reads what clients send, so also "//user@host", "http:\\user@host" and "http:user@host", as browsers
// would.
struct UrlParts {
    std::string_view before;  // scheme and slashes
    std::string_view after;  // host, port and path
    std::string_view query;
    bool has_query = false;
};
UrlParts without_userinfo(std::string_view url);

// The same as text, for diagnostics and pages. Allocates.
std::string redacted_url(std::string_view url, const Redaction& redaction);

}  // namespace sluice::audit
