// SPDX-License-Identifier: Apache-2.0
// What rules look for in payloads: `body contains "…"` and `body matches "…"`. The signature engine compiles all of them together and looks
// for them while the bytes pass; a rule only asks which were found.
#pragma once

#include <string>
#include <string_view>

#include "policy/expression.h"

namespace sluice::policy {

struct BodyPattern {
    std::string text;  // bytes to find, or a regular expression, as the rule has it
    bool regex = false;
    bool nocase = false;  // of ASCII letters
    friend bool operator==(const BodyPattern&, const BodyPattern&) = default;
};

// Why `body` takes no such pattern, for a person; empty: it does. Regular expressions have RE2's syntax, without what a streaming automaton
// cannot do or reads in another way (docs/rules.md has the list).
std::string body_pattern_fault(const BodyPattern& pattern);

// What a rule writes in place of this comparison with `body`; empty: the comparison goes.
std::string_view instead_of_body(Comparison comparison);

}  // namespace sluice::policy
