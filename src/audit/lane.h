// SPDX-License-Identifier: Apache-2.0
// A worker's way into the event log. Only its worker writes to it; the log's writer takes whole chunks off its other end. No lock, no
// system call and, once it is warm, no allocation for an event. The writer is woken for a full chunk and by `flush`, not for an event.
#pragma once

#include "audit/event.h"
#include "audit/event_json.h"
#include "audit/line_queue.h"
#include "audit/redact.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace sluice::audit {

// What lanes and the writer know of each other.
struct LogState {
    std::atomic<bool> enabled{true};  // false: the destination is "", events are not even encoded
    std::atomic<bool> failing{false};  // the last write failed, nothing has been written since
};

class Lane {
public:
    Lane(std::size_t queue_bytes, std::size_t text_limit, Signal& writer, const LogState& state);

    // Serialises the event into the queue. False: there was no room; the event is lost and counted.
    bool write(const Event& event);
    // The same for a line that is already JSON; with its "\n".
    bool append(std::string_view line);
    // For `when_full = "wait"`: false while a quarter of the queue or less is free; then take no new request. Ask again after the
    // worker's tick.
    bool has_room() const { return queue_.queued() < room_below_; }
    // Gives what was written to the writer, if that has nothing else to do. Call it every 50 to 100 ms.
    void flush() { queue_.flush(); }
    // The parameters to hide from now on (configuration was loaded again). Nullptr: none.
    void redact(std::shared_ptr<const Redaction> redaction);

    // Readable from any thread.
    std::uint64_t dropped_full() const { return dropped_full_.load(std::memory_order_relaxed); }
    std::uint64_t dropped_disk() const { return dropped_disk_.load(std::memory_order_relaxed); }

    // For the log alone.
    LineQueue& queue() { return queue_; }

private:
    bool drop();

    LineQueue queue_;
    const LogState& state_;
    EventEncoder encoder_;
    std::shared_ptr<const Redaction> redaction_;
    std::unique_ptr<Chunk> scratch_;  // for lines that might be long
    std::size_t room_below_;
    std::atomic<std::uint64_t> dropped_full_{0};
    std::atomic<std::uint64_t> dropped_disk_{0};
};

}  // namespace sluice::audit
