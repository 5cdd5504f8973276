// SPDX-License-Identifier: Apache-2.0
// The life of the scanner processes. A supervisor, our own binary started anew, loads everything once: libraries, locale, YARA rules. Then it forks
// scanners from that memory, and another whenever one has ended. It never sees a payload; a scanner sees payloads and nothing else (sandbox.h).
//
// Each scanner talks to the proxy over a socket of its own, which the supervisor makes and passes on (protocol.h). When the proxy shuts the
// supervisor's socket, no more are born, and it ends with the last one. A scanner ends when its socket is closed, and by its own alarm soon after a
// deadline: so nothing is left of either when the proxy dies. When the supervisor dies, its scanners go on.
#pragma once

#include "base/result.h"
#include "inspect/descriptor.h"
#include "inspect/scanner/archive_engine.h"
#include "inspect/scanner/sandbox.h"

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace sluice::inspect {

struct SupervisorOptions {
    unsigned scanners = 1;
    SandboxLimits sandbox;
    std::vector<std::string> rules;  // YARA's files
    std::shared_ptr<const Descriptor> patterns;  // sealed memory with a PatternSet's image; null: there are none
};

// The supervisor finds its socket there, and behind it the patterns, if there are any.
inline constexpr int supervisor_descriptor = 3;
inline constexpr int patterns_descriptor = 4;

// What the supervisor's command line says, and back again, with the descriptor that came with it. malformed: nobody but us writes them.
std::vector<std::string> to_arguments(const SupervisorOptions& options);
Result<SupervisorOptions> from_arguments(std::span<const std::string> arguments);

// The supervisor's whole life: its exit code. Single-threaded, and stays so. `engines` look at every layer of every object, before YARA.
int run_supervisor(int descriptor, const SupervisorOptions& options, std::vector<ArchiveEngine::Engine> engines = {});

}  // namespace sluice::inspect
