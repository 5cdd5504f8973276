// SPDX-License-Identifier: Apache-2.0
#include "policy/body_pattern.h"

#include <cstddef>

#include <fmt/format.h>
#include <re2/re2.h>

namespace sluice::policy {
namespace {

// Of one expression (bytes): a bound for the automaton of all of them, far beyond what a person writes.
constexpr std::size_t length_limit = 4096;

// `rest` begins with a backslash. What of it the two syntaxes do not share; empty: nothing.
std::string escape_fault(std::string_view rest) {
    const char c = rest.size() > 1 ? rest[1] : '\0';
    if (c == 'p' || c == 'P') return "Unicode classes do not go with `body`, whose bytes have no encoding";
    if (c == 'C') return "write `(?s:.)` for any byte: `\\C` does not go with `body`";
    if (c == 'v') return "write `\\x0b` for a vertical tab: `\\v` does not go with `body`";
    return {};
}

// `(?U)` and the like, in a group of flags; `rest` is what follows "(?".
bool swaps_greediness(std::string_view rest) {
    const std::size_t end = rest.find_first_not_of("imsU-");
    return end != std::string_view::npos && (rest[end] == ')' || rest[end] == ':') && rest.substr(0, end).contains('U');
}

// Walks over the expression, which is valid.
std::string syntax_fault(std::string_view expression) {
    bool in_class = false;
    for (std::size_t i = 0; i < expression.size(); ++i) {
        const std::string_view rest = expression.substr(i);
        if (rest.starts_with("\\Q") && !in_class) {
            const std::size_t end = expression.find("\\E", i);
            if (end == std::string_view::npos) return {};
            i = end + 1;
        } else if (rest[0] == '\\') {
            if (std::string fault = escape_fault(rest); !fault.empty()) return fault;
            ++i;
        } else if (in_class) {
            if (rest.starts_with("[:")) i = expression.find(":]", i) + 1;
            in_class = rest[0] != ']';
        } else if (rest[0] == '[') {
            in_class = true;
            if (rest.starts_with("[^")) ++i;
            if (expression.substr(i + 1).starts_with(']')) ++i;          // a bracket that comes first is itself
        } else if (rest.starts_with("(?") && swaps_greediness(rest.substr(2))) {
            return "`(?U)` does not go with `body`: it changes where a match ends, not whether there is one";
        }
    }
    return {};
}

// At the start, inside and at the end of words, between other characters, around a line feed: whether it matches nothing at all there.
bool matches_nothing(const RE2& expression) {
    for (const std::string_view text : {"", "ab  \n\na", " "})
        for (std::size_t at = 0; at <= text.size(); ++at)
            if (expression.Match(re2::StringPiece(text.data(), text.size()), at, at, RE2::ANCHOR_BOTH, nullptr, 0)) return true;
    return false;
}

}  // namespace

std::string_view instead_of_body(Comparison comparison) {
    switch (comparison) {
        case Comparison::contains:
        case Comparison::matches: return {};
        case Comparison::starts_with: return "its kind is `file.mime_type`, its beginning `body matches \"\\A…\"`";
        case Comparison::ends_with: return "its end is `body matches \"…\\z\"`";
        default: return "there are `contains` and `matches`; a certain file is told by `file.hash.sha256`";
    }
}

std::string body_pattern_fault(const BodyPattern& pattern) {
    const std::string_view expression = pattern.text;
    if (!pattern.regex) return expression.empty() ? "the empty text is in every payload" : "";
    if (expression.size() > length_limit) return fmt::format("a regular expression for `body` has at most {} bytes", length_limit);
    RE2::Options options(RE2::Latin1);                   // payloads are bytes
    options.set_log_errors(false);
    const RE2 compiled(re2::StringPiece(expression.data(), expression.size()), options);
    if (!compiled.ok()) return fmt::format("this regular expression is not valid: {}", compiled.error());
    if (std::string fault = syntax_fault(expression); !fault.empty()) return fault;
    if (matches_nothing(compiled)) return "this regular expression matches the empty text too, which is in every payload";
    return {};
}

}  // namespace sluice::policy
