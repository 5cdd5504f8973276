// SPDX-License-Identifier: Apache-2.0
#include "inspect/retained.h"

#include <algorithm>
#include <cstring>

namespace sluice::inspect {

namespace {

// Most payloads are small: a chunk is as large as what there is to keep, up to the size from which on larger ones gain nothing.
constexpr std::size_t least_chunk = 4 * 1024;
constexpr std::size_t largest_chunk = 256 * 1024;

}  // namespace

void Retained::begin(Budget& budget) {
    clear();
    budget_ = &budget;
}

std::size_t Retained::append(std::string_view bytes) {
    const std::size_t wanted = bytes.size();
    while (!bytes.empty()) {
        if (chunks_.empty() || chunks_.back().end == chunks_.back().capacity)
            if (!add_chunk(bytes.size())) break;
        Chunk& chunk = chunks_.back();
        const std::size_t count = std::min(bytes.size(), chunk.capacity - chunk.end);
        std::memcpy(chunk.bytes.get() + chunk.end, bytes.data(), count);
        chunk.end += count;
        size_ += count;
        bytes.remove_prefix(count);
    }
    return wanted - bytes.size();
}

bool Retained::add_chunk(std::size_t wanted) {
    const std::size_t doubled = chunks_.empty() ? least_chunk : 2 * chunks_.back().capacity;
    const std::size_t capacity = std::clamp(std::max(wanted, doubled), least_chunk, largest_chunk);
    if (!budget_->take(capacity)) return false;
    chunks_.push_back({std::make_unique_for_overwrite<char[]>(capacity), capacity});
    return true;
}

void Retained::take(std::size_t size, std::vector<std::string_view>& out) {
    size_ -= size;
    for (std::size_t i = taken_chunks_; size > 0; ++i) {
        Chunk& chunk = chunks_[i];
        const std::size_t count = std::min(size, chunk.end - chunk.begin);
        if (count > 0) out.emplace_back(chunk.bytes.get() + chunk.begin, count);
        chunk.begin += count;
        size -= count;
        if (chunk.begin == chunk.capacity) ++taken_chunks_;
    }
}

void Retained::forget_taken() {
    for (; taken_chunks_ > 0; --taken_chunks_) {
        budget_->give_back(chunks_.front().capacity);
        chunks_.pop_front();
    }
}

void Retained::clear() {
    for (const Chunk& chunk : chunks_) budget_->give_back(chunk.capacity);
    chunks_.clear();
    taken_chunks_ = 0;
    size_ = 0;
}

}  // namespace sluice::inspect
