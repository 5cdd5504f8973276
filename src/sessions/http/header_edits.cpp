// SPDX-License-Identifier: Apache-2.0
#include "sessions/http/header_edits.h"

#include <algorithm>

#include "base/text.h"

namespace sluice::http {

bool HeaderEdits::touches(std::string_view name) const {
    return std::ranges::any_of(rules_,
                               [&](const policy::Rule* rule) { return is_ours(*rule) && equals_ignoring_case(rule->edit.name, name); });
}

void HeaderEdits::write(http1::HeadWriter& writer) const {
    for (std::size_t i = 0; i < rules_.size(); ++i) {
        if (rules_[i]->action != set_) continue;
        const bool overruled = std::any_of(
            rules_.begin() + static_cast<std::ptrdiff_t>(i) + 1, rules_.end(),
            [&](const policy::Rule* later) { return is_ours(*later) && equals_ignoring_case(later->edit.name, rules_[i]->edit.name); });
        if (!overruled) writer.field(rules_[i]->edit.name, rules_[i]->edit.value);
    }
}

}  // namespace sluice::http
