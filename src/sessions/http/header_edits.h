// SPDX-License-Identifier: Apache-2.0
// What rules do to the header of one direction: in their order, the last word on a name counts.
#pragma once

#include <span>
#include <string_view>

#include "policy/rule.h"
#include "protocols/http1/encoder.h"

namespace sluice::http {

class HeaderEdits {
public:
    // `rules`: the effects of a transaction; only those two actions are looked at.
    HeaderEdits(std::span<const policy::Rule* const> rules, policy::Action set, policy::Action remove)
        : rules_(rules),
          set_(set),
          remove_(remove) {}

    // The field lines of that name do not go on as they came.
    bool touches(std::string_view name) const;
    // Writes what is set.
    void write(http1::HeadWriter& writer) const;

private:
    bool is_ours(const policy::Rule& rule) const { return rule.action == set_ || rule.action == remove_; }

    std::span<const policy::Rule* const> rules_;
    policy::Action set_;
    policy::Action remove_;
};

}  // namespace sluice::http
