// SPDX-License-Identifier: Apache-2.0
#include "audit/line_queue.h"

#include <cerrno>
#include <ctime>

namespace sluice::audit {

namespace {

// Chunks that wait for the writer before `flush` lets the current one fill up instead: one that it writes, and the next.
constexpr std::size_t enough_to_do = 2;

}  // namespace

Signal::Signal() { sem_init(&semaphore_, 0, 0); }

Signal::~Signal() { sem_destroy(&semaphore_); }

void Signal::raise() {
    if (!raised_.exchange(true, std::memory_order_acq_rel)) sem_post(&semaphore_);
}

void Signal::wait(std::chrono::milliseconds time) {
    timespec until{};
    clock_gettime(CLOCK_MONOTONIC, &until);
    const std::int64_t nanoseconds = until.tv_nsec + time.count() % 1000 * 1'000'000;
    until.tv_sec += static_cast<std::time_t>(time.count() / 1000 + nanoseconds / 1'000'000'000);
    until.tv_nsec = static_cast<long>(nanoseconds % 1'000'000'000);
    while (sem_clockwait(&semaphore_, CLOCK_MONOTONIC, &until) != 0 && errno == EINTR) {}
    // After this a new `raise` posts again; what was given before an earlier one is seen by whoever looks now.
    raised_.exchange(false, std::memory_order_acq_rel);
}

Chunk::Chunk(std::size_t size) : bytes(std::make_unique_for_overwrite<char[]>(size)), capacity(size) {}

bool LineQueue::Ring::push(Chunk* chunk) {
    const std::size_t given = given_.load(std::memory_order_relaxed);
    if (given - taken_.load(std::memory_order_acquire) == slots_.size()) return false;
    slots_[given % slots_.size()] = chunk;
    given_.store(given + 1, std::memory_order_release);
    return true;
}

Chunk* LineQueue::Ring::front() const {
    const std::size_t taken = taken_.load(std::memory_order_relaxed);
    if (given_.load(std::memory_order_acquire) == taken) return nullptr;
    return slots_[taken % slots_.size()];
}

void LineQueue::Ring::pop() { taken_.store(taken_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

std::size_t LineQueue::Ring::size() const {
    const std::size_t taken = taken_.load(std::memory_order_acquire);
    return given_.load(std::memory_order_acquire) - taken;
}

void LineQueue::Spares::push(Chunk* chunk) {
    chunk->next = top_.load(std::memory_order_relaxed);
    while (!top_.compare_exchange_weak(chunk->next, chunk, std::memory_order_release, std::memory_order_relaxed)) {}
}

// As only one thread takes, the chunk that it sees on top cannot leave and come back meanwhile.
Chunk* LineQueue::Spares::pop() {
    Chunk* chunk = top_.load(std::memory_order_acquire);
    while (chunk && !top_.compare_exchange_weak(chunk, chunk->next, std::memory_order_acquire, std::memory_order_acquire)) {}
    return chunk;
}

// Full chunks, those that are nearly full, and the few that `flush` gives early.
LineQueue::LineQueue(std::size_t capacity, Signal& writer)
    : writer_(writer),
      capacity_(capacity),
      full_(2 * (capacity / chunk_bytes) + 8) {}

LineQueue::~LineQueue() {
    delete current_;
    for (const Chunk* chunk = full_.front(); chunk; chunk = full_.front()) {
        full_.pop();
        delete chunk;
    }
    while (const Chunk* chunk = spare_.pop()) delete chunk;
}

char* LineQueue::reserve(std::size_t size) {
    if (!current_ || current_->capacity - current_->used < size) {
        if (current_ && current_->used > 0 && !hand_over()) return nullptr;
        if (queued() + size > capacity_) return nullptr;
        current_ = empty_chunk(size);
    } else if (queued() + size > capacity_) {
        return nullptr;
    }
    return current_->bytes.get() + current_->used;
}

void LineQueue::commit(std::size_t size) {
    current_->used += size;
    ++current_->lines;
    given_bytes_.store(given_bytes_.load(std::memory_order_relaxed) + size, std::memory_order_relaxed);
}

bool LineQueue::hand_over() {
    if (!full_.push(current_)) return false;
    current_ = nullptr;
    writer_.raise();
    return true;
}

void LineQueue::flush() {
    if (current_ && current_->used > 0 && full_.size() < enough_to_do) hand_over();
}

void LineQueue::finish() {
    if (current_ && current_->used > 0) hand_over();
}

Chunk* LineQueue::empty_chunk(std::size_t size) {
    if (current_) {                                                // empty, and too small for this line
        if (current_->capacity >= size) return current_;
        delete current_;
        current_ = nullptr;
    }
    if (size > chunk_bytes) return new Chunk(size);
    Chunk* chunk = spare_.pop();
    if (!chunk) return new Chunk(chunk_bytes);
    chunk->used = chunk->lines = chunk->taken = 0;
    return chunk;
}

Chunk* LineQueue::front() { return full_.front(); }

void LineQueue::pop() {
    Chunk* chunk = full_.front();
    full_.pop();
    taken_bytes_.store(taken_bytes_.load(std::memory_order_relaxed) + chunk->used, std::memory_order_relaxed);
    if (chunk->capacity == chunk_bytes) spare_.push(chunk);
    else delete chunk;                                             // made for one long line
}

std::size_t LineQueue::queued() const {
    // Taken first: what is given grows meanwhile, so that the difference is never below 0.
    const std::size_t taken = taken_bytes_.load(std::memory_order_acquire);
    return given_bytes_.load(std::memory_order_relaxed) - taken;
}

}  // namespace sluice::audit
