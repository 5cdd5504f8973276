// SPDX-License-Identifier: Apache-2.0
// Values with parameters: Content-Type (RFC 9110 8.3.1) and Content-Disposition (RFC 6266, RFC 7578 4.2). Strict: a value that two readers
// could take in two ways is an error, `malformed` on the client's side, never repaired.
#pragma once

#include "base/limits.h"
#include "base/result.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::mime {

// How quoted strings are read.
enum class Quoting : std::uint8_t {
    http,                    // RFC 9110 5.6.4: a backslash makes the next octet plain
    form,  // as browsers write form-data: %22, %0D and %0A are the octets that could not stand there, and a backslash is itself unless
    // a quote or another backslash follows, which older clients meant as RFC 822 has it ("C:\new\a.exe" is a path)
};

bool is_token_octet(char c);  // tchar of RFC 9110 5.6.2

struct Parameter {
    std::string name;  // lower case, without the "*"
    std::string value;  // unquoted; in UTF-8 where it was extended
    bool is_extended = false;  // name*=charset'language'value (RFC 8187)
};

struct ValueWithParameters {
    std::string value;  // lower case: "multipart/form-data", "attachment"
    std::vector<Parameter> parameters;

    // nullptr: there is none. At most one has this name and this form.
    const Parameter* find(std::string_view name, bool is_extended = false) const;
};

// `text`: a field's value, white space around it allowed. Errors: no value, a parameter without a value, white space around "=", an unfinished quote,
// controls, octets that need quotes, two parameters of one name; RFC 2231 continuations (name*0), which HTTP does not have; charsets other
// than UTF-8 and ISO-8859-1 (`unsupported`); more than Limits::header_parameters (`too_large`).
Result<ValueWithParameters> parse_with_parameters(std::string_view text, Quoting quoting, const Limits& limits);

}  // namespace sluice::mime
