// SPDX-License-Identifier: Apache-2.0
#include "net/tls/acceptor.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/sha.h>

#include <array>
#include <new>
#include <utility>

#include "net/tls/suites.h"

namespace sluice::net::tls {

namespace {

// How long a client may resume its session: long enough for a visit, short for who steals our memory.
constexpr long ticket_seconds = 2 * 60 * 60;

int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* chosen_size, const unsigned char* offered, unsigned offered_size,
                    void* data) {
    const auto& wanted = *static_cast<const std::string*>(data);
    std::string_view list(reinterpret_cast<const char*>(offered), offered_size);
    while (!list.empty()) {
        const auto size = static_cast<std::size_t>(static_cast<unsigned char>(list.front()));
        if (list.size() - 1 < size) break;
        if (list.substr(1, size) == wanted) {
            *chosen = reinterpret_cast<const unsigned char*>(list.data() + 1);
            *chosen_size = static_cast<unsigned char>(size);
            return SSL_TLSEXT_ERR_OK;
        }
        list.remove_prefix(1 + size);
    }
    return SSL_TLSEXT_ERR_NOACK;
}

// What a connection is to show.
struct Shown {
    const Identity* identity;
};

void free_shown(void*, void* shown, CRYPTO_EX_DATA*, int, long, void*) { delete static_cast<Shown*>(shown); }

int shown_index() {
    static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, free_shown);
    return index;
}

// They live as long as the context, which a handshake keeps beyond its Acceptor.
void free_ticket_keys(void*, void* keys, CRYPTO_EX_DATA*, int, long, void*) { delete static_cast<TicketKeys*>(keys); }

int ticket_keys_index() {
    static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, free_ticket_keys);
    return index;
}

int prepare_ticket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, int is_sealing) {
    auto* keys = static_cast<TicketKeys*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), ticket_keys_index()));
    const auto now = TicketKeys::Clock::now();
    if (is_sealing == 1) return keys->seal(name, iv, cipher, mac, now);
    // Those of TLS 1.3 are used once (RFC 8446 C.4).
    return keys->open(name, iv, cipher, mac, SSL_version(ssl) >= TLS1_3_VERSION, now);
}

// Asked for where a session is not resumed: else no certificate is wanted, and setting it is work.
int show_identity(SSL* ssl, void*) {
    const auto* shown = static_cast<const Shown*>(SSL_get_ex_data(ssl, shown_index()));
    if (shown == nullptr) return 1;                      // the context has one
    const Identity& identity = *shown->identity;
    return SSL_use_certificate(ssl, identity.certificate.get()) == 1 && SSL_use_PrivateKey(ssl, identity.key.get()) == 1 ? 1 : 0;
}

}  // namespace

std::expected<std::shared_ptr<const Acceptor>, std::string> Acceptor::make(const Options& options) {
    const std::shared_ptr<Acceptor> acceptor(new Acceptor());
    acceptor->protocol_ = options.protocol;
    acceptor->context_.reset(SSL_CTX_new(TLS_server_method()));
    SSL_CTX* const context = acceptor->context_.get();
    if (context == nullptr) throw std::bad_alloc();
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    if (SSL_CTX_set_ciphersuites(context, suites) != 1) throw std::bad_alloc();
    SSL_CTX_set_options(context,
                        SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_PRIORITIZE_CHACHA | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, 2 * SSL3_RT_MAX_PACKET_SIZE);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(context, ticket_seconds);
    SSL_CTX_set_num_tickets(context, 1);
    auto ticket_keys = std::make_unique<TicketKeys>(options.ticket_period);
    if (SSL_CTX_set_ex_data(context, ticket_keys_index(), ticket_keys.get()) != 1) throw std::bad_alloc();
    ticket_keys.release();
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, prepare_ticket);
    SSL_CTX_set_max_early_data(context, 0);              // it could be replayed (RFC 8446 8)
    SSL_CTX_set_cert_cb(context, show_identity, nullptr);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, &acceptor->protocol_);
    const auto failed = [](std::string message) {
        ERR_clear_error();
        return std::unexpected(std::move(message));
    };
    if (!options.certificate.empty()) {
        if (SSL_CTX_use_certificate_chain_file(context, options.certificate.c_str()) != 1)
            return failed(fmt::format("{} holds no certificate in PEM", options.certificate.string()));
        if (SSL_CTX_use_PrivateKey_file(context, options.key.c_str(), SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(context) != 1)
            return failed(fmt::format("{} is not the key of {}", options.key.string(), options.certificate.string()));
    }
    if (!options.client_roots.empty()) {
        STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(options.client_roots.c_str());
        if (names == nullptr || SSL_CTX_load_verify_file(context, options.client_roots.c_str()) != 1)
            return failed(fmt::format("{} holds no certificates in PEM", options.client_roots.string()));
        SSL_CTX_set_client_CA_list(context, names);
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    }
    return acceptor;
}

Result<std::unique_ptr<TlsStream>> Acceptor::open(std::unique_ptr<Stream>& below, std::string ahead, const Identity* identity,
                                                  std::string_view name) const {
    SslPtr ssl(SSL_new(context_.get()));
    if (!ssl) return fail(Errc::overloaded, Side::self, "no memory for TLS");
    SSL_set_accept_state(ssl.get());
    std::array<unsigned char, SHA256_DIGEST_LENGTH> of_name{};
    SHA256(reinterpret_cast<const unsigned char*>(name.data()), name.size(), of_name.data());
    SSL_set_session_id_context(ssl.get(), of_name.data(), of_name.size());
    if (identity != nullptr) {
        auto shown = std::make_unique<Shown>(identity);
        if (SSL_set_ex_data(ssl.get(), shown_index(), shown.get()) != 1) return fail(Errc::overloaded, Side::self, "no memory for TLS");
        shown.release();
    }
    return std::make_unique<TlsStream>(std::move(below), std::move(ssl), std::move(ahead));
}

std::string client_name(const TlsStream& stream) {
    X509* certificate = SSL_get0_peer_certificate(stream.ssl());
    if (certificate == nullptr) return {};
    X509_NAME* subject = X509_get_subject_name(certificate);
    const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0) return {};
    unsigned char* text = nullptr;
    const int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    if (size < 0) return {};
    std::string name(reinterpret_cast<const char*>(text), static_cast<std::size_t>(size));
    OPENSSL_free(text);
    return name;
}

}  // namespace sluice::net::tls
