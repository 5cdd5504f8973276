// SPDX-License-Identifier: Apache-2.0
#include "net/memory_stream.h"

#include <algorithm>

namespace sluice::net {

std::pair<std::unique_ptr<MemoryStream>, std::unique_ptr<MemoryStream>> memory_pair(Worker& worker, const IpPort& first_peer,
                                                                                    const IpPort& second_peer) {
    std::unique_ptr<MemoryStream> first(new MemoryStream(worker, Side::client, first_peer, second_peer));
    std::unique_ptr<MemoryStream> second(new MemoryStream(worker, Side::server, second_peer, first_peer));
    first->other_ = second.get();
    second->other_ = first.get();
    return {std::move(first), std::move(second)};
}

MemoryStream::~MemoryStream() { close(); }

std::optional<Error> MemoryStream::inject() {
    if (!faults_ || ++faults_->operations != faults_->fail_at) return std::nullopt;
    return Error{faults_->error, side(), "injected"};
}

Result<std::optional<std::size_t>> MemoryStream::try_read(std::span<char> into) {
    if (const auto error = failure()) return std::unexpected(*error);
    if (!open_) return fail(Errc::cancelled, side(), "stream is closed");
    if (const auto error = inject()) return std::unexpected(*error);
    if (reset_) return fail(Errc::reset, side(), "receiving failed");
    if (incoming_.empty()) {
        if (incoming_ended_) return 0;
        return std::nullopt;
    }
    std::size_t count = std::min(into.size(), incoming_.size());
    if (faults_) count = std::min(count, faults_->longest_read);
    std::copy_n(incoming_.begin(), count, into.begin());
    incoming_.erase(0, count);
    if (other_) other_->writer_->wake();
    return count;
}

Result<std::size_t> MemoryStream::try_write(std::span<const std::string_view> pieces) {
    if (const auto error = failure()) return std::unexpected(*error);
    if (!open_) return fail(Errc::cancelled, side(), "stream is closed");
    if (const auto error = inject()) return std::unexpected(*error);
    if (reset_ || !other_ || write_shut_) return fail(Errc::reset, side(), "sending failed");
    std::size_t room = other_->capacity_ > other_->incoming_.size() ? other_->capacity_ - other_->incoming_.size() : 0;
    if (faults_) room = std::min(room, faults_->longest_write);
    std::size_t taken = 0;
    for (const std::string_view piece : pieces) {
        const std::string_view part = piece.substr(0, room - taken);
        other_->incoming_ += part;
        taken += part.size();
    }
    if (taken != 0) other_->reader_->wake();
    return taken;
}

bool MemoryStream::can_read() { return !open_ || reset_ || incoming_ended_ || !incoming_.empty(); }

bool MemoryStream::can_write() { return !open_ || reset_ || !other_ || other_->incoming_.size() < other_->capacity_; }

bool MemoryStream::is_quiet() { return !failure() && !can_read(); }

void MemoryStream::shutdown_write() {
    write_shut_ = true;
    if (!other_) return;
    other_->incoming_ended_ = true;
    other_->reader_->wake();
}

void MemoryStream::close() { part(false); }

void MemoryStream::abort() { part(true); }

void MemoryStream::part(bool reset) {
    if (!open_) return;
    open_ = false;
    // As TCP does: what was sent to us and never read breaks the connection.
    const bool broken = reset || !incoming_.empty();
    incoming_.clear();
    if (other_) {
        other_->incoming_ended_ = true;
        if (broken) other_->reset_ = true;
        other_->other_ = nullptr;
        other_->reader_->wake();
        other_->writer_->wake();
        other_ = nullptr;
    }
    reader_->wake();
    writer_->wake();
}

}  // namespace sluice::net
