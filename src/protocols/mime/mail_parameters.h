// SPDX-License-Identifier: Apache-2.0
// Content-Type, Content-Disposition and Content-Transfer-Encoding of mail, with their parameters, as readers that forgive much take them (RFC 2045 5.1, RFC
// 2231). Nothing is an error; what the grammar does not allow is said.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"

namespace sluice::mime {

struct MailParameter {
    std::string name;  // small letters, without what RFC 2231 adds
    std::string value;  // unquoted, not decoded
    int section = -1;  // of name*0, name*1…; -1: not continued
    bool is_extended = false;  // name*=
    bool is_quoted = false;
    bool is_odd = false;  // blanks, an open quote, octets behind a quote: readers cut it in several ways
    bool is_folded = false;  // over a line's end: readers put a blank there, or nothing
    std::string joined;  // where it is folded: with nothing there
    std::string raw;  // where it is odd, or has a backslash or a comment behind: as it stands, up to the semicolon
};

// What one parameter of a field may be.
struct ParameterReadings {
    std::vector<std::string> values;  // UTF-8 where a charset is said; in their order, each once; the plain ones first
    std::size_t plain = 0;  // so many of them are plain
    bool is_duplicate = false;  // more than one of the same form, that differ
    bool is_odd = false;
    bool is_broken = false;  // RFC 2231 broken: a section is missing or twice, no charset, a bad escape
};

struct MailField {
    std::string value;  // small letters, without comments: "text/plain", "base64", "attachment"
    bool is_odd =
        false;  // the value is not a token, or not type/subtype; or what stands between the parameters is none; or there are too many
    bool has_stray_word = false;  // among the parameters, without a value
    bool has_comment = false;  // one without an end, or with what separates parameters: who knows no comments finds parameters there
    std::vector<MailParameter> parameters;  // at most Limits::mail_parameters

    ParameterReadings find(std::string_view name) const;
};

enum class FieldGrammar : std::uint8_t {
    full,
    bare,  // of readers that know no comments, and no backslash in a quoted string: both are text
};

// `text`: unfolded, but for the line breaks, which stand in it still.
MailField parse_mail_field(std::string_view text, const Limits& limits, FieldGrammar grammar = FieldGrammar::full);

}  // namespace sluice::mime
