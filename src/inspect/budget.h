// SPDX-License-Identifier: Apache-2.0
// Bytes that all payloads of the process may take together. From any thread; what is taken is given back by whoever took it.
#pragma once

#include <atomic>
#include <cstdint>

namespace sluice::inspect {

class Budget {
public:
    explicit Budget(std::uint64_t limit) : limit_(limit) {}

    bool take(std::uint64_t bytes) {
        if (used_.fetch_add(bytes, std::memory_order_relaxed) + bytes <= limit_.load(std::memory_order_relaxed)) return true;
        give_back(bytes);
        return false;
    }
    // Beyond the limit if need be: for the little that is read already and must go somewhere.
    void take_anyway(std::uint64_t bytes) { used_.fetch_add(bytes, std::memory_order_relaxed); }
    void give_back(std::uint64_t bytes) { used_.fetch_sub(bytes, std::memory_order_relaxed); }
    void set_limit(std::uint64_t limit) { limit_.store(limit, std::memory_order_relaxed); }
    bool is_used_up() const { return used() >= limit_.load(std::memory_order_relaxed); }
    std::uint64_t used() const { return used_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> limit_;
    std::atomic<std::uint64_t> used_{0};
};

}  // namespace sluice::inspect
