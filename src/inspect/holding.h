// SPDX-License-Identifier: Apache-2.0
// The bytes of one payload that wait, in the order in which they came: in memory, and, where they become many, the older ones in a file. Belongs to
// one worker, which never waits for the file: who appends asks `is_too_much` before it reads more, and then waits for `spill`.
#pragma once

#include "inspect/budget.h"
#include "inspect/descriptor.h"
#include "inspect/spill.h"
#include "inspect/verdict.h"
#include "net/aside.h"
#include "net/buffer.h"
#include "net/task.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::inspect {

// Where all payloads of the process wait.
struct Storage {
    Budget memory{0};
    Budget disk{0};
    std::string folder;  // of files
    bool is_disk_full = false;  // a fault on order (SLUICE_FAULTS): no file takes anything
};

class Holding {
public:
    using Views = std::vector<std::string_view>;

    // All of them outlive it.
    Holding(net::Worker& worker, Storage& storage, net::Aside& aside) : worker_(worker), storage_(storage), aside_(aside) {}
    ~Holding() { clear(); }
    Holding(const Holding&) = delete;
    Holding& operator=(const Holding&) = delete;

    void clear();

    // A copy, behind what is there.
    void append(std::string_view bytes);
    // Room behind what is there, to be read into; then how much of it was filled.
    std::span<char> room();
    void commit(std::size_t size);
    // It has more in memory than it should.
    bool is_too_much() const;
    // What is in memory goes to the file. none, or no_space: it stays in memory then.
    net::Task<Reason> spill();

    std::uint64_t size() const { return end_ - begin_; }  // bytes that wait
    std::uint64_t end() const { return end_; }  // how many were appended
    // Of those, bytes in front that are in the file: before them nothing else can be taken.
    std::uint64_t stored() const { return begin_ < stored_end_ ? stored_end_ - begin_ : 0; }

    // The first `size` bytes in memory, of which there must be so many and none stored: views that live until `forget_taken` (or `clear`).
    void take(std::size_t size, Views& out);
    void forget_taken();
    // The next stored bytes, `most` of them at most, taken: a view that lives until the next call. io_failed.
    net::Task<Result<std::string_view>> take_stored(std::uint64_t most);

    // Some bytes from the `offset`th on, of all that were ever appended; none before the first that still waits. A view as above; empty at the end.
    net::Task<Result<std::string_view>> look_at(std::uint64_t offset);
    // Those in memory, without waiting. Nothing is stored.
    void each(auto&& look) const {
        for (const Chunk& chunk : chunks_)
            if (chunk.end > chunk.begin) look(std::string_view(chunk.buffer.data() + chunk.begin, chunk.end - chunk.begin));
    }

    // All that waits, for another process to read: sealed memory, or the file. no_space where there is neither room in memory nor on disk.
    net::Task<std::expected<Descriptor, Reason>> to_object();

private:
    struct Chunk {
        net::Buffer buffer;
        std::size_t begin = 0;
        std::size_t end = 0;
    };
    std::size_t in_memory() const { return static_cast<std::size_t>(end_ - std::max(begin_, stored_end_)); }
    std::expected<Descriptor, Reason> to_sealed_memory() const;

    net::Worker& worker_;
    Storage& storage_;
    net::Aside& aside_;
    std::deque<Chunk> chunks_;
    std::size_t taken_chunks_ = 0;  // at the front, whose bytes were given out by the last `take`
    std::shared_ptr<Spill> spill_;
    std::vector<char> window_;  // what was read of it last
    std::uint64_t begin_ = 0;
    std::uint64_t stored_end_ = 0;
    std::uint64_t end_ = 0;
};

}  // namespace sluice::inspect
