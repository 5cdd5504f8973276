// SPDX-License-Identifier: Apache-2.0
#include "net/socket_address.h"

#include <netinet/in.h>
#include <cstring>

namespace sluice::net {

SocketAddress::SocketAddress(const IpPort& from) {
    if (from.address.is_v6()) {
        auto& to = reinterpret_cast<sockaddr_in6&>(storage_);
        to.sin6_family = AF_INET6;
        to.sin6_port = htons(from.port);
        std::memcpy(&to.sin6_addr, from.address.bytes().data(), sizeof to.sin6_addr);
        length_ = sizeof to;
    } else {
        auto& to = reinterpret_cast<sockaddr_in&>(storage_);
        to.sin_family = AF_INET;
        to.sin_port = htons(from.port);
        std::memcpy(&to.sin_addr, from.address.bytes().data(), sizeof to.sin_addr);
        length_ = sizeof to;
    }
}

SocketAddress SocketAddress::local_of(int descriptor) {
    SocketAddress address;
    if (::getsockname(descriptor, address.out(), address.out_length()) != 0) address.storage_.ss_family = AF_UNSPEC;
    return address;
}

IpPort SocketAddress::to_ip_port() const {
    const auto address = IpAddress::from_sockaddr(get());
    if (!address) return {};
    const std::uint16_t port = storage_.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(storage_).sin6_port
                                                              : reinterpret_cast<const sockaddr_in&>(storage_).sin_port;
    return {address->unmapped(), ntohs(port)};
}

}  // namespace sluice::net
