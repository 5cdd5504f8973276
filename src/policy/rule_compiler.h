// SPDX-License-Identifier: Apache-2.0
// One [[rule]] as it was written becomes a rule and its condition: keys, actions and values are checked here.
#pragma once

#include <optional>
#include <span>

#include "base/diagnostic.h"
#include "policy/checker.h"
#include "policy/condition.h"
#include "policy/rule.h"
#include "policy/source.h"

namespace sluice::policy {

struct CompiledRule {
    Rule rule;
    Condition condition;
    std::optional<Phase> asked_phase;
    bool good = false;                                   // else `diagnostics` say why, and only the name is of use
};

// Reports every fault of the rule.
CompiledRule compile_rule(const RuleSource& source, std::span<const ListName> lists, AtomTable& table, Diagnostics& diagnostics);

}  // namespace sluice::policy
