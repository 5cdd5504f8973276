// SPDX-License-Identifier: Apache-2.0
// What a configuration inspects payloads with: its signature files read, and compiled together with what its rules ask of `body`.
#pragma once

#include "app/config.h"
#include "base/diagnostic.h"
#include "inspect/quarantine/quarantine.h"
#include "inspect/scanner/scanner_main.h"
#include "inspect/setup.h"
#include "policy/policy.h"

#include <expected>
#include <memory>
#include <string>
#include <string_view>

namespace sluice::app {

// Reads files and compiles: seconds where there are many thousands of signatures. Null after an error in `faults`. `previous` (or null): a set of
// patterns that is the same is shared with it.
std::shared_ptr<const inspect::Setup> load_inspection(const Config& config, const policy::Policy& policy, Diagnostics& faults,
                                                      const inspect::Setup* previous);

inspect::Quarantine::Options quarantine_options(const Config& config);
// How the scanner processes are started for it. Of no use with errors in `faults`.
inspect::SupervisorOptions supervisor_options(const Config& config, const inspect::Setup& setup, Diagnostics& faults);

// What payloads wait in, as the configuration and the environment (SLUICE_FAULTS) say. Unexpected: why not, for a person.
std::expected<std::unique_ptr<inspect::Shared>, std::string> open_inspection(const Config& config);

// "scanner-crash,disk-full": what goes wrong on order. The fault of a word that is none of them; "" for none.
std::string read_faults(std::string_view words, inspect::Shared& shared);

}  // namespace sluice::app
