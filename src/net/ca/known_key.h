// SPDX-License-Identifier: Apache-2.0
// Certificates whose public key is known before they are read. OpenSSL 3.0 takes longer to decode a public key than to sign: it looks through all
// decoders that it has, each time. Here it has none while it reads, and is given the key.
#pragma once

#include <openssl/crypto.h>
#include <openssl/provider.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/tls/openssl.h"

namespace sluice::net::ca {

class KnownKey {
public:
    static Result<KnownKey> make(const EVP_PKEY& key);

    const std::string& der() const { return der_; }  // SubjectPublicKeyInfo
    // The certificate, from any thread. Errors: malformed, it is none, or one for another key.
    Result<tls::CertificatePtr> read(std::string_view der) const;

private:
    KnownKey() = default;
    std::string der_;
    tls::KeyPtr key_;  // the public one
    std::unique_ptr<OSSL_LIB_CTX, tls::Freed<OSSL_LIB_CTX_free>> bare_;
    std::unique_ptr<OSSL_PROVIDER, tls::Freed<OSSL_PROVIDER_unload>> nothing_;  // without it there would be the default one
};

}  // namespace sluice::net::ca
