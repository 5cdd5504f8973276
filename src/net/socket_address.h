// SPDX-License-Identifier: Apache-2.0
// The system's form of an address and port, and back.
#pragma once

#include "base/ip.h"

#include <sys/socket.h>

namespace sluice::net {

class SocketAddress {
public:
    SocketAddress() = default;                               // to be filled through `out`
    explicit SocketAddress(const IpPort& from);
    static SocketAddress local_of(int descriptor);

    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage_); }
    socklen_t length() const { return length_; }
    sockaddr* out() { return reinterpret_cast<sockaddr*>(&storage_); }
    socklen_t* out_length() { return &length_; }
    IpPort to_ip_port() const;                               // unmapped

private:
    sockaddr_storage storage_{};
    socklen_t length_ = sizeof(sockaddr_storage);
};

}  // namespace sluice::net
