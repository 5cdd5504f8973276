// SPDX-License-Identifier: Apache-2.0
// What a scanner does: one job after the other, in its sandbox.
#pragma once

#include "inspect/descriptor.h"
#include "inspect/scanner/archive_engine.h"
#include "inspect/scanner/sandbox.h"
#include "inspect/scanner/yara_engine.h"

#include <vector>

namespace sluice::inspect {

// Ends the process when the socket is closed, when it is told something that is no job, and some time after a job's deadline.
[[noreturn]] void run_scanner(Descriptor socket, const SandboxLimits& limits, const YaraRules& rules,
                              std::vector<ArchiveEngine::Engine> engines);

}  // namespace sluice::inspect
