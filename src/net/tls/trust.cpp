// SPDX-License-Identifier: Apache-2.0
#include "net/tls/trust.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <new>
#include <utility>

#include "net/tls/session_cache.h"
#include "net/tls/suites.h"

namespace sluice::net::tls {

namespace {

using OcspResponsePtr = std::unique_ptr<OCSP_RESPONSE, Freed<OCSP_RESPONSE_free>>;
using OcspBasicPtr = std::unique_ptr<OCSP_BASICRESP, Freed<OCSP_BASICRESP_free>>;
using OcspIdPtr = std::unique_ptr<OCSP_CERTID, Freed<OCSP_CERTID_free>>;

// What we know of one server's connection while OpenSSL calls back.
struct Server {
    SessionCache* sessions = nullptr;
    std::string key;
    int error = X509_V_OK;                               // the first
    bool is_revoked = false;
};

void free_server(void*, void* server, CRYPTO_EX_DATA*, int, long, void*) { delete static_cast<Server*>(server); }

int server_index() {
    static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, free_server);
    return index;
}

Server* server_of(const SSL* ssl) { return static_cast<Server*>(SSL_get_ex_data(ssl, server_index())); }

// Goes on whatever it is: the caller decides, and has a page for the person.
int note_verification(int is_good, X509_STORE_CTX* store) {
    if (is_good == 1) return 1;
    const auto* ssl = static_cast<const SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    if (Server* server = server_of(ssl); server != nullptr && server->error == X509_V_OK) server->error = X509_STORE_CTX_get_error(store);
    return 1;
}

// A stapled answer counts where it is signed by who may, for this certificate, and of now. Only `revoked` changes anything: without an answer a
// certificate is as good as it is (no client does otherwise).
void look_at_stapled(SSL* ssl) {
    const unsigned char* text = nullptr;
    const long size = SSL_get_tlsext_status_ocsp_resp(ssl, &text);
    Server* server = server_of(ssl);
    if (size <= 0 || text == nullptr || server == nullptr) return;
    const OcspResponsePtr response(d2i_OCSP_RESPONSE(nullptr, &text, size));
    if (!response || OCSP_response_status(response.get()) != OCSP_RESPONSE_STATUS_SUCCESSFUL) return;
    const OcspBasicPtr basic(OCSP_response_get1_basic(response.get()));
    STACK_OF(X509)* chain = SSL_get_peer_cert_chain(ssl);
    STACK_OF(X509)* verified = SSL_get0_verified_chain(ssl);
    X509* leaf = SSL_get0_peer_certificate(ssl);
    if (!basic || chain == nullptr || leaf == nullptr) return;
    X509_STORE* store = SSL_CTX_get_cert_store(SSL_get_SSL_CTX(ssl));
    // Its issuer, which is in what the server sent, or a root that it left out.
    if (OCSP_basic_verify(basic.get(), chain, store, 0) != 1 && OCSP_basic_verify(basic.get(), verified, store, 0) != 1) return;
    for (int i = 0; i < OCSP_resp_count(basic.get()); ++i) {
        OCSP_SINGLERESP* single = OCSP_resp_get0(basic.get(), i);
        const OcspIdPtr id(OCSP_CERTID_dup(OCSP_SINGLERESP_get0_id(single)));
        ASN1_INTEGER* serial = nullptr;
        if (!id || OCSP_id_get0_info(nullptr, nullptr, nullptr, &serial, id.get()) != 1 ||
            ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(leaf)) != 0)
            continue;
        const auto is_of_issuer = [&](X509* issuer) {
            ASN1_OBJECT* digest_name = nullptr;
            if (OCSP_id_get0_info(nullptr, &digest_name, nullptr, nullptr, id.get()) != 1) return false;
            const EVP_MD* digest = EVP_get_digestbyobj(digest_name);
            const OcspIdPtr wanted(digest == nullptr ? nullptr : OCSP_cert_to_id(digest, leaf, issuer));
            return wanted && OCSP_id_cmp(wanted.get(), id.get()) == 0;
        };
        bool is_ours = false;
        for (STACK_OF(X509) * certificates : {chain, verified})
            for (int n = 0; !is_ours && n < sk_X509_num(certificates); ++n) is_ours = is_of_issuer(sk_X509_value(certificates, n));
        if (!is_ours) continue;
        ASN1_GENERALIZEDTIME* from = nullptr;
        ASN1_GENERALIZEDTIME* until = nullptr;
        const int status = OCSP_single_get0_status(single, nullptr, nullptr, &from, &until);
        constexpr long skew = 300;  // seconds
        if (status == V_OCSP_CERTSTATUS_REVOKED && OCSP_check_validity(from, until, skew, -1) == 1) server->is_revoked = true;
    }
}

int note_revocation(SSL* ssl, void*) {
    look_at_stapled(ssl);
    ERR_clear_error();  // what it could not read would be taken for the handshake's failure
    return 1;
}

// Of a server that could not be verified nothing is kept: whoever resumes is not verified again.
int keep_session(SSL* ssl, SSL_SESSION* session) {
    const Server* server = server_of(ssl);
    if (server == nullptr || server->sessions == nullptr || server->error != X509_V_OK || server->is_revoked ||
        SSL_SESSION_is_resumable(session) != 1)
        return 0;
    server->sessions->put(server->key, SessionPtr(session));
    return 1;  // it is ours now
}

std::string last_error() {
    std::array<char, 256> text{};
    ERR_error_string_n(ERR_peek_last_error(), text.data(), text.size());
    ERR_clear_error();
    return text.data();
}

SslContextPtr new_context(const std::string& protocol) {
    SslContextPtr context(SSL_CTX_new(TLS_client_method()));
    if (!context) throw std::bad_alloc();
    SSL_CTX* const raw = context.get();
    SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
    if (SSL_CTX_set_ciphersuites(raw, suites) != 1) throw std::bad_alloc();
    SSL_CTX_set_options(raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(raw, 1);
    SSL_CTX_set_default_read_buffer_len(raw, 2 * SSL3_RT_MAX_PACKET_SIZE);
    SSL_CTX_set_verify(raw, SSL_VERIFY_PEER, note_verification);
    SSL_CTX_set_tlsext_status_type(raw, TLSEXT_STATUSTYPE_ocsp);
    SSL_CTX_set_tlsext_status_cb(raw, note_revocation);
    SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(raw, keep_session);
    if (!protocol.empty()) {
        std::string list(1, static_cast<char>(protocol.size()));
        list += protocol;
        SSL_CTX_set_alpn_protos(raw, reinterpret_cast<const unsigned char*>(list.data()), static_cast<unsigned>(list.size()));
    }
    return context;
}

}  // namespace

std::expected<std::shared_ptr<const Trust>, std::string> Trust::load(Options options) {
    static std::atomic<std::uint64_t> last_serial{0};
    const std::shared_ptr<Trust> trust(new Trust());
    trust->serial_ = ++last_serial;
    trust->context_ = new_context(options.protocol);
    X509_STORE* store = SSL_CTX_get_cert_store(trust->context_.get());
    if (X509_STORE_set_default_paths(store) != 1) return std::unexpected("the system's certificates cannot be read: " + last_error());
    if (!options.extra_roots.empty() && X509_STORE_load_file(store, options.extra_roots.c_str()) != 1) {
        last_error();
        return std::unexpected(fmt::format("{} holds no certificates in PEM", options.extra_roots.string()));
    }
    // A root may be any certificate that is trusted, as in a browser: also an intermediate one.
    X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST);
    for (const ClientCertificate& own : options.certificates) {
        SslContextPtr context = new_context(options.protocol);
        SSL_CTX_set1_cert_store(context.get(), store);
        if (SSL_CTX_use_certificate_chain_file(context.get(), own.certificate.c_str()) != 1) {
            last_error();
            return std::unexpected(fmt::format("{} holds no certificate in PEM", own.certificate.string()));
        }
        if (SSL_CTX_use_PrivateKey_file(context.get(), own.key.c_str(), SSL_FILETYPE_PEM) != 1 ||
            SSL_CTX_check_private_key(context.get()) != 1) {
            last_error();
            return std::unexpected(fmt::format("{} is not the key of {}", own.key.string(), own.certificate.string()));
        }
        trust->own_.push_back({own.name, std::move(context)});
    }
    return trust;
}

SslPtr Trust::open(std::string_view name) const {
    const auto own = std::ranges::find(own_, name, &Own::name);
    return SslPtr(SSL_new(own == own_.end() ? context_.get() : own->context.get()));
}

std::string_view verification(const TlsStream& stream) {
    const Server* server = server_of(stream.ssl());
    if (server == nullptr) return "It was not verified.";
    if (server->is_revoked) return "Its certificate has been revoked.";
    switch (server->error) {
        case X509_V_OK: return SSL_get0_peer_certificate(stream.ssl()) == nullptr ? "It has no certificate." : "";
        case X509_V_ERR_CERT_HAS_EXPIRED: return "Its certificate has expired.";
        case X509_V_ERR_CERT_NOT_YET_VALID: return "Its certificate is not valid yet.";
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: return "It signed its certificate itself.";
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN: return "Its certificate is of an authority that is not trusted here.";
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
            return "Its certificate is of an authority that is not known here, or certificates between the two are missing.";
        case X509_V_ERR_HOSTNAME_MISMATCH:
        case X509_V_ERR_IP_ADDRESS_MISMATCH: return "Its certificate is for another name.";
        case X509_V_ERR_CERT_REVOKED: return "Its certificate has been revoked.";
        case X509_V_ERR_EE_KEY_TOO_SMALL:
        case X509_V_ERR_CA_KEY_TOO_SMALL:
        case X509_V_ERR_CA_MD_TOO_WEAK: return "Its certificate is too weak.";
        case X509_V_ERR_INVALID_PURPOSE: return "Its certificate is not one for servers.";
        default: return "Its certificate is not valid.";
    }
}

X509* peer_certificate(const TlsStream& stream) { return SSL_get0_peer_certificate(stream.ssl()); }

std::string issuer_of(X509* certificate) {
    if (certificate == nullptr) return {};
    const BioPtr text(BIO_new(BIO_s_mem()));
    if (!text) return {};
    X509_NAME_print_ex(text.get(), X509_get_issuer_name(certificate), 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
    char* start = nullptr;
    const long size = BIO_get_mem_data(text.get(), &start);
    return size > 0 ? std::string(start, static_cast<std::size_t>(size)) : std::string();
}

Result<std::unique_ptr<TlsStream>> open(std::unique_ptr<Stream>& below, const Trust& trust, SessionCache& sessions,
                                        const ServerName& server, std::string_view key) {
    SslPtr ssl = trust.open(server.name);
    if (!ssl) return fail(Errc::overloaded, Side::self, "no memory for TLS");
    SSL_set_connect_state(ssl.get());
    auto known = std::make_unique<Server>(Server{&sessions, fmt::format("{}/{}", trust.serial(), key)});
    const SessionPtr session = sessions.take(known->key);
    if (session) SSL_set_session(ssl.get(), session.get());
    if (SSL_set_ex_data(ssl.get(), server_index(), known.get()) != 1) return fail(Errc::overloaded, Side::self, "no memory for TLS");
    known.release();
    X509_VERIFY_PARAM* const wanted = SSL_get0_param(ssl.get());
    bool is_wanted = false;  // what cannot be wanted would be verified for any name
    if (server.is_address) {
        is_wanted = X509_VERIFY_PARAM_set1_ip_asc(wanted, server.name.c_str()) == 1;
    } else {
        // Names stand in subjectAltName (RFC 6125 6.4.4; what stands in the subject counts for no browser either).
        X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
        is_wanted = !server.name.empty() && X509_VERIFY_PARAM_set1_host(wanted, server.name.data(), server.name.size()) == 1;
        SSL_set_tlsext_host_name(ssl.get(), server.name.c_str());
    }
    if (!is_wanted) return fail(Errc::tls_failed, Side::self, "no certificate can have the server's name");
    return std::make_unique<TlsStream>(std::move(below), std::move(ssl));
}

Task<Result<std::unique_ptr<TlsStream>>> connect(std::unique_ptr<Stream> below, const Trust& trust, SessionCache& sessions,
                                                 ServerName server, std::string_view key, Limits::Duration deadline) {
    auto stream = CO_TRY(open(below, trust, sessions, server, key));
    stream->expires_in(deadline);
    CO_TRY(co_await stream->handshake());
    stream->expires_never();
    co_return stream;
}

}  // namespace sluice::net::tls
