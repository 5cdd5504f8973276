// SPDX-License-Identifier: Apache-2.0
#include "inspect/member_findings.h"

#include "base/text.h"

namespace sluice::inspect {

MemberFindings to_findings(const Member& member) {
    MemberFindings out;
    out.path = member.path;
    const std::string_view name = std::string_view(member.path).substr(member.path.find_last_of("/\\") + 1);
    out.extension = file_extension(name);
    out.size = member.size;
    if (!member.is_encrypted) out.type = sniff(member.first_bytes);
    if (member.sha256) out.sha256 = to_hex(*member.sha256);
    out.outcome = member.outcome;
    out.body = member.body;
    return out;
}

}  // namespace sluice::inspect
