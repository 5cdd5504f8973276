// SPDX-License-Identifier: Apache-2.0
// Diagnostics: what the process says about itself to people, on standard error, each with its time.
#pragma once

#include "app/config.h"

namespace sluice::app {

void set_up_diagnostics(Level level);
void set_diagnostics_level(Level level);                   // from any thread

}  // namespace sluice::app
