// SPDX-License-Identifier: Apache-2.0
// What one object may cost a scanner. Every number is an upper bound for what an archive can make of itself.
#pragma once

#include <cstdint>

namespace sluice::inspect {

struct ScanLimits {
    std::uint32_t depth = 8;                                 // archives inside one another that are opened; deeper: too-deep
    std::uint32_t members = 10'000;                          // of the object, all depths together; beyond: bomb
    std::uint64_t member_bytes = 128ULL << 20;               // one member, unpacked: it is held in memory; beyond: too-large
    std::uint64_t total_bytes = 1ULL << 30;                  // all members, unpacked; beyond: bomb
    std::uint32_t ratio = 250;                               // unpacked to packed, an archive and all that is in it; beyond: bomb
    std::uint64_t ratio_floor = 16ULL << 20;  // unpacked octets from which on the ratio counts: small things may be as dense as they like
    bool operator==(const ScanLimits&) const = default;
};

}  // namespace sluice::inspect
