// SPDX-License-Identifier: Apache-2.0
// A bounded queue of whole lines from one thread (the worker) to one other (the writer), handed over in chunks.
#pragma once

#include <semaphore.h>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace sluice::audit {

// Wakes one sleeping thread; raising it twice before that thread looked costs one system call, not two.
class Signal {
public:
    Signal();
    ~Signal();
    Signal(const Signal&) = delete;
    Signal& operator=(const Signal&) = delete;

    void raise();
    // Returns when raised, also before the call, or after `time`. What was written before `raise` is seen after it.
    void wait(std::chrono::milliseconds time);

private:
    sem_t semaphore_;
    std::atomic<bool> raised_{false};
};

// Whole lines, each with its "\n".
struct Chunk {
    explicit Chunk(std::size_t size);
    const char* unwritten() const { return bytes.get() + taken; }
    std::size_t left() const { return used - taken; }

    std::unique_ptr<char[]> bytes;
    std::size_t capacity;
    std::size_t used = 0;
    std::size_t lines = 0;
    std::size_t taken = 0;               // bytes that the writer is done with
    Chunk* next = nullptr;               // in a Spares
};

class LineQueue {
public:
    static constexpr std::size_t chunk_bytes = 128 * 1024;

    // Holds `capacity` bytes of lines; `writer` is raised when there is a chunk to take.
    LineQueue(std::size_t capacity, Signal& writer);
    ~LineQueue();
    LineQueue(const LineQueue&) = delete;
    LineQueue& operator=(const LineQueue&) = delete;

    // The worker's side. `reserve` gives room for a line of up to `size` bytes, nullptr when the queue is full; `commit` says how long
    // it became.
    char* reserve(std::size_t size);
    void commit(std::size_t size);
    // Hands over what there is, unless the writer has enough to do: then it stays to be filled up.
    void flush();
    // Hands over all; when the worker has ended.
    void finish();

    // The writer's side. The chunk at the front, nullptr if none; `pop` when it is done with.
    Chunk* front();
    void pop();

    // Bytes in the queue: exact for the worker, a moment old for others.
    std::size_t queued() const;

private:
    // Single producer, single consumer.
    class Ring {
    public:
        explicit Ring(std::size_t slots) : slots_(slots) {}
        bool push(Chunk* chunk);
        Chunk* front() const;
        void pop();
        std::size_t size() const;

    private:
        std::vector<Chunk*> slots_;
        alignas(64) std::atomic<std::size_t> taken_{0};
        alignas(64) std::atomic<std::size_t> given_{0};
    };

    // Empty chunks, from the writer back to the worker. The last one in comes out first: it is still in a cache.
    class Spares {
    public:
        void push(Chunk* chunk);  // one thread
        Chunk* pop();  // one thread, another; nullptr if there is none

    private:
        std::atomic<Chunk*> top_{nullptr};
    };

    bool hand_over();
    Chunk* empty_chunk(std::size_t size);

    Signal& writer_;
    std::size_t capacity_;
    Ring full_;
    Spares spare_;
    Chunk* current_ = nullptr;  // the worker's
    std::atomic<std::size_t> given_bytes_{0};  // the worker counts; current_ included
    std::atomic<std::size_t> taken_bytes_{0};  // the writer counts
};

}  // namespace sluice::audit
