// SPDX-License-Identifier: Apache-2.0
// The scanner processes as this program starts them: itself, by a first argument that no person gives.
#pragma once

#include "inspect/scanner/scanner_pool.h"

#include <memory>
#include <optional>

namespace sluice::app {

// The pool, without rules yet: `load` follows. Null where the system has nothing left, which was said.
std::unique_ptr<inspect::ScannerPool> start_scanners();

// Whether this process is the supervisor of scanners: then its whole life, and its exit code.
std::optional<int> run_as_supervisor(int argc, char** argv);

}  // namespace sluice::app
