// SPDX-License-Identifier: Apache-2.0
#include "audit/log.h"

#include "audit/event_json.h"

#include <fmt/format.h>

#include <pthread.h>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

namespace sluice::audit {

namespace {

constexpr std::chrono::milliseconds idle_wait{1'000};
constexpr std::chrono::milliseconds stalled_wait{10};
constexpr std::chrono::milliseconds switch_wait{2'000};
constexpr int rounds = 64;

std::int64_t unix_now() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

Log::Log(LogOptions options, std::size_t workers) : options_(std::move(options)), destination_(options_.destination) {
    state_.enabled = !destination_.empty();
    for (std::size_t i = 0; i < workers; ++i)
        lanes_.push_back(std::make_unique<Lane>(options_.queue_bytes, options_.text_limit, signal_, state_));
}

Log::~Log() { stop(); }

Result<void> Log::start() {
    const std::scoped_lock lock(mutex_);
    if (running_) return {};
    if (!destination_.empty()) sink_ = TRY(LogSink::open(destination_));
    // Signals are for the other threads; a broken pipe or a file at its size limit (SIGPIPE, SIGXFSZ) comes as an error instead.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    stopping_ = false;
    running_ = true;
    writer_ = std::thread([this] { run(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return {};
}

void Log::stop() {
    if (!writer_.joinable()) return;
    for (const auto& lane : lanes_) lane->queue().finish();
    stopping_ = true;
    signal_.raise();
    writer_.join();
    const std::scoped_lock lock(mutex_);
    running_ = false;
}

Result<void> Log::reopen() {
    std::string destination;
    {
        const std::scoped_lock lock(mutex_);
        destination = destination_;
    }
    return replace(std::move(destination));
}

Result<void> Log::reopen(std::string destination) { return replace(std::move(destination)); }

Result<void> Log::replace(std::string destination) {
    std::optional<LogSink> opened;
    if (!destination.empty()) opened = TRY(LogSink::open(destination));
    std::unique_lock lock(mutex_);
    destination_ = std::move(destination);
    state_.enabled.store(opened.has_value(), std::memory_order_relaxed);
    if (!running_) return {};                                      // `start` opens it
    next_sink_.emplace(std::move(opened));
    signal_.raise();
    switched_.wait_for(lock, switch_wait, [&] { return !next_sink_ || !running_; });
    return {};
}

Log::Counters Log::counters() const {
    Counters out;
    out.written = written_.load(std::memory_order_relaxed);
    out.bytes = bytes_.load(std::memory_order_relaxed);
    out.write_errors = write_errors_.load(std::memory_order_relaxed);
    out.dropped_disk = given_up_.load(std::memory_order_relaxed);
    for (const auto& lane : lanes_) {
        out.dropped_full += lane->dropped_full();
        out.dropped_disk += lane->dropped_disk();
    }
    return out;
}

void Log::run() {
    pthread_setname_np(pthread_self(), "sluice-log");
    std::optional<Clock::time_point> give_up;
    for (;;) {
        const bool stopping = stopping_.load(std::memory_order_acquire);
        if (stopping && !give_up) give_up = Clock::now() + options_.stop_within;
        switch_sink();
        const Progress progress = drain();
        if (progress == Progress::caught_up) say_drops_in_log(stopping);
        say_drops_to_people();
        if (stopping && progress == Progress::caught_up && notice_.left() == 0) break;
        if (give_up && Clock::now() >= *give_up) {
            give_up_rest();
            break;
        }
        if (progress == Progress::more) continue;
        if (stopping) signal_.wait(std::min(options_.retry, stalled_wait));
        else if (failing()) wait_for_retry();
        else signal_.wait(progress == Progress::caught_up ? idle_wait : stalled_wait);
    }
    const std::scoped_lock lock(mutex_);
    next_sink_.reset();
    running_ = false;
    sink_.reset();
    switched_.notify_all();
}

void Log::switch_sink() {
    const std::scoped_lock lock(mutex_);
    if (!next_sink_) return;
    if (sink_ && !*next_sink_) drain();                            // switched off: the last lines still go where they were meant to
    if (sink_) {
        // A line that the old one has half of is written whole to the new one.
        sink_->leave(notice_);
        for (const auto& lane : lanes_)
            if (Chunk* chunk = lane->queue().front()) sink_->leave(*chunk);
    }
    sink_ = std::move(*next_sink_);
    next_sink_.reset();
    state_.failing.store(false, std::memory_order_relaxed);
    error_said_.reset();
    switched_.notify_all();
}

// A bounded number of rounds: workers may be faster than the disk for long, and a new destination or the end must not wait for them.
Log::Progress Log::drain() {
    if (notice_.left() > 0 && !write(notice_)) return Progress::stuck;
    for (int round = 0; round < rounds; ++round) {
        bool any = false;
        for (const auto& lane : lanes_) {
            Chunk* chunk = lane->queue().front();
            if (!chunk) continue;
            if (!write(*chunk)) return Progress::stuck;
            lane->queue().pop();
            any = true;
        }
        if (!any) return Progress::caught_up;
    }
    return Progress::more;
}

// Workers go on raising the signal; a disk that is full is not asked again for each of their chunks.
void Log::wait_for_retry() {
    const auto until = Clock::now() + options_.retry;
    while (!stopping_.load(std::memory_order_acquire) && !has_next_sink()) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
        if (left.count() <= 0) return;
        signal_.wait(left);
        say_drops_to_people();
    }
}

bool Log::has_next_sink() {
    const std::scoped_lock lock(mutex_);
    return next_sink_.has_value();
}

bool Log::write(Chunk& chunk) {
    if (!sink_) {                                                  // switched off while lines were waiting
        chunk.taken = chunk.used;
        return true;
    }
    const std::size_t before = chunk.taken;
    const int error = sink_->write(chunk);
    // After a failure a part of a line may have been taken back.
    if (chunk.taken > before) bytes_.fetch_add(chunk.taken - before, std::memory_order_relaxed);
    else if (chunk.taken < before) bytes_.fetch_sub(before - chunk.taken, std::memory_order_relaxed);
    if (error == 0) {
        written_.fetch_add(chunk.lines, std::memory_order_relaxed);
        if (failing()) report("event log: written again");
        state_.failing.store(false, std::memory_order_relaxed);
        return true;
    }
    if (error != EAGAIN) note_error(error);
    return false;
}

void Log::note_error(int error) {
    write_errors_.fetch_add(1, std::memory_order_relaxed);
    state_.failing.store(true, std::memory_order_relaxed);
    const auto now = Clock::now();
    if (error_said_ && now - *error_said_ < options_.report_interval) return;
    error_said_ = now;
    report(fmt::format("event log: cannot be written: {}; events wait, and are dropped once the queue is full", std::strerror(error)));
}

void Log::say_drops_to_people() {
    const std::uint64_t dropped = all_dropped();
    if (dropped == said_in_log_) return;
    if (first_drop_ns_ == 0) first_drop_ns_ = unix_now();
    const auto now = Clock::now();
    if (dropped == said_to_people_ || (drops_said_ && now - *drops_said_ < options_.report_interval)) return;
    report(fmt::format("event log: {} events dropped since the start ({})", dropped,
                       failing() ? "it cannot be written" : "they come faster than they can be written"));
    drops_said_ = now;
    said_to_people_ = dropped;
}

// In the log itself once it can be written again; in a long overload once in a while.
void Log::say_drops_in_log(bool stopping) {
    const std::uint64_t dropped = all_dropped();
    const auto now = Clock::now();
    if (dropped == said_in_log_ || !sink_ || notice_.left() > 0) return;
    if (!stopping && noticed_ && now - *noticed_ < idle_wait) return;
    noticed_ = now;
    const std::int64_t end = unix_now();
    Timestamps timestamps;
    char start_text[Timestamps::size], end_text[Timestamps::size];
    timestamps.write(start_text, first_drop_ns_ == 0 ? end : first_drop_ns_);
    timestamps.write(end_text, end);
    const std::string_view start_view(start_text, sizeof start_text), end_view(end_text, sizeof end_text);
    const auto written = fmt::format_to_n(
        notice_.bytes.get(), notice_.capacity,
        R"({{"@timestamp":"{1}","ecs.version":"8.11.0","event.id":"{2}","event.start":"{0}","event.end":"{1}","event.kind":"metric","event.category":["process"],)"
        R"("event.type":["info"],"event.action":"dropped","event.reason":"the event log was behind","log.dropped":{3}}})"
        "\n",
        start_view, end_view, ids_.next(end / 1'000'000).view(), dropped - said_in_log_);
    notice_.used = written.size;
    notice_.lines = 1;
    notice_.taken = 0;
    said_in_log_ = dropped;
    first_drop_ns_ = 0;
    if (!write(notice_)) signal_.raise();
}

std::uint64_t Log::all_dropped() const {
    const Counters counts = counters();
    return counts.dropped_full + counts.dropped_disk;
}

void Log::give_up_rest() {
    std::uint64_t lines = 0;
    for (const auto& lane : lanes_) {
        for (Chunk* chunk = lane->queue().front(); chunk; chunk = lane->queue().front()) {
            if (sink_) sink_->leave(*chunk);
            const auto unwritten = static_cast<std::uint64_t>(std::count(chunk->unwritten(), chunk->unwritten() + chunk->left(), '\n'));
            written_.fetch_add(chunk->lines - unwritten, std::memory_order_relaxed);
            lines += unwritten;
            lane->queue().pop();
        }
    }
    given_up_.fetch_add(lines, std::memory_order_relaxed);
    if (lines > 0) report(fmt::format("event log: {} events could not be written at the end", lines));
}

void Log::report(const std::string& message) const {
    if (options_.report) options_.report(message);
}

}  // namespace sluice::audit
