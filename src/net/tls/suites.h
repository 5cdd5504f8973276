// SPDX-License-Identifier: Apache-2.0
// The suites of TLS 1.3 that we speak, the preferred one first: OpenSSL's own, in another order.
#pragma once

namespace sluice::net::tls {

// A handshake hashes for thirty keys, and SHA-256 has instructions of its own where SHA-384 has none: OpenSSL's order, AES-256 first, costs a twelfth of
// each. Browsers, too, have AES-128 first (RFC 8446 9.1: the one that all must have).
inline constexpr const char* suites = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

}  // namespace sluice::net::tls
