// SPDX-License-Identifier: Apache-2.0
// Two streams that are each other's peer, in memory: between two sessions of one worker, and for tests of everything above `net`, with failures on
// order.
#pragma once

#include "net/stream.h"

#include <deque>
#include <memory>
#include <string>
#include <utility>

namespace sluice::net {

// What goes wrong, shared by as many streams as a test likes: so "the Nth I/O step fails" counts over a whole session. One worker's.
struct Faults {
    std::size_t fail_at = 0;  // the operation (1: the first) that fails; 0: none
    Errc error = Errc::reset;
    std::size_t longest_read = static_cast<std::size_t>(-1);
    std::size_t longest_write = static_cast<std::size_t>(-1);
    std::size_t operations = 0;  // begun so far: try_read, try_write and waits that did not return at once
};

class MemoryStream final : public Stream {
public:
    ~MemoryStream() override;

    Result<std::optional<std::size_t>> try_read(std::span<char> into) override;
    Result<std::size_t> try_write(std::span<const std::string_view> pieces) override;
    bool is_quiet() override;
    void shutdown_write() override;
    void close() override;
    void abort() override;
    bool is_open() const override { return open_; }
    IpPort local() const override { return local_; }

    void set_faults(std::shared_ptr<Faults> faults) { faults_ = std::move(faults); }
    // Bytes that the peer wrote and nobody read; how much a writer may be ahead.
    std::string_view unread() const { return incoming_; }
    void set_capacity(std::size_t bytes) { capacity_ = bytes; }
    bool was_reset() const { return reset_; }

private:
    friend std::pair<std::unique_ptr<MemoryStream>, std::unique_ptr<MemoryStream>> memory_pair(Worker&, const IpPort&, const IpPort&);
    MemoryStream(Worker& worker, Side side, const IpPort& peer, const IpPort& local) : Stream(worker, side, peer), local_(local) {}
    Result<void> arm_read() override { return {}; }
    Result<void> arm_write() override { return {}; }
    bool can_read() override;
    bool can_write() override;
    std::size_t untaken() const override { return other_ ? other_->incoming_.size() : 0; }
    std::optional<Error> inject();
    void part(bool reset);

    IpPort local_;
    MemoryStream* other_ = nullptr;
    std::string incoming_;
    std::size_t capacity_ = 64 * 1024;  // of incoming_
    bool incoming_ended_ = false;
    bool write_shut_ = false;
    bool reset_ = false;  // the other side aborted
    bool open_ = true;
    std::shared_ptr<Faults> faults_;
};

// The first has side `client` (it is what a session would read requests from), the second `server`.
std::pair<std::unique_ptr<MemoryStream>, std::unique_ptr<MemoryStream>> memory_pair(Worker& worker, const IpPort& first_peer = {},
                                                                                    const IpPort& second_peer = {});

}  // namespace sluice::net
