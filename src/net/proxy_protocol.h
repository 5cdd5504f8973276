// SPDX-License-Identifier: Apache-2.0
// The PROXY protocol, versions 1 and 2 (haproxy.org, proxy-protocol.txt), as its receiver: bytes in, header out. Strict and bounded.
#pragma once

#include "base/ip.h"
#include "base/result.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::net {

struct ProxyHeader {
    std::size_t consumed = 0;                    // its length: what follows is the connection's own
    std::optional<IpPort> source;                // the client; none for LOCAL, UNKNOWN and addresses that are not TCP's
    std::optional<IpPort> destination;
    bool local = false;                          // the balancer itself speaks (a health check)
};

inline constexpr std::size_t proxy_v1_longest = 107;     // with CRLF and without the NUL of the document's buffer
inline constexpr std::size_t proxy_v2_longest = 4096;    // with all TLVs

// `bytes`: all that came so far, from the connection's first byte. nullopt: more is needed. An error (malformed, too_large; the client's
// side) is known as soon as the bytes leave no other way. A CRC32C TLV is checked; other TLVs are passed over.
Result<std::optional<ProxyHeader>> parse_proxy_header(std::string_view bytes);

// And as its sender, for a server that trusts us: who the client is, and where it came in.
std::string encode_proxy_v1(const IpPort& source, const IpPort& destination);
std::string encode_proxy_v2(const IpPort& source, const IpPort& destination);

}  // namespace sluice::net
