// SPDX-License-Identifier: Apache-2.0
#include "policy/inspect_options.h"

#include <functional>

#include "policy/policy.h"

namespace sluice::policy {

InspectOptions inspect_options(const Effects& effects, Direction direction) {
    InspectOptions out;
    // All are rules of one policy, which stand in one array in file order.
    const auto first = [&](const auto& has_key) {
        const Rule* found = nullptr;
        for (const Effects::Inspection& inspection : effects.inspections) {
            if (inspection.direction != Direction::either && inspection.direction != direction) continue;
            if (has_key(inspection.rule->inspect) && (found == nullptr || std::less<>{}(inspection.rule, found))) found = inspection.rule;
        }
        return found;
    };
    const auto take = [&](auto member) {
        const Rule* rule = first([&](const InspectOptions& options) { return (options.*member).has_value(); });
        if (rule != nullptr) out.*member = rule->inspect.*member;
        return rule;
    };
    out.engines_rule = take(&InspectOptions::engines);
    take(&InspectOptions::deliver);
    take(&InspectOptions::whole);
    take(&InspectOptions::ranges);
    take(&InspectOptions::max_size);
    take(&InspectOptions::trickle);
    return out;
}

}  // namespace sluice::policy
