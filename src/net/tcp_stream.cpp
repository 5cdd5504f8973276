// SPDX-License-Identifier: Apache-2.0
#include "net/tcp_stream.h"

#include "net/error.h"
#include "net/socket_address.h"
#include "net/worker.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <array>
#include <cerrno>
#include <cstring>

namespace sluice::net {

namespace {

constexpr std::size_t pieces_at_once = 32;

}  // namespace

TcpStream::TcpStream(Worker& worker, int descriptor, Side side, const IpPort& peer) : Stream(worker, side, peer), descriptor_(descriptor) {}

TcpStream::~TcpStream() { close(); }

Result<std::optional<std::size_t>> TcpStream::try_read(std::span<char> into) {
    if (const auto error = failure()) return std::unexpected(*error);
    if (descriptor_ < 0) return fail(Errc::cancelled, side(), "stream is closed");
    if (error_ != 0) return std::unexpected(error_from_errno(error_, side(), "receiving failed"));
    if (!readable_) return std::nullopt;
    for (;;) {
        const ssize_t got = ::recv(descriptor_, into.data(), into.size(), MSG_DONTWAIT);
        if (got >= 0) {
            // Less than there was room for: the socket is empty, unless the end follows, which the same edge may have announced. (What came
            // before the socket was registered is announced when it is.)
            if (got == 0) ended_ = true;
            if (static_cast<std::size_t>(got) < into.size() && !has_urgent_inline_) readable_ = ended_;
            return static_cast<std::size_t>(got);
        }
        if (errno == EINTR) continue;
        if (errno == EAGAIN) {
            readable_ = false;
            return std::nullopt;
        }
        return std::unexpected(error_from_errno(errno, side(), "receiving failed"));
    }
}

Result<std::size_t> TcpStream::try_write(std::span<const std::string_view> pieces) {
    if (const auto error = failure()) return std::unexpected(*error);
    if (descriptor_ < 0) return fail(Errc::cancelled, side(), "stream is closed");
    if (!writable_) return 0;
    std::array<iovec, pieces_at_once> vectors;
    std::size_t count = 0;
    std::size_t wanted = 0;
    for (const std::string_view piece : pieces) {
        if (piece.empty()) continue;
        if (count == vectors.size()) break;
        vectors[count++] = {const_cast<char*>(piece.data()), piece.size()};
        wanted += piece.size();
    }
    // A few bytes are copied together faster than the kernel gathers them.
    std::array<char, 4096> together;
    if (count > 1 && wanted <= together.size()) {
        char* end = together.data();
        for (std::size_t i = 0; i < count; ++i) end = static_cast<char*>(mempcpy(end, vectors[i].iov_base, vectors[i].iov_len));
        vectors[0] = {together.data(), wanted};
        count = 1;
    }
    ssize_t sent = 0;
    do {
        if (count <= 1) {
            sent = wanted == 0 ? 0 : ::send(descriptor_, vectors[0].iov_base, wanted, MSG_NOSIGNAL | MSG_DONTWAIT);
        } else {
            msghdr message{};
            message.msg_iov = vectors.data();
            message.msg_iovlen = count;
            sent = ::sendmsg(descriptor_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        }
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0) {
        if (static_cast<std::size_t>(sent) < wanted) writable_ = false;
        return static_cast<std::size_t>(sent);
    }
    if (errno == EAGAIN) {
        writable_ = false;
        return 0;
    }
    return std::unexpected(error_from_errno(errno, side(), "sending failed"));
}

bool TcpStream::is_quiet() {
    if (!is_open() || failure()) return false;
    if (registered_ == 0) {  // never told of anything: look, and be told from now on
        readable_ = true;
        if (!arm_read()) return false;
    }
    return !ended_ && !can_read();
}

void TcpStream::shutdown_write() {
    if (descriptor_ >= 0) ::shutdown(descriptor_, SHUT_WR);
}

void TcpStream::close() {
    if (descriptor_ < 0) return;
    worker().reactor().forget(*this);
    ::close(descriptor_);
    descriptor_ = -1;
    reader_->wake();
    writer_->wake();
}

void TcpStream::abort() {
    if (descriptor_ < 0) return;
    const linger now{1, 0};
    ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close();
}

IpPort TcpStream::local() const { return SocketAddress::local_of(descriptor_).to_ip_port(); }

void TcpStream::on_ready(std::uint32_t events) {
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        readable_ = true;
        if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) ended_ = true;
    }
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) writable_ = true;
    // Whoever waits here keeps the stream alive: the first to go on may not end the other's wait by destroying it.
    const bool wake_writer = writable_ && writer_->waiting();
    if (readable_ && reader_->waiting()) {
        if (wake_writer) writer_->wake();
        reader_->resume();
    } else if (wake_writer) {
        writer_->resume();
    }
}

Result<void> TcpStream::register_for(std::uint32_t events) {
    if (descriptor_ < 0) return fail(Errc::cancelled, side(), "stream is closed");
    events |= registered_ | EPOLLRDHUP | EPOLLET;
    if (events == registered_) return {};
    Reactor& reactor = worker().reactor();
    const int error = registered_ == 0 ? reactor.add(descriptor_, events, *this) : reactor.modify(descriptor_, events, *this);
    if (error != 0) return fail(Errc::overloaded, Side::self, "epoll_ctl failed", error);
    registered_ = events;
    return {};
}

Result<void> TcpStream::arm_read() { return register_for(EPOLLIN); }

Result<void> TcpStream::arm_write() { return register_for(EPOLLIN | EPOLLOUT); }

std::size_t TcpStream::untaken() const {
    int bytes = 0;
    if (descriptor_ < 0 || ::ioctl(descriptor_, SIOCOUTQ, &bytes) != 0) return 0;
    return static_cast<std::size_t>(bytes);
}

bool TcpStream::can_read() {
    if (error_ != 0) return true;
    if (!readable_ || descriptor_ < 0) return descriptor_ < 0;
    char byte;
    const ssize_t got = ::recv(descriptor_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) readable_ = false;
    else if (got < 0 && errno != EINTR) error_ = errno;
    return readable_;
}

void TcpStream::keep_urgent_inline() {
    const int on = 1;
    has_urgent_inline_ = ::setsockopt(descriptor_, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on) == 0;
}

}  // namespace sluice::net
