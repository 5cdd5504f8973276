// SPDX-License-Identifier: Apache-2.0
#include "net/listener.h"

#include "net/error.h"
#include "net/socket_address.h"
#include "net/worker.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>

namespace sluice::net {

namespace {

constexpr int backlog = 4096;
constexpr unsigned longest_burst = 32;                       // connections accepted in a row, so that those already there get their turn
constexpr std::chrono::milliseconds pause_length{100};

}  // namespace

Result<ListenSocket> ListenSocket::open(const IpPort& address) {
    const bool v6 = address.address.is_v6();
    const int descriptor = ::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return std::unexpected(error_from_errno(errno, Side::self, "no socket"));
    ListenSocket socket(descriptor, address);
    const int on = 1;
    if (v6) ::setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    ::setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    ::setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);      // accepted connections inherit it
    const SocketAddress wanted(address);
    if (::bind(descriptor, wanted.get(), wanted.length()) != 0) return fail(Errc::io_failed, Side::self, "cannot bind", errno);
    if (::listen(descriptor, backlog) != 0) return fail(Errc::io_failed, Side::self, "cannot listen", errno);
    socket.local_ = SocketAddress::local_of(descriptor).to_ip_port();
    return socket;
}

Result<std::vector<ListenSocket>> ListenSocket::open(const IpPort& address, std::size_t workers) {
    std::vector<ListenSocket> sockets;
    IpPort wanted = address;
    for (std::size_t i = 0; i < workers; ++i) {
        sockets.push_back(TRY(open(wanted)));
        wanted.port = sockets.front().local().port;
    }
    return sockets;
}

ListenSocket::~ListenSocket() {
    if (descriptor_ >= 0) ::close(descriptor_);
}

Listener::Listener(Worker& worker, ListenSocket socket, ConnectionLimits& limits, Handler handler, Trouble trouble)
    : worker_(worker),
      socket_(std::move(socket)),
      local_(socket_->local()),
      limits_(limits),
      handler_(std::move(handler)),
      trouble_(std::move(trouble)),
      resume_(worker.timers(), [this] { watch(); }) {
    worker_.listeners_.push_back(this);
    watch();
}

Listener::~Listener() {
    close();
    std::erase(worker_.listeners_, this);
}

void Listener::close() {
    resume_.cancel();
    unwatch();
    socket_.reset();
}

void Listener::watch() {
    if (!socket_ || watching_) return;
    watching_ = worker_.reactor().add(socket_->descriptor(), EPOLLIN, *this) == 0;
    if (!watching_) resume_.set(pause_length);
}

void Listener::unwatch() {
    if (std::exchange(watching_, false)) worker_.reactor().remove(socket_->descriptor(), *this);
}

void Listener::pause() {
    unwatch();
    resume_.set(pause_length);
}

void Listener::on_ready(std::uint32_t) {
    // Level-triggered, so nothing need be tried in vain: one at a time, and more at once only while clients keep coming.
    const std::uint64_t round = worker_.reactor().round();
    burst_ = round == last_round_ + 1 ? std::min(burst_ * 2, longest_burst) : 1;
    last_round_ = round;
    for (unsigned i = 0; i < burst_ && watching_; ++i)
        if (!accept_one()) {
            burst_ = 1;
            break;
        }
}

bool Listener::accept_one() {
    auto permit = limits_.reserve();
    if (!permit) {
        ++waits_;
        pause();
        return false;
    }
    SocketAddress peer;
    const int descriptor = ::accept4(socket_->descriptor(), peer.out(), peer.out_length(), SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor < 0) {
        switch (errno) {
            case EMFILE:
            case ENFILE:
            case ENOBUFS:
            case ENOMEM: {
                const Error error = error_from_errno(errno, Side::self, "cannot accept connections");
                ++pauses_;
                pause();
                if (trouble_) trouble_(error);
                return false;
            }
            case EAGAIN: return false;
            default: return true;                            // that client is gone, or the network had an error to report (accept(2))
        }
    }
    const IpPort client = peer.to_ip_port();
    auto stream = std::make_unique<TcpStream>(worker_, descriptor, Side::client, client);
    permit->set_client(client.address);
    handler_({std::move(stream), std::move(*permit), local_});
    return true;
}

}  // namespace sluice::net
