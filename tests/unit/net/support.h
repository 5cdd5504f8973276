// SPDX-License-Identifier: Apache-2.0
// What the tests of this folder share: real sockets on the loopback, and small coroutines.
#pragma once

#include "net/dial.h"
#include "net/listener.h"
#include "net/memory_stream.h"
#include "net/socket_address.h"
#include "net/tcp_stream.h"
#include "net/worker.h"

#include <gtest/gtest.h>

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <memory>
#include <string>
#include <utility>

namespace sluice::net {

inline IpPort loopback(std::uint16_t port = 0) { return {IpAddress::v4(0x7f000001), port}; }

struct Descriptor {
    int value = -1;
    explicit Descriptor(int descriptor) : value(descriptor) {}
    Descriptor(Descriptor&& other) noexcept : value(std::exchange(other.value, -1)) {}
    Descriptor& operator=(Descriptor&&) = delete;
    ~Descriptor() { reset(); }
    void reset() {
        if (value >= 0) ::close(std::exchange(value, -1));
    }
};

// A socket that listens and never accepts.
inline std::pair<Descriptor, IpPort> listening(int backlog) {
    Descriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const SocketAddress any(loopback());
    EXPECT_EQ(::bind(listener.value, any.get(), any.length()), 0);
    EXPECT_EQ(::listen(listener.value, backlog), 0);
    const IpPort address = SocketAddress::local_of(listener.value).to_ip_port();
    return {std::move(listener), address};
}

// Two ends of one TCP connection, as plain blocking descriptors.
inline std::pair<Descriptor, Descriptor> connected() {
    auto [listener, address] = listening(8);
    Descriptor client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const SocketAddress to(address);
    EXPECT_EQ(::connect(client.value, to.get(), to.length()), 0);
    Descriptor server(::accept4(listener.value, nullptr, nullptr, SOCK_CLOEXEC));
    EXPECT_GE(server.value, 0);
    return {std::move(client), std::move(server)};
}

inline std::unique_ptr<TcpStream> adopt(Worker& worker, Descriptor& descriptor, Side side) {
    int flags = 1;
    ::ioctl(descriptor.value, FIONBIO, &flags);
    return std::make_unique<TcpStream>(worker, std::exchange(descriptor.value, -1), side, IpPort{});
}

inline std::pair<std::unique_ptr<TcpStream>, std::unique_ptr<TcpStream>> tcp_pair(Worker& worker) {
    auto [client, server] = connected();
    return {adopt(worker, client, Side::server), adopt(worker, server, Side::client)};
}

inline Task<Result<void>> send(Stream& stream, std::string_view text) { co_return co_await stream.write({&text, 1}); }

// Exactly so many bytes, or fewer at the end.
inline Task<Result<std::string>> receive(Stream& stream, std::size_t count) {
    std::string text;
    char buffer[16 * 1024];
    while (text.size() < count) {
        const std::size_t got = CO_TRY(co_await stream.read_some(std::span(buffer).first(std::min(sizeof buffer, count - text.size()))));
        if (got == 0) break;
        text.append(buffer, got);
    }
    co_return text;
}

inline Task<Result<std::string>> receive_all(Stream& stream) { co_return co_await receive(stream, static_cast<std::size_t>(-1)); }

}  // namespace sluice::net
