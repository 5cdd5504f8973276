// SPDX-License-Identifier: Apache-2.0
// The certificate authority by which intercepted connections are shown to clients, and what it signs: leaves for servers, and nothing else
// (RFC 5280). Whoever has its key can be any server to every client that trusts it: it lives in the signer's process alone (signer.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/tls/openssl.h"

namespace sluice::net::ca {

struct Authority {
    tls::CertificatePtr certificate;
    tls::KeyPtr key;
};

// A new one, ECDSA P-256, for ten years, of path length 0: no further authority can be below it.
Result<Authority> make_authority(std::string_view name);

// PEM and DER.
std::string to_pem(const X509& certificate);
std::string to_der(const X509& certificate);
std::string key_to_pem(const EVP_PKEY& key);
Result<tls::CertificatePtr> certificate_from_pem(std::string_view pem);
Result<tls::CertificatePtr> certificate_from_der(std::string_view der);
Result<tls::KeyPtr> key_from_pem(std::string_view pem);
// It may sign certificates, is valid now, and the key is its own (where one is given); else why not.
Result<void> check_authority(X509& certificate, const EVP_PKEY* key);

// SHA-256 of the DER, "AB:CD:…" as browsers show it.
std::string fingerprint(const X509& certificate);
// As in RFC 2253: "CN=…,O=…".
std::string subject_of(const X509& certificate);
std::string not_after_of(const X509& certificate);       // "Nov 24 23:30:00 2036 GMT"

// What a leaf is to say. All of it is in DER, as the server's own certificate has it.
struct LeafRequest {
    std::string subject;                                 // Name; empty: none
    std::string names;                                   // GeneralNames: DNS names and addresses
    std::string public_key;                              // SubjectPublicKeyInfo: P-256, or RSA of at least 2048 bits
    std::int64_t not_after = 0;                          // Unix seconds; the leaf ends then at the latest, and after 90 days
};

// The subject and the names of a server's certificate (without what is no DNS name or address), and its end.
LeafRequest request_like(X509& server);
// For one name alone, a host or an IP address.
LeafRequest request_for(std::string_view host);
Result<std::string> public_key_of(const EVP_PKEY& key);

// Signs leaves, one after another. What leaves of one key have in common is made once: decoding a public key takes ten times as long as signing.
class LeafSigner {
public:
    explicit LeafSigner(const Authority& authority);  // which outlives it

    // A leaf in DER: random serial number, server authentication alone, from yesterday (clocks differ). Errors: malformed, what the request says is
    // not what a leaf may be.
    Result<std::string> sign(const LeafRequest& request);

private:
    // All but serial number, subject, names and validity.
    struct Begun {
        std::string public_key;
        tls::CertificatePtr leaf;
    };
    Result<Begun> begin(const std::string& public_key) const;

    const Authority& authority_;
    std::int64_t last_;  // Unix seconds: the authority's own end
    std::vector<Begun> begun_;  // by key, the one used last at the end; few, because who asks chooses the keys
};

// One alone, decoded.
Result<tls::CertificatePtr> sign_leaf(const Authority& authority, const LeafRequest& request);

}  // namespace sluice::net::ca
