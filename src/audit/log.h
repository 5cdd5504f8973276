// SPDX-License-Identifier: Apache-2.0
// The event log: one lane a worker, one writer thread. The workers never wait for the disk. A write that fails is counted, said on the
// diagnostics once a minute, and tried again; what finds no room meanwhile is dropped and counted, and when the log has caught up a line
// of its own says how many (`event.kind: metric`, `event.action: dropped`, `log.dropped`). The destination never keeps half a line where
// that can be helped.
#pragma once

#include "audit/lane.h"
#include "audit/line_queue.h"
#include "audit/log_sink.h"
#include "base/limits.h"
#include "base/result.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace sluice::audit {

struct LogOptions {
    std::string destination = "-";  // "-": standard output; "": none, events are not even encoded; else a path, appended to, made with 0640
    std::size_t queue_bytes = Limits{}.log_queue;  // of each worker
    std::size_t text_limit = Limits{}.log_text;
    std::function<void(std::string_view)> report;  // diagnostics for people; called on the writer's thread
    std::chrono::milliseconds retry{1'000};  // after a write that failed
    std::chrono::milliseconds report_interval{60'000};
    std::chrono::milliseconds stop_within{3'000};  // how long `stop` tries to write the rest
};

class Log {
public:
    Log(LogOptions options, std::size_t workers);
    ~Log();  // as `stop`
    Log(const Log&) = delete;
    Log& operator=(const Log&) = delete;

    // Usable before `start`: what is written waits. A lane belongs to one thread; it lives as long as the log.
    Lane& lane(std::size_t worker) { return *lanes_[worker]; }

    // Opens the destination and starts the writer: call it once privileges are as they shall be. Errors: io_failed, self.
    Result<void> start();
    // Writes what the lanes hold, and ends the writer. Call it when the workers have ended.
    void stop();
    // For rotation: opens the destination's name anew, or another destination. On an error the old one stays in use. When it returns,
    // what is written from now on goes to the new file (unless the old one hangs: then as soon as it can). Any thread but the writer's.
    Result<void> reopen();
    Result<void> reopen(std::string destination);

    struct Counters {
        std::uint64_t written = 0;  // lines
        std::uint64_t bytes = 0;
        std::uint64_t dropped_full = 0;  // the queue was full: events come faster than they can be written
        std::uint64_t dropped_disk = 0;  // the queue was full because writing failed; or failed until the end
        std::uint64_t write_errors = 0;
    };
    Counters counters() const;  // any thread
    bool failing() const { return state_.failing.load(std::memory_order_relaxed); }

private:
    using Clock = std::chrono::steady_clock;

    void run();
    void switch_sink();
    enum class Progress { caught_up, more, stuck };
    Progress drain();
    bool write(Chunk& chunk);  // false: the destination does not take more now
    void wait_for_retry();
    bool has_next_sink();
    std::uint64_t all_dropped() const;
    void say_drops_to_people();
    void say_drops_in_log(bool stopping);
    void note_error(int error);
    void give_up_rest();
    void report(const std::string& message) const;
    Result<void> replace(std::string destination);

    LogOptions options_;
    Signal signal_;
    LogState state_;
    std::vector<std::unique_ptr<Lane>> lanes_;
    std::thread writer_;

    // The writer's own.
    std::optional<LogSink> sink_;
    Chunk notice_{4096};  // the line about drops
    std::uint64_t said_in_log_ = 0;  // drops
    std::uint64_t said_to_people_ = 0;
    std::int64_t first_drop_ns_ = 0;
    std::optional<Clock::time_point> error_said_, drops_said_, noticed_;
    EventIds ids_;

    // Between the writer and others.
    std::mutex mutex_;
    std::condition_variable switched_;
    std::string destination_;  // guarded by mutex_, as are the next two
    std::optional<std::optional<LogSink>> next_sink_;
    bool running_ = false;
    std::atomic<bool> stopping_{false};
    std::atomic<std::uint64_t> written_{0}, bytes_{0}, write_errors_{0}, given_up_{0};
};

}  // namespace sluice::audit
