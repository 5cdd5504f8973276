// SPDX-License-Identifier: Apache-2.0
// TLS towards clients: one for all workers. Sessions are resumed by tickets alone (ticket_keys.h), so nothing is kept here for a client.
#pragma once

#include <expected>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "net/tls/openssl.h"
#include "net/tls/ticket_keys.h"
#include "net/tls/tls_stream.h"

namespace sluice::net::tls {

// A certificate that we show, with its key.
struct Identity {
    CertificatePtr certificate;
    KeyPtr key;
};

class Acceptor {
public:
    struct Options {
        std::string protocol = "http/1.1";  // chosen in ALPN where the client offers it; others are not refused, but not chosen
        std::filesystem::path certificate;  // our own, PEM with its chain; empty: each connection brings an Identity
        std::filesystem::path key;
        std::filesystem::path client_roots;  // PEM: clients must have a certificate of one of these; empty: they are not asked
        TicketKeys::Clock::duration ticket_period = std::chrono::hours(1);  // of a ticket's key; it is taken for as long again
    };
    static std::expected<std::shared_ptr<const Acceptor>, std::string> make(const Options& options);

    // TLS with a client, whose handshake is to follow. `below` is taken over, unless there is an error (overloaded). `ahead`: what was read from it
    // already. `identity`, where there is one, lives until the handshake is over. `name`: what its sessions are for: they are resumed for no other.
    Result<std::unique_ptr<TlsStream>> open(std::unique_ptr<Stream>& below, std::string ahead, const Identity* identity,
                                            std::string_view name) const;

private:
    Acceptor() = default;
    SslContextPtr context_;
    std::string protocol_;
};

// Of a client's certificate: its first common name, in UTF-8; empty: it has none, or sent no certificate.
std::string client_name(const TlsStream& stream);

}  // namespace sluice::net::tls
