// SPDX-License-Identifier: Apache-2.0
// Regular expressions over payloads: of signatures (`regex = …`) and of rules (`body matches …`). Taken is the part of RE2's syntax that means
// the same over bytes in RE2 and in Vectorscan, written anew for the latter; the rest is refused where it is loaded:
//
//   taken     literals; . [abc] [^a-z] [[:alpha:]] \d \D \s \S \w \W; \t \n \r \f \a \xHH \x{HH}; \ before punctuation;
//             x* x+ x? x{n} x{n,} x{n,m} with n, m up to Limits::expression_repeat, nested ones multiplied;
//             ab a|b (x) (?:x) (?P<name>x); (?i) (?s) (?i:x) (?-s:x); ^ $ \A \z \b \B
//   refused   back references, look-around, atomic groups, possessive repeats, conditions, \Q \C \p \v \h \R \K \G, octal escapes, (?m) (?U);
//             `{` that is no repeat; characters beyond ASCII in a class, repeated, or where case is ignored
//
// `.` is any byte but a line feed, with (?s) any byte. `^` and `$` are the payload's two ends. Whether an expression matches does not depend on
// a repeat being greedy: `x*?` is taken and means `x*`. Groups capture nothing. An expression never matches the empty string.
#pragma once

#include "base/limits.h"

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>

namespace sluice::inspect {

struct RegularExpression {
    static constexpr std::size_t unbounded = static_cast<std::size_t>(-1);

    std::string vectorscan;  // the same in Vectorscan's syntax; needs no flags
    std::size_t shortest = 0;  // bytes of a match
    std::size_t longest = 0;  // or `unbounded`
    // How much a match says, at least: 8 bits for a literal byte (in any case), less for a class (log2 of 256 over its size), 0 for any byte.
    double bits = 0;
    std::size_t fewest_digits = 0;  // that a match surely holds
    std::size_t most_digits = 0;  // that it can hold, or `unbounded`
};

struct ExpressionFault {
    std::size_t position;  // in bytes into the expression
    std::string message;
};

std::expected<RegularExpression, ExpressionFault> parse_regular_expression(std::string_view text, bool ignoring_case, const Limits& limits);

// Bytes that stand for themselves, in Vectorscan's syntax.
std::string escaped(std::string_view bytes, bool ignoring_case);

}  // namespace sluice::inspect
