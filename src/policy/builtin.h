// SPDX-License-Identifier: Apache-2.0
// The rules that are always there for payloads, unless turned off by name in [builtin]. They are judged in phase `verdict`, after the user's.
#pragma once

#include "policy/facts.h"
#include "policy/rule.h"

namespace sluice::policy {

// Blocks what is infected.
Rule malware_rule();
bool is_malware(const Facts& facts);

// Blocks what could not be scanned for reasons that no benign payload has, and programs and scripts (`Facts::set_program`) for any other
// reason that hides what they are.
Rule unscanned_rule();
bool is_unscanned(const Facts& facts);

}  // namespace sluice::policy
