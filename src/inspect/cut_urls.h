// SPDX-License-Identifier: Apache-2.0
// URLs whose transfer a verdict has cut: whoever comes back for the rest gets all of it or nothing. Shared by all workers; asked only where a part is
// asked for.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <random>
#include <string_view>
#include <unordered_map>

#include "base/limits.h"

namespace sluice::inspect {

class CutUrls {
public:
    using Clock = std::chrono::steady_clock;

    explicit CutUrls(const Limits& limits) : most_(limits.cut_urls), time_(limits.whole_after_cut) {}

    void add(std::string_view url) {
        const std::lock_guard lock(mutex_);
        if (until_.size() >= most_) std::erase_if(until_, [now = Clock::now()](const auto& known) { return known.second <= now; });
        if (until_.size() >= most_) until_.clear();
        until_[key_of(url)] = Clock::now() + time_;
    }
    bool has(std::string_view url) {
        const std::lock_guard lock(mutex_);
        const auto found = until_.find(key_of(url));
        return found != until_.end() && found->second > Clock::now();
    }

private:
    // Of two URLs with the same hash the other one is fetched whole too, which is no harm.
    std::uint64_t key_of(std::string_view url) const { return std::hash<std::string_view>{}(url) ^ seed_; }

    const std::size_t most_;
    const Limits::Duration time_;
    const std::uint64_t seed_ = std::random_device{}();
    std::mutex mutex_;
    std::unordered_map<std::uint64_t, Clock::time_point> until_;
};

}  // namespace sluice::inspect
