// SPDX-License-Identifier: Apache-2.0
// A root, certificates of all kinds, and the two ends of a TLS connection in memory.
#pragma once

#include "net/ca/authority.h"
#include "net/gate.h"
#include "net/memory_stream.h"
#include "net/tls/acceptor.h"
#include "net/tls/session_cache.h"
#include "net/tls/trust.h"
#include "net/worker.h"

#include <gtest/gtest.h>

#include <openssl/rsa.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace sluice::net::tls {

// A file with that text, as long as this lives.
class File {
public:
    explicit File(std::string_view text) {
        static int last = 0;
        path_ = std::filesystem::temp_directory_path() / ("sluice-tls-" + std::to_string(::getpid()) + "-" + std::to_string(++last));
        std::ofstream(path_) << text;
    }
    ~File() { std::filesystem::remove(path_); }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

// What a certificate says, also where `ca::sign_leaf` would refuse to.
struct Wanted {
    std::string common_name = "a.test";  // empty: none
    std::string names = "DNS:a.test";  // subjectAltName, as OpenSSL's configuration writes it; empty: none
    std::string usage = "serverAuth";
    int from = -1;  // days from now
    int until = 30;
    const ca::Authority* issuer = nullptr;  // null: it signs itself
    bool is_authority = false;
    unsigned rsa_bits = 0;  // 0: its key is of P-256
};

inline Identity make_certificate(const Wanted& wanted) {
    Identity made{CertificatePtr(X509_new()), KeyPtr(wanted.rsa_bits == 0 ? EVP_EC_gen("P-256") : EVP_RSA_gen(wanted.rsa_bits))};
    X509* const certificate = made.certificate.get();
    static long last_serial = 1000;
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++last_serial);
    X509_NAME* subject = X509_get_subject_name(certificate);
    if (!wanted.common_name.empty())
        X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
                                   reinterpret_cast<const unsigned char*>(wanted.common_name.data()),
                                   static_cast<int>(wanted.common_name.size()), -1, 0);
    X509* const issuer = wanted.issuer == nullptr ? certificate : wanted.issuer->certificate.get();
    X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
    X509_time_adj_ex(X509_getm_notBefore(certificate), wanted.from, 0, nullptr);
    X509_time_adj_ex(X509_getm_notAfter(certificate), wanted.until, 0, nullptr);
    X509_set_pubkey(certificate, made.key.get());
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    const auto add = [&](int kind, const std::string& value) {
        if (value.empty()) return;
        X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
        EXPECT_NE(extension, nullptr) << value;
        X509_add_ext(certificate, extension, -1);
        X509_EXTENSION_free(extension);
    };
    add(NID_basic_constraints, wanted.is_authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
    add(NID_ext_key_usage, wanted.usage);
    add(NID_subject_alt_name, wanted.names);
    EXPECT_GT(X509_sign(certificate, wanted.issuer == nullptr ? made.key.get() : wanted.issuer->key.get(), EVP_sha256()), 0);
    return made;
}

// Its certificate is in a file, as `Trust` wants it.
class Root {
public:
    Root() : authority_(std::move(*ca::make_authority("Root"))), file_(ca::to_pem(*authority_.certificate)) {}

    const ca::Authority& authority() const { return authority_; }
    const std::filesystem::path& file() const { return file_.path(); }
    Identity leaf(std::string_view host) const {
        Identity identity;
        identity.key.reset(EVP_EC_gen("P-256"));
        ca::LeafRequest request = ca::request_for(host);
        request.public_key = *ca::public_key_of(*identity.key);
        identity.certificate = std::move(*ca::sign_leaf(authority_, request));
        return identity;
    }
    std::shared_ptr<const Trust> trust() const { return *Trust::load({.extra_roots = file(), .certificates = {}}); }

private:
    ca::Authority authority_;
    File file_;
};

inline std::shared_ptr<const Acceptor> acceptor() { return *Acceptor::make({}); }

// A server or a client of OpenSSL's own making: for what `Acceptor` and `Trust` do not do.
inline SslContextPtr server_context(const Identity& leaf, int most = TLS1_3_VERSION) {
    SslContextPtr context(SSL_CTX_new(TLS_server_method()));
    SSL_CTX_set_max_proto_version(context.get(), most);
    SSL_CTX_use_certificate(context.get(), leaf.certificate.get());
    SSL_CTX_use_PrivateKey(context.get(), leaf.key.get());
    return context;
}

inline SslContextPtr client_context(int most = TLS1_3_VERSION) {
    SslContextPtr context(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_max_proto_version(context.get(), most);
    return context;
}

inline std::unique_ptr<TlsStream> open_server(SSL_CTX& context, std::unique_ptr<Stream> below, std::string ahead = {}) {
    SslPtr ssl(SSL_new(&context));
    SSL_set_accept_state(ssl.get());
    return std::make_unique<TlsStream>(std::move(below), std::move(ssl), std::move(ahead));
}

inline std::unique_ptr<TlsStream> open_client(SSL_CTX& context, std::unique_ptr<Stream> below) {
    SslPtr ssl(SSL_new(&context));
    SSL_set_connect_state(ssl.get());
    return std::make_unique<TlsStream>(std::move(below), std::move(ssl));
}

// Nothing: it went well.
template <class T>
std::optional<Errc> code_of(const Result<T>& result) {
    return result ? std::nullopt : std::optional(result.error().code);
}

struct Shaken {
    Result<void> client;
    Result<void> server;
};

// Both handshakes, to the end of both: the client takes the tickets meanwhile, for which there may be no room otherwise.
inline Task<Shaken> shake(TlsStream& client, TlsStream& server) {
    Shaken shaken;
    bool is_waiting = false;
    Gate done;
    spawn(server.worker(), [](TlsStream& stream, TlsStream& other, Result<void>& outcome, const bool& waits, Gate& gate) -> Task<void> {
        outcome = co_await stream.handshake();
        if (waits) other.cancel();
        gate.open();
    }(server, client, shaken.server, is_waiting, done));
    shaken.client = co_await client.handshake();
    if (shaken.client && !done.is_open()) {
        is_waiting = true;
        if (code_of(co_await client.wait_readable()) == Errc::cancelled) client.rearm();
        is_waiting = false;
    }
    co_await done.wait();
    co_return shaken;
}

// Of a stream whose handshake is over: what comes goes back, until the end.
inline Task<void> give_back(std::unique_ptr<TlsStream> stream) {
    std::string buffer(30'000, 0);
    for (;;) {
        const auto got = co_await stream->read_some(buffer);
        if (!got || *got == 0) break;
        const std::string_view piece(buffer.data(), *got);
        if (!co_await stream->write({&piece, 1})) break;
    }
    stream->close();
}

// The server's end: handshake, then what comes goes back.
inline Task<void> serve(std::unique_ptr<TlsStream> stream) {
    stream->expires_in(std::chrono::seconds(20));
    if (co_await stream->handshake()) co_await give_back(std::move(stream));
}

inline Task<void> echo(std::unique_ptr<Stream> below, const Acceptor& from, const Identity& leaf, std::string_view name) {
    auto opened = from.open(below, {}, &leaf, name);
    if (opened) co_await serve(std::move(*opened));
}

inline std::string noise(std::size_t size) {
    std::string out(size, 0);
    std::uint32_t state = 7;
    for (char& c : out) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
    return out;
}

}  // namespace sluice::net::tls
