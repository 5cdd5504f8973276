// SPDX-License-Identifier: Apache-2.0
// Of the policy's patterns for `body`, those that were found: a bit for each, by its number (Policy::body_patterns).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sluice::inspect {

class BodyFound {
public:
    static constexpr std::size_t most = 4096;  // patterns of a policy

    void set(std::size_t pattern) {
        if (bits_.size() <= pattern / 64) bits_.resize(pattern / 64 + 1);
        bits_[pattern / 64] |= std::uint64_t{1} << (pattern % 64);
    }
    void add(const BodyFound& other) {
        if (bits_.size() < other.bits_.size()) bits_.resize(other.bits_.size());
        for (std::size_t i = 0; i < other.bits_.size(); ++i) bits_[i] |= other.bits_[i];
    }
    const std::vector<std::uint64_t>& bits() const { return bits_; }
    bool operator==(const BodyFound&) const = default;

private:
    std::vector<std::uint64_t> bits_;
};

}  // namespace sluice::inspect
