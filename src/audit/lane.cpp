// SPDX-License-Identifier: Apache-2.0
#include "audit/lane.h"

namespace sluice::audit {

namespace {

constexpr std::size_t kept_scratch = 1024 * 1024;

}  // namespace

Lane::Lane(std::size_t queue_bytes, std::size_t text_limit, Signal& writer, const LogState& state)
    : queue_(queue_bytes, writer),
      state_(state),
      encoder_(text_limit),
      redaction_(std::make_shared<const Redaction>()),
      room_below_(queue_bytes - queue_bytes / 4) {}

bool Lane::write(const Event& event) {
    if (!state_.enabled.load(std::memory_order_relaxed)) return true;
    const std::size_t bound = encoder_.bound(event);
    if (bound <= LineQueue::chunk_bytes / 4) {
        char* room = queue_.reserve(bound);
        if (!room) return drop();
        queue_.commit(static_cast<std::size_t>(encoder_.encode(event, *redaction_, room) - room));
        return true;
    }
    // Rare, long texts: seldom as long as they could be, so measured before they get room.
    if (!scratch_ || scratch_->capacity < bound) scratch_ = std::make_unique<Chunk>(bound);
    char* start = scratch_->bytes.get();
    const bool written = append({start, encoder_.encode(event, *redaction_, start)});
    if (bound > kept_scratch) scratch_.reset();
    return written;
}

bool Lane::append(std::string_view line) {
    if (!state_.enabled.load(std::memory_order_relaxed)) return true;
    char* room = queue_.reserve(line.size());
    if (!room) return drop();
    line.copy(room, line.size());
    queue_.commit(line.size());
    return true;
}

void Lane::redact(std::shared_ptr<const Redaction> redaction) {
    redaction_ = redaction ? std::move(redaction) : std::make_shared<const Redaction>();
}

bool Lane::drop() {
    std::atomic<std::uint64_t>& count = state_.failing.load(std::memory_order_relaxed) ? dropped_disk_ : dropped_full_;
    count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    return false;
}

}  // namespace sluice::audit
