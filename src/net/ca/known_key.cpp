// SPDX-License-Identifier: Apache-2.0
#include "net/ca/known_key.h"

#include <openssl/err.h>

#include <utility>

#include "net/ca/authority.h"

namespace sluice::net::ca {

namespace {

// A library context for what this thread does until the end of the scope.
class Within {
public:
    explicit Within(OSSL_LIB_CTX* context) : before_(OSSL_LIB_CTX_set0_default(context)) {}
    ~Within() { OSSL_LIB_CTX_set0_default(before_); }
    Within(const Within&) = delete;
    Within& operator=(const Within&) = delete;

private:
    OSSL_LIB_CTX* before_;
};

tls::KeyPtr public_key_from(const std::string& der) {
    const auto* at = reinterpret_cast<const unsigned char*>(der.data());
    return tls::KeyPtr(d2i_PUBKEY(nullptr, &at, static_cast<long>(der.size())));
}

// The key in the form that is written into a certificate without OpenSSL's encoders, which take their time as well; where there is none, any.
tls::KeyPtr plain_key(const std::string& der) {
    tls::KeyPtr key = public_key_from(der);
    unsigned char* text = nullptr;
    const int size = key ? i2d_PublicKey(key.get(), &text) : 0;
    if (size > 0) {
        const unsigned char* at = text;
        const int type = EVP_PKEY_get_base_id(key.get());
        // A point says nothing of its curve.
        EVP_PKEY* into = type == EVP_PKEY_EC ? public_key_from(der).release() : nullptr;
        const bool is_made = d2i_PublicKey(type, &into, &at, size) != nullptr;
        tls::KeyPtr plain(into);
        if (is_made && EVP_PKEY_eq(plain.get(), key.get()) == 1) key = std::move(plain);
    }
    OPENSSL_free(text);
    ERR_clear_error();
    return key;
}

bool has_key(const X509& certificate, const std::string& der) {
    unsigned char* text = nullptr;
    const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(&certificate), &text);
    const bool is_it = size > 0 && std::string_view(reinterpret_cast<const char*>(text), static_cast<std::size_t>(size)) == der;
    OPENSSL_free(text);
    return is_it;
}

}  // namespace

Result<KnownKey> KnownKey::make(const EVP_PKEY& key) {
    KnownKey known;
    known.der_ = TRY(public_key_of(key));
    known.key_ = plain_key(known.der_);
    known.bare_.reset(OSSL_LIB_CTX_new());
    if (known.bare_) known.nothing_.reset(OSSL_PROVIDER_load(known.bare_.get(), "null"));
    if (!known.key_ || !known.nothing_) {
        ERR_clear_error();
        return fail(Errc::io_failed, Side::self, "OpenSSL cannot be prepared to read leaves");
    }
    return known;
}

Result<tls::CertificatePtr> KnownKey::read(std::string_view der) const {
    const Within nowhere(bare_.get());
    tls::CertificatePtr certificate = TRY(certificate_from_der(der));
    if (!has_key(*certificate, der_)) return fail(Errc::malformed, Side::self, "a leaf is for another key");
    if (X509_set_pubkey(certificate.get(), key_.get()) != 1) {
        ERR_clear_error();
        return fail(Errc::io_failed, Side::self, "no memory for a certificate");
    }
    return certificate;
}

}  // namespace sluice::net::ca
