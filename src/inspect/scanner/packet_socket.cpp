// SPDX-License-Identifier: Apache-2.0
#include "inspect/scanner/packet_socket.h"

#include "inspect/scanner/protocol.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace sluice::inspect {

namespace {

union Control {
    cmsghdr align;
    char bytes[CMSG_SPACE(packet_descriptors * sizeof(int))];
};

void take_descriptors(msghdr& message, Packet& packet) {
    std::size_t count = 0;
    for (cmsghdr* each = CMSG_FIRSTHDR(&message); each; each = CMSG_NXTHDR(&message, each)) {
        if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t size = each->cmsg_len - CMSG_LEN(0);
        for (std::size_t at = 0; at + sizeof(int) <= size; at += sizeof(int)) {
            int descriptor = -1;
            std::memcpy(&descriptor, CMSG_DATA(each) + at, sizeof descriptor);
            Descriptor owned(descriptor);                    // one too many is closed
            if (count < packet.descriptors.size()) packet.descriptors[count++] = std::move(owned);
        }
    }
}

}  // namespace

Result<std::pair<Descriptor, Descriptor>> packet_pair() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return fail(Errc::overloaded, Side::self, "no socket for a scanner", errno);
    return std::pair(Descriptor(ends[0]), Descriptor(ends[1]));
}

Result<void> send_packet(int socket, std::string_view bytes, std::span<const int> descriptors, bool waits) {
    std::string copy(bytes);                                 // an iovec's base is not const
    iovec content{copy.data(), copy.size()};
    msghdr message{};
    message.msg_iov = &content;
    message.msg_iovlen = 1;
    Control control{};
    if (!descriptors.empty()) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(descriptors.size_bytes());
        std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size_bytes());
    }
    ssize_t sent = 0;
    do sent = ::sendmsg(socket, &message, MSG_NOSIGNAL | (waits ? 0 : MSG_DONTWAIT));
    while (sent < 0 && errno == EINTR);
    if (sent >= 0) return {};
    if (errno == EAGAIN || errno == ENOBUFS) return fail(Errc::overloaded, Side::self, "a scanner does not read", errno);
    return fail(Errc::closed, Side::self, "a scanner is gone", errno);
}

Result<std::optional<Packet>> receive_packet(int socket, bool waits) {
    Packet packet;
    packet.bytes.resize(protocol::message_size);
    iovec content{packet.bytes.data(), packet.bytes.size()};
    msghdr message{};
    message.msg_iov = &content;
    message.msg_iovlen = 1;
    Control control{};
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    ssize_t got = 0;
    do got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC | (waits ? 0 : MSG_DONTWAIT));
    while (got < 0 && errno == EINTR);
    if (got < 0 && errno == EAGAIN) return std::nullopt;
    if (got <= 0) return fail(Errc::closed, Side::self, "the other end of a scanner's socket is gone", got < 0 ? errno : 0);
    take_descriptors(message, packet);
    if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) return fail(Errc::malformed, Side::self, "a scanner's packet is too long");
    packet.bytes.resize(static_cast<std::size_t>(got));
    return packet;
}

}  // namespace sluice::inspect
