// SPDX-License-Identifier: Apache-2.0
#include "net/peer_listener.h"

#include "net/error.h"
#include "net/socket_address.h"
#include "net/timer.h"
#include "net/worker.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cerrno>
#include <utility>

namespace sluice::net {

namespace {

constexpr int backlog = 8;                                   // one is wanted; strangers must not keep it out

std::uint32_t random_number() {
    std::uint32_t number = 0;
    // A few octets come at once or, before the system has any, not at all: then the port is a guessable one.
    if (::getrandom(&number, sizeof number, GRND_NONBLOCK) != sizeof number) number = 0;
    return number;
}

// A socket that listens there, or -1 with the errno. Without SO_REUSEPORT: a port is one session's.
int listen_at(const IpPort& at) {
    const bool v6 = at.address.is_v6();
    const int descriptor = ::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return -1;
    const int on = 1;
    if (v6) ::setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    // Connections that have ended would else hold the ports of a small range for a minute each.
    ::setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const SocketAddress address(at);
    if (::bind(descriptor, address.get(), address.length()) == 0 && ::listen(descriptor, backlog) == 0) return descriptor;
    const int error = errno;
    ::close(descriptor);
    errno = error;
    return -1;
}

}  // namespace

Result<std::unique_ptr<PeerListener>> PeerListener::open(Worker& worker, const IpAddress& at, std::uint16_t first, std::uint16_t last,
                                                         const IpAddress& peer, Side side) {
    const std::uint32_t count = std::uint32_t{last} - first + 1;
    std::uint32_t next = random_number() % count;
    for (std::uint32_t tried = 0; tried < count; ++tried, next = (next + 1) % count) {
        const IpPort wanted{at, static_cast<std::uint16_t>(first + next)};
        const int descriptor = listen_at(wanted);
        if (descriptor < 0 && errno == EADDRINUSE) continue;
        if (descriptor < 0) return std::unexpected(error_from_errno(errno, Side::self, "no port for a data connection"));
        const IpPort local = SocketAddress::local_of(descriptor).to_ip_port();
        std::unique_ptr<PeerListener> listener(new PeerListener(worker, descriptor, local, peer, side));
        if (const int error = worker.reactor().add(descriptor, EPOLLIN, *listener); error != 0)
            return std::unexpected(error_from_errno(error, Side::self, "no port for a data connection"));
        return listener;
    }
    return fail(Errc::overloaded, Side::self, "no port is left for a data connection");
}

PeerListener::PeerListener(Worker& worker, int descriptor, const IpPort& local, const IpAddress& peer, Side side)
    : worker_(worker),
      descriptor_(descriptor),
      local_(local),
      peer_(peer),
      side_(side) {}

PeerListener::~PeerListener() {
    close();
    if (accepted_) accepted_->abort();  // an orderly end would be an empty file
}

void PeerListener::close() {
    if (descriptor_ < 0) return;
    worker_.reactor().forget(*this);
    ::close(std::exchange(descriptor_, -1));
}

void PeerListener::on_ready(std::uint32_t) {
    while (descriptor_ >= 0 && accept_one()) {}
    if (accepted_ || failure_) waiter_.wake();
}

// False: nothing more is there.
bool PeerListener::accept_one() {
    SocketAddress from;
    const int descriptor = ::accept4(descriptor_, from.out(), from.out_length(), SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor < 0) {
        if (errno == EAGAIN) return false;
        if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM) return true;  // that peer is gone (accept(2))
        failure_ = error_from_errno(errno, Side::self, "cannot accept a data connection");
        close();
        return false;
    }
    const IpPort peer = from.to_ip_port();
    auto stream = std::make_unique<TcpStream>(worker_, descriptor, side_, peer);
    if (peer.address != peer_) {
        ++strangers_;
        stream->abort();
        return true;
    }
    accepted_ = std::move(stream);
    close();
    return false;
}

void PeerListener::cancel(Errc reason) {
    close();
    if (!accepted_ && !failure_) failure_ = Error{reason, side_, "no data connection came"};
    waiter_.wake();
}

Task<Result<std::unique_ptr<TcpStream>>> PeerListener::accept(Limits::Duration within) {
    Timer timer(worker_.timers(), [this] { cancel(Errc::timed_out); });
    timer.set(within);
    while (!accepted_ && !failure_) co_await waiter_.wait();
    if (accepted_) co_return std::move(accepted_);
    co_return std::unexpected(*failure_);
}

}  // namespace sluice::net
