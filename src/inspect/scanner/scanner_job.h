// SPDX-License-Identifier: Apache-2.0
// What a scanner does: one job after the other, in its sandbox.
#pragma once

#include "inspect/descriptor.h"
#include "inspect/scanner/archive_engine.h"
#include "inspect/scanner/sandbox.h"
#include "inspect/scanner/yara_engine.h"
#include "inspect/signatures/pattern_stream.h"

#include <memory>
#include <vector>

namespace sluice::inspect {

// What the supervisor has loaded for all scanners, which have it by fork.
struct ScannerTools {
    std::unique_ptr<YaraRules> rules;
    std::shared_ptr<const PatternSet> patterns;  // null: there are none
    PatternScratch scratch{Limits{}};  // has been used with `patterns`: in a sandbox less can be had
    std::vector<ArchiveEngine::Engine> engines;  // look at every layer of every object, before YARA
};

// Ends the process when the socket is closed, when it is told something that is no job, and some time after a job's deadline.
[[noreturn]] void run_scanner(Descriptor socket, const SandboxLimits& limits, ScannerTools& tools);

}  // namespace sluice::inspect
