// SPDX-License-Identifier: Apache-2.0
// What a configuration inspects payloads with: its signature files read, and compiled together with what its rules ask of `body`.
#pragma once

#include "app/config.h"
#include "base/diagnostic.h"
#include "inspect/inspection.h"
#include "policy/policy.h"

#include <memory>

namespace sluice::app {

// Reads files and compiles: seconds where there are many thousands of signatures. Null after an error in `faults`. `previous` (or null): a set of
// patterns that is the same is shared with it.
std::shared_ptr<const inspect::Setup> load_inspection(const Config& config, const policy::Policy& policy, Diagnostics& faults,
                                                      const inspect::Setup* previous);

}  // namespace sluice::app
