// SPDX-License-Identifier: Apache-2.0
// A connected TCP socket. It joins the worker's epoll set only when it first has to wait.
#pragma once

#include "net/reactor.h"
#include "net/stream.h"

#include <memory>

namespace sluice::net {

class TcpStream final : public Stream, private EventSource {
public:
    // Takes over a connected, non-blocking socket.
    TcpStream(Worker& worker, int descriptor, Side side, const IpPort& peer);
    ~TcpStream() override;

    Result<std::optional<std::size_t>> try_read(std::span<char> into) override;
    Result<std::size_t> try_write(std::span<const std::string_view> pieces) override;
    bool is_quiet() override;
    void shutdown_write() override;
    void close() override;
    void abort() override;
    bool is_open() const override { return descriptor_ >= 0; }
    IpPort local() const override;
    int native_handle() const override { return descriptor_; }

    // For those who read or write the descriptor themselves (splice): what they learned. Nothing was there; no room was left.
    void note_read_would_block() { readable_ = ended_; }
    void note_write_would_block() { writable_ = false; }
    // The socket's own idea whether there may be something; false: certainly not.
    bool may_read() const { return readable_; }
    bool has_ended() const { return ended_; }                  // the peer will send no more (or is gone), though bytes may be left

    // Octets that the peer sends as urgent stay where they are among the others, as Telnet wants them.
    void keep_urgent_inline();

private:
    friend class Dialler;
    void on_ready(std::uint32_t events) override;
    Result<void> arm_read() override;
    Result<void> arm_write() override;
    bool can_read() override;
    bool can_write() override { return writable_; }
    std::size_t untaken() const override;
    Result<void> register_for(std::uint32_t events);

    int descriptor_;
    std::uint32_t registered_ = 0;
    bool readable_ = true;                                     // a read may find something
    bool writable_ = true;
    bool ended_ = false;
    bool has_urgent_inline_ = false;                           // a read ends before what is urgent, though the socket has more
    int error_ = 0;                                            // that a look ahead was told: the system says it once
};

}  // namespace sluice::net
