// SPDX-License-Identifier: Apache-2.0
// What a scanner tells of a member, as rules see it.
#pragma once

#include "inspect/findings.h"
#include "inspect/scanner/member.h"

namespace sluice::inspect {

MemberFindings to_findings(const Member& member);

}  // namespace sluice::inspect
