// SPDX-License-Identifier: Apache-2.0
#include "policy/builtin.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace sluice::policy {
namespace {

// The scanner's trouble, or an attack on it.
constexpr std::array<std::string_view, 6> always_refused{"timeout", "crashed", "overloaded", "no-space", "engine-down", "bomb"};
// Ordinary files have these too: only what runs is refused for them.
constexpr std::array<std::string_view, 4> refused_of_programs{"encrypted", "corrupt", "undecodable", "truncated"};

Rule payload_rule(std::string_view name, std::string_view when, std::string_view reason) {
    Rule rule;
    rule.name = name;
    rule.when = when;
    rule.reason = reason;
    rule.action = Action::block;
    rule.phases.fill(Phase::verdict);
    rule.reads_scan = true;
    return rule;
}

bool has_verdict(const Facts& facts, std::string_view verdict) {
    return facts.has(Field::scan_verdict) && facts.text(Field::scan_verdict) == verdict;
}

bool is_refused(std::string_view reason, bool is_program) {
    return std::ranges::find(always_refused, reason) != always_refused.end() ||
           (is_program && std::ranges::find(refused_of_programs, reason) != refused_of_programs.end());
}

}  // namespace

Rule malware_rule() { return payload_rule("malware", "scan.verdict == \"infected\"", "Malware was found in this file."); }

bool is_malware(const Facts& facts) { return has_verdict(facts, "infected"); }

Rule unscanned_rule() {
    return payload_rule(
        "unscanned",
        "scan.verdict == \"unscannable\", because of timeout, crashed, overloaded, no-space, engine-down or bomb; of programs "
        "and scripts, and what nobody can tell, also encrypted, corrupt, undecodable or truncated",
        "This file could not be checked for malware.");
}

bool is_unscanned(const Facts& facts) {
    if (!has_verdict(facts, "unscannable") || !facts.has(Field::scan_reason)) return false;
    const auto refused = [&](std::string_view reason) { return is_refused(reason, facts.is_program()); };
    if (facts.is_many(Field::scan_reason)) return std::ranges::any_of(facts.many(Field::scan_reason), refused);
    return refused(facts.text(Field::scan_reason));
}

}  // namespace sluice::policy
