// SPDX-License-Identifier: Apache-2.0
// A rule's condition as it was written, parsed but not yet checked. Positions are byte offsets into the text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/ip.h"

namespace sluice::policy {

// A fault in an expression: what a person reads, and where.
struct Fault {
    std::size_t position = 0;
    std::string message;
    bool warning = false;
};

struct Literal {
    enum class Kind : std::uint8_t { string, integer, size, duration, time_of_day, ip, boolean };
    Kind kind = Kind::string;
    std::string text;                                    // string
    std::int64_t number = 0;                             // bytes, ns, minutes since midnight, 0 or 1
    IpNetwork network;                                   // ip; a single address has the full prefix
    std::size_t position = 0;
};

enum class Function : std::uint8_t { none, exists, lower, len, all };

// field, field["name"], lower(field), all(lower(field))…: names as written, outermost function first.
struct Operand {
    std::vector<Function> functions;
    std::string field;
    std::string header;                                  // of field["name"], as written
    bool has_header = false;
    std::size_t position = 0;                            // of the first function or the field
    std::size_t field_position = 0;
};

enum class Comparison : std::uint8_t {
    equal,
    not_equal,
    less,
    less_equal,
    greater,
    greater_equal,
    in,
    contains,
    starts_with,
    ends_with,
    matches
};
std::string_view to_string(Comparison comparison);

struct Node {
    enum class Kind : std::uint8_t {
        any,
        every,                                      // or, and: over `children`
        negation,                                        // of children[0]
        constant,                                        // true, false: literals[0]
        bare,                                            // an operand alone: a boolean field, or exists(f)
        comparison,                                      // of the operand with `literals` (one, but for `in {…}`), or `list`
    };
    Kind kind = Kind::constant;
    std::vector<Node> children;
    Operand operand;
    Comparison comparison = Comparison::equal;
    std::vector<Literal> literals;
    bool is_set = false;                                 // `in {…}`
    std::string list;                                    // `in @list`
    std::size_t position = 0;                            // of the operator, or the first character
    std::size_t value_position = 0;                      // of what stands right
};

// What an expression may at most be. Configuration is trusted, but a mistake in it should be a message, not a stack overflow.
struct ExpressionLimits {
    std::size_t bytes = 256 * 1024;
    std::size_t depth = 64;
    std::size_t nodes = 4096;                            // comparisons and connectives; elements of sets do not count
};

// Parses the whole text. On a fault: the first syntax error, in `faults`, and a node that must not be used.
Node parse_expression(std::string_view text, std::vector<Fault>& faults, const ExpressionLimits& limits = {});

}  // namespace sluice::policy
