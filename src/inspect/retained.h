// SPDX-License-Identifier: Apache-2.0
// The bytes of one payload that wait for its verdict, in the order in which they came. Memory is counted on a budget that all payloads of the
// process share.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string_view>
#include <vector>

namespace sluice::inspect {

// From any thread. What is taken is given back by whoever took it.
class Budget {
public:
    explicit Budget(std::uint64_t limit) : limit_(limit) {}

    bool take(std::uint64_t bytes) {
        if (used_.fetch_add(bytes, std::memory_order_relaxed) + bytes <= limit_.load(std::memory_order_relaxed)) return true;
        give_back(bytes);
        return false;
    }
    void give_back(std::uint64_t bytes) { used_.fetch_sub(bytes, std::memory_order_relaxed); }
    void set_limit(std::uint64_t limit) { limit_.store(limit, std::memory_order_relaxed); }
    std::uint64_t used() const { return used_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> limit_;
    std::atomic<std::uint64_t> used_{0};
};

class Retained {
public:
    Retained() = default;
    ~Retained() { clear(); }
    Retained(const Retained&) = delete;
    Retained& operator=(const Retained&) = delete;

    // The budget must outlive what it pays for.
    void begin(Budget& budget);
    // Appended as a copy. How much was taken: all of it, unless the budget is used up.
    std::size_t append(std::string_view bytes);
    // The first `size` bytes as views, which live until `forget_taken` (or `clear`).
    void take(std::size_t size, std::vector<std::string_view>& out);
    void forget_taken();
    void clear();

    std::uint64_t size() const { return size_; }
    // All of it, for those who only look.
    void each(auto&& look) const {
        for (const Chunk& chunk : chunks_)
            if (chunk.end > chunk.begin) look(std::string_view(chunk.bytes.get() + chunk.begin, chunk.end - chunk.begin));
    }

private:
    struct Chunk {
        std::unique_ptr<char[]> bytes;
        std::size_t capacity = 0;
        std::size_t begin = 0;
        std::size_t end = 0;
    };
    bool add_chunk(std::size_t wanted);

    std::deque<Chunk> chunks_;
    std::size_t taken_chunks_ = 0;                       // at the front, whose bytes were given out by the last `take`
    std::uint64_t size_ = 0;
    Budget* budget_ = nullptr;
};

}  // namespace sluice::inspect
