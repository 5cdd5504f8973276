// SPDX-License-Identifier: Apache-2.0
// All that is known of a content once it was inspected.
#pragma once

#include "inspect/body_found.h"
#include "inspect/content/media_type.h"
#include "inspect/verdict.h"

#include <cstdint>
#include <string>
#include <vector>

namespace sluice::inspect {

// A member of an archive or a part of a form, as rules see it.
struct MemberFindings {
    std::string path;                                    // as the archive says; bytes
    std::string extension;                               // small letters
    std::uint64_t size = 0;
    MediaType type;
    std::string sha256;                                  // in small hexadecimal digits, where it was wanted
    Outcome outcome;
    BodyFound body;

    std::size_t size_kept() const {                      // octets that keeping it takes, about
        std::size_t out = sizeof(*this) + path.size() + sha256.size() + outcome.threat.size() + 8 * body.bits().size();
        for (const std::string& match : outcome.matches) out += sizeof(match) + match.size();
        return out;
    }
};

struct Findings {
    MediaType type;                                      // by all that was looked at
    Outcome outcome;                                     // of all engines, members included
    std::string sha256;
    BodyFound body;                                      // in the content itself
    std::vector<MemberFindings> members;

    std::size_t size() const {                           // octets that keeping it takes, about
        std::size_t out = sizeof(*this) + sha256.size() + outcome.threat.size() + 8 * body.bits().size();
        for (const std::string& match : outcome.matches) out += sizeof(match) + match.size();
        for (const MemberFindings& member : members) out += member.size_kept();
        return out;
    }
};

}  // namespace sluice::inspect
