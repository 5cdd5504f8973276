// SPDX-License-Identifier: Apache-2.0
#include "inspect/holding.h"

#include "inspect/scanner/sealed_memory.h"
#include "net/worker.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

namespace sluice::inspect {

namespace {

// As much as is read from a file at once.
constexpr std::size_t window_size = 256 * 1024;
// With less than this in memory a payload goes to no file, though others may have used up the budget.
constexpr std::size_t least_spilled = 64 * 1024;
// Reading into less room than this costs more calls than copying.
constexpr std::size_t least_room = 32 * 1024;

}  // namespace

void Holding::clear() {
    for (const Chunk& chunk : chunks_) storage_.memory.give_back(chunk.buffer.size());
    chunks_.clear();
    taken_chunks_ = 0;
    spill_.reset();
    window_ = {};
    begin_ = stored_end_ = end_ = 0;
}

void Holding::append(std::string_view bytes) {
    end_ += bytes.size();
    while (!bytes.empty()) {
        if (chunks_.empty() || chunks_.back().end == chunks_.back().buffer.size()) {
            const bool is_small = chunks_.empty() && bytes.size() <= net::BufferPool::small_size;
            chunks_.push_back({worker_.buffers().borrow(is_small ? net::BufferSize::small : net::BufferSize::large)});
            storage_.memory.take_anyway(chunks_.back().buffer.size());
        }
        Chunk& chunk = chunks_.back();
        const std::size_t count = std::min(bytes.size(), chunk.buffer.size() - chunk.end);
        std::memcpy(chunk.buffer.data() + chunk.end, bytes.data(), count);
        chunk.end += count;
        bytes.remove_prefix(count);
    }
}

std::span<char> Holding::room() {
    if (chunks_.empty() || chunks_.back().buffer.size() - chunks_.back().end < least_room) {
        chunks_.push_back({worker_.buffers().borrow(net::BufferSize::large)});
        storage_.memory.take_anyway(chunks_.back().buffer.size());
    }
    return chunks_.back().buffer.span().subspan(chunks_.back().end);
}

void Holding::commit(std::size_t size) {
    chunks_.back().end += size;
    end_ += size;
}

bool Holding::is_too_much() const {
    const std::size_t here = in_memory();
    return here > worker_.limits().held_in_memory || (here > least_spilled && storage_.memory.is_used_up());
}

net::Task<Reason> Holding::spill() {
    if (storage_.is_disk_full) co_return Reason::no_space;
    Views pieces;
    each([&](std::string_view piece) { pieces.push_back(piece); });
    std::optional<Error> error;
    const bool done = co_await aside_.run(worker_, [&] {
        if (!spill_) {
            auto made = Spill::create(storage_.folder, storage_.disk);
            if (made) spill_ = std::move(*made);
            else error = made.error();
        }
        if (error) return;
        if (const auto written = spill_->append(pieces); !written) error = written.error();
    });
    if (!done || error) co_return Reason::no_space;
    for (const Chunk& chunk : chunks_) storage_.memory.give_back(chunk.buffer.size());
    chunks_.clear();
    stored_end_ = end_;
    co_return Reason::none;
}

void Holding::take(std::size_t size, Views& out) {
    begin_ += size;
    for (std::size_t i = taken_chunks_; size > 0; ++i) {
        Chunk& chunk = chunks_[i];
        const std::size_t count = std::min(size, chunk.end - chunk.begin);
        if (count > 0) out.emplace_back(chunk.buffer.data() + chunk.begin, count);
        chunk.begin += count;
        size -= count;
        if (chunk.begin == chunk.buffer.size()) ++taken_chunks_;
    }
}

void Holding::forget_taken() {
    for (; taken_chunks_ > 0; --taken_chunks_) {
        storage_.memory.give_back(chunks_.front().buffer.size());
        chunks_.pop_front();
    }
}

net::Task<Result<std::string_view>> Holding::take_stored(std::uint64_t most) {
    const std::string_view all = CO_TRY(co_await look_at(begin_));
    const std::string_view piece = all.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(most, all.size())));
    begin_ += piece.size();
    co_return piece;
}

net::Task<Result<std::string_view>> Holding::look_at(std::uint64_t offset) {
    if (offset >= end_) co_return std::string_view();
    if (offset < begin_) co_return fail(Errc::io_failed, Side::self, "what has gone on is not held any more");
    if (offset >= stored_end_) {
        std::uint64_t at = std::max(begin_, stored_end_);
        for (const Chunk& chunk : chunks_) {
            const std::size_t here = chunk.end - chunk.begin;
            if (offset < at + here) {
                const auto skipped = static_cast<std::size_t>(offset - at);
                co_return std::string_view(chunk.buffer.data() + chunk.begin + skipped, here - skipped);
            }
            at += here;
        }
        co_return std::string_view();
    }
    if (window_.empty()) window_.resize(window_size);
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(window_size, stored_end_ - offset));
    Result<std::size_t> got{std::size_t{0}};
    if (!co_await aside_.run(worker_, [&] { got = spill_->read(offset, std::span(window_).first(wanted)); }))
        co_return fail(Errc::overloaded, Side::self, "too much waits for the disk");
    if (CO_TRY(got) != wanted) co_return fail(Errc::io_failed, Side::self, "a held payload's file is shorter than what was written to it");
    co_return std::string_view(window_.data(), wanted);
}

std::expected<Descriptor, Reason> Holding::to_sealed_memory() const {
    auto memory = SealedMemory::create();
    bool good = memory.has_value();
    each([&](std::string_view piece) { good = good && memory->append(piece); });
    if (!good) return std::unexpected(Reason::overloaded);
    auto sealed = std::move(*memory).seal();
    if (!sealed) return std::unexpected(Reason::overloaded);
    return std::move(*sealed);
}

net::Task<std::expected<Descriptor, Reason>> Holding::to_object() {
    if (stored_end_ == 0 && !storage_.memory.is_used_up()) co_return to_sealed_memory();
    if (in_memory() > 0 || !spill_)
        if (const Reason full = co_await spill(); full != Reason::none) co_return std::unexpected(full);
    Result<Descriptor> file{Descriptor()};
    if (!co_await aside_.run(worker_, [&] { file = spill_->reopen(); })) co_return std::unexpected(Reason::overloaded);
    if (!file) co_return std::unexpected(Reason::no_space);
    co_return std::move(*file);
}

}  // namespace sluice::inspect
