// SPDX-License-Identifier: Apache-2.0
// When each rule is judged: as early as everything it reads is known.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "policy/condition.h"
#include "policy/program.h"
#include "policy/rule.h"

namespace sluice::policy {

struct PlacementInput {
    const Rule* rule = nullptr;
    const Condition* condition = nullptr;
    std::optional<Phase> asked;                          // `phase = "…"`
};

struct PlacementFault {
    enum class Key : std::uint8_t { when, phase, action, ranges, rule };
    std::size_t rule = 0;
    Key key = Key::rule;                                 // what of the rule it is about
    std::string message;
    bool warning = false;
};

// One set of moments for each rule.
std::vector<Moments> place_rules(std::span<const PlacementInput> rules, std::vector<PlacementFault>& faults);
// Warnings where a rule reads what this version never knows. `knows_countries`: there is a database of them.
void warn_of_unknown_fields(std::span<const PlacementInput> rules, std::span<const Moments> moments, bool knows_countries,
                            std::vector<PlacementFault>& faults);
// Warnings where a rule is decided in an earlier phase than one that is written above it, one for each rule.
void warn_of_overtaking(std::span<const PlacementInput> rules, std::span<const Moments> moments, std::vector<PlacementFault>& faults);

bool decides(Action action);

}  // namespace sluice::policy
