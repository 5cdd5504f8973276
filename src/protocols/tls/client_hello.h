// SPDX-License-Identifier: Apache-2.0
// What a TLS client says first (RFC 8446 4.1.2), read before any TLS library sees it: who is asked for, and what the client can. Strictly: what
// two parsers could read in two ways is refused, so that the server that is judged is the server that is asked.
#pragma once

#include "base/limits.h"
#include "base/result.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::tls {

inline constexpr std::uint16_t ssl_3_0 = 0x0300;
inline constexpr std::uint16_t tls_1_0 = 0x0301;
inline constexpr std::uint16_t tls_1_1 = 0x0302;
inline constexpr std::uint16_t tls_1_2 = 0x0303;
inline constexpr std::uint16_t tls_1_3 = 0x0304;

namespace extension {
inline constexpr std::uint16_t server_name = 0x0000;
inline constexpr std::uint16_t supported_groups = 0x000a;
inline constexpr std::uint16_t signature_algorithms = 0x000d;
inline constexpr std::uint16_t alpn = 0x0010;
inline constexpr std::uint16_t pre_shared_key = 0x0029;
inline constexpr std::uint16_t early_data = 0x002a;
inline constexpr std::uint16_t supported_versions = 0x002b;
inline constexpr std::uint16_t encrypted_client_hello = 0xfe0d;
}  // namespace extension

// Lists are in the client's order and without the values that mean nothing (GREASE, RFC 8701).
struct ClientHello {
    std::uint16_t legacy_version = 0;  // of the message, not of its records
    std::vector<std::uint16_t> versions;  // of supported_versions; empty: not sent
    std::vector<std::uint16_t> ciphers;
    std::vector<std::uint16_t> extensions;  // their types
    std::vector<std::uint16_t> signature_algorithms;
    std::vector<std::uint16_t> groups;
    std::vector<std::string> alpn;  // names of protocols, 1 to 255 octets of any value each
    std::optional<std::string> server_name;  // lower case, without a final dot; a client may send an address here, against RFC 6066 3
    // The true ClientHello is inside, encrypted, or seems to be: browsers send an imitation where they know no key. `server_name` and `alpn` are then
    // those of the outer one.
    bool encrypted_client_hello = false;
    bool early_data = false;  // what follows may be application data already

    // The highest from SSL 3.0 to TLS 1.3 that the client offers; 0: none of them. Without supported_versions never above TLS 1.2 (RFC 8446 4.2.1).
    std::uint16_t highest_version() const;
    bool offers(std::string_view protocol) const;  // in ALPN
    // The client takes a certificate with an ECDSA key on P-256: it does TLS 1.3, or has a cipher suite for such a key (with AES or ChaCha20) and P-256
    // among its groups; and ecdsa_secp256r1_sha256 is among its signature algorithms, if it sent any.
    bool may_use_ecdsa() const;

    friend bool operator==(const ClientHello&, const ClientHello&) = default;
};

// `bytes`: all that came so far, from the connection's first on. The value is the number of octets up to the end of the last record that holds the
// ClientHello; what follows has no part in the outcome. nullopt: more are needed. `out` is written with a value alone, and keeps no view.
//
// Nothing is remembered between calls. A call costs the records that are there, and the message once it is whole; Limits::client_hello bounds both.
//
// Errors (Side::client), as soon as the bytes leave no other way:
//   unsupported  this is not TLS: the first record is none of a handshake, or SSL 2
//   malformed    it is, and breaks the rules
//   too_large    it is longer than Limits::client_hello
Result<std::optional<std::size_t>> parse_client_hello(std::string_view bytes, const Limits& limits, ClientHello& out);

}  // namespace sluice::tls
