// SPDX-License-Identifier: Apache-2.0
// TLS towards servers: by whom they are believed, who we are to them, and how far each was verified (RFC 5280, RFC 6125, stapled OCSP of RFC 6066 8).
//
// A handshake ends well with a server that could not be verified: the caller looks at `verification` before it sends anything.
#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"
#include "net/task.h"
#include "net/tls/openssl.h"
#include "net/tls/tls_stream.h"

namespace sluice::net::tls {

class SessionCache;

// A certificate of ours for servers that ask for one.
struct ClientCertificate {
    std::string name;  // the server's: "intranet.example"
    std::filesystem::path certificate;  // PEM, with what stands between it and a root behind it
    std::filesystem::path key;
    friend bool operator==(const ClientCertificate&, const ClientCertificate&) = default;
};

// Immutable: one for all workers.
class Trust {
public:
    struct Options {
        std::filesystem::path extra_roots;  // PEM, beside the system's; empty: none
        std::vector<ClientCertificate> certificates;
        std::string protocol = "http/1.1";  // offered in ALPN; empty: nothing is
    };
    // Or what is wrong with which file.
    static std::expected<std::shared_ptr<const Trust>, std::string> load(Options options);

    // A connection to be made; null where OpenSSL has no memory left.
    SslPtr open(std::string_view name) const;
    X509_STORE* store() const { return SSL_CTX_get_cert_store(context_.get()); }
    std::uint64_t serial() const { return serial_; }  // another one for each that was loaded

private:
    Trust() = default;
    struct Own {
        std::string name;
        SslContextPtr context;
    };
    SslContextPtr context_;
    std::vector<Own> own_;  // with a certificate of ours
    std::uint64_t serial_ = 0;
};

struct ServerName {
    std::string name;  // canonical host: said in server_name, and wanted in the certificate
    bool is_address = false;  // an IP address, of which server_name may say nothing (RFC 6066 3)
};

// What could not be verified, in a person's words ("Its certificate has expired."); empty: nothing. A literal.
std::string_view verification(const TlsStream& stream);
// The peer's certificate; null: it sent none. Lives as long as the stream.
X509* peer_certificate(const TlsStream& stream);
// The organisation or name of who issued it.
std::string issuer_of(X509* certificate);

// TLS with a server, whose handshake is to follow: a session is resumed where `sessions` has one, and those that the server gives go there. `key`: the
// server ("host:port"), and whatever else must agree. `below` is taken over, unless there is an error.
Result<std::unique_ptr<TlsStream>> open(std::unique_ptr<Stream>& below, const Trust& trust, SessionCache& sessions,
                                        const ServerName& server, std::string_view key);
// The same with its handshake.
// `below` gets the deadline that the stream has at its end; errors as TlsStream::handshake.
Task<Result<std::unique_ptr<TlsStream>>> connect(std::unique_ptr<Stream> below, const Trust& trust, SessionCache& sessions,
                                                 ServerName server, std::string_view key, Limits::Duration deadline);

}  // namespace sluice::net::tls
