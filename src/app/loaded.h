// SPDX-License-Identifier: Apache-2.0
// The configuration with its policy: all that a start, a reload, `check` and `explain` need, and every fault there is.
#pragma once

#include "app/config.h"
#include "base/diagnostic.h"
#include "policy/policy.h"

#include <memory>
#include <string>

namespace sluice::app {

struct Loaded {
    Config config;
    std::shared_ptr<const policy::Policy> policy;          // null when there are errors
    Diagnostics faults;                                    // warnings too

    bool is_usable() const { return policy != nullptr && !has_errors(faults); }
};

// Reads files, lists among them: takes seconds where they are large. `previous`: lists that did not change are shared with it; may be null.
Loaded load(const std::string& config_option, const policy::Policy* previous);

// Each fault as a person reads it, one after the other.
std::string to_string(const Diagnostics& faults);

}  // namespace sluice::app
