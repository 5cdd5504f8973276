// SPDX-License-Identifier: Apache-2.0
#include "inspect/outside/engine_connection.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

namespace sluice::inspect {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds address_patience{3000};               // for one address to take the connection

union Control {
    cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
};

ssize_t send_some(int socket, std::string_view bytes, int descriptor) {
    if (descriptor < 0) return ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    std::string copy(bytes);                                 // an iovec's base is not const; with a descriptor go few bytes
    iovec content{copy.data(), copy.size()};
    msghdr message{};
    message.msg_iov = &content;
    message.msg_iovlen = 1;
    Control control{};
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof descriptor);
    std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    return ::sendmsg(socket, &message, MSG_NOSIGNAL);
}

}  // namespace

EngineConnection::Status EngineConnection::wait(short events, Time until) const {
    for (;;) {
        const auto left = std::chrono::ceil<milliseconds>(until - steady_clock::now()).count();
        if (left <= 0) return Status::timed_out;
        pollfd watched{.fd = socket_.get(), .events = events, .revents = 0};
        const int ready = ::poll(&watched, 1, static_cast<int>(std::min<std::int64_t>(left, 60'000)));
        if (ready > 0) return Status::done;
        if (ready < 0 && errno != EINTR) return Status::lost;
    }
}

EngineConnection::Status EngineConnection::connect(int family, const void* address, std::uint32_t size) {
    socket_.reset(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket_) return Status::lost;
    const int on = 1;                                        // the last, short piece waits for no acknowledgement
    if (family != AF_UNIX) ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (::connect(socket_.get(), static_cast<const sockaddr*>(address), size) == 0) return Status::done;
    if (errno != EINPROGRESS && errno != EINTR) return Status::lost;    // a local socket whose queue is full says EAGAIN
    const Status waited = wait(POLLOUT, std::min(deadline_, steady_clock::now() + address_patience));
    if (waited != Status::done) return is_late() ? Status::timed_out : Status::lost;
    int error = 0;
    socklen_t error_size = sizeof error;
    if (::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &error_size) != 0 || error != 0) return Status::lost;
    return Status::done;
}

EngineConnection::Status EngineConnection::connect_local(std::string_view path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return Status::lost;
    std::memcpy(address.sun_path, path.data(), path.size());
    return connect(AF_UNIX, &address, sizeof address);
}

EngineConnection::Status EngineConnection::connect_remote(const std::string& host, std::uint16_t port) {
    addrinfo wanted{};
    wanted.ai_flags = AI_NUMERICSERV;
    wanted.ai_socktype = SOCK_STREAM;
    addrinfo* first = nullptr;
    if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wanted, &first) != 0)
        return is_late() ? Status::timed_out : Status::lost;
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(first, &::freeaddrinfo);
    for (const addrinfo* each = first; each; each = each->ai_next)
        if (const Status status = connect(each->ai_family, each->ai_addr, each->ai_addrlen); status != Status::lost) return status;
    return Status::lost;
}

EngineConnection::Status EngineConnection::send(std::string_view bytes, int descriptor) {
    while (!bytes.empty()) {
        if (is_late()) return Status::timed_out;             // also where there is always room
        const ssize_t sent = send_some(socket_.get(), bytes, descriptor);
        if (sent > 0) {
            bytes.remove_prefix(static_cast<std::size_t>(sent));
            descriptor = -1;
        } else if (errno == EPIPE || errno == ECONNRESET) {
            return Status::answered;                         // what came before the end can still be read
        } else if (errno == EAGAIN) {
            if (const Status status = wait(POLLIN | POLLOUT, deadline_); status != Status::done) return status;
            char byte = 0;
            if (::recv(socket_.get(), &byte, 1, MSG_PEEK) >= 0 || errno != EAGAIN) return Status::answered;
        } else if (errno != EINTR) {
            return Status::lost;
        }
    }
    return Status::done;
}

EngineConnection::Status EngineConnection::receive(std::string& to, std::size_t most) {
    std::array<char, 16 * 1024> piece;
    for (;;) {
        const ssize_t got = ::recv(socket_.get(), piece.data(), std::min(piece.size(), most), 0);
        if (got > 0) {
            to.append(piece.data(), static_cast<std::size_t>(got));
            return Status::done;
        }
        if (got < 0 && errno == EAGAIN) {
            if (const Status status = wait(POLLIN, deadline_); status != Status::done) return status;
        } else if (got == 0 || errno != EINTR) {
            return Status::lost;
        }
    }
}

EngineConnection::Status EngineConnection::exchange(std::string_view& out, std::string& to, std::size_t most) {
    std::array<char, 16 * 1024> piece;
    for (;;) {
        if (is_late()) return Status::timed_out;             // also where there is always something
        const ssize_t got = ::recv(socket_.get(), piece.data(), std::min(piece.size(), most), 0);
        if (got > 0) {
            to.append(piece.data(), static_cast<std::size_t>(got));
            return Status::done;
        }
        if (got == 0 || (errno != EAGAIN && errno != EINTR)) return Status::lost;
        if (errno == EINTR) continue;
        if (!out.empty()) {
            const ssize_t sent = send_some(socket_.get(), out, -1);
            if (sent > 0) {
                out.remove_prefix(static_cast<std::size_t>(sent));
                return Status::done;
            }
            // Where the other end closed, what it said before can still be received.
            if (errno == EPIPE || errno == ECONNRESET || errno == EINTR) continue;
            if (errno != EAGAIN) return Status::lost;
        }
        const auto events = static_cast<short>(out.empty() ? POLLIN : POLLIN | POLLOUT);
        if (const Status status = wait(events, deadline_); status != Status::done) return status;
    }
}

bool EngineConnection::is_quiet() const {
    char byte = 0;
    return ::recv(socket_.get(), &byte, 1, MSG_PEEK) < 0 && errno == EAGAIN;
}

}  // namespace sluice::inspect
