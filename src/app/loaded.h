// SPDX-License-Identifier: Apache-2.0
// The configuration with its policy: all that a start, a reload, `check` and `explain` need, and every fault there is.
#pragma once

#include "app/config.h"
#include "app/interception.h"
#include "base/diagnostic.h"
#include "inspect/inspection.h"
#include "policy/policy.h"

#include <memory>
#include <string>

namespace sluice::app {

struct Loaded {
    Config config;
    std::shared_ptr<const policy::Policy> policy;          // null when there are errors
    std::shared_ptr<const inspect::Setup> inspect;         // null when there are errors
    Tls tls;                                               // empty when there are errors
    Diagnostics faults;                                    // warnings too

    bool is_usable() const { return policy != nullptr && inspect != nullptr && !has_errors(faults); }
};

// Reads files, lists and signatures among them: takes seconds where they are large. The former ones (or null): what did not change is shared with them.
Loaded load(const std::string& config_option, const policy::Policy* previous, const inspect::Setup* previous_inspect = nullptr);

// Each fault as a person reads it, one after the other.
std::string to_string(const Diagnostics& faults);

}  // namespace sluice::app
