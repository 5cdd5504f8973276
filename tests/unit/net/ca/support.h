// SPDX-License-Identifier: Apache-2.0
// An authority, leaves of it, and a signer that runs beside the test.
#pragma once

#include "net/ca/authority.h"
#include "net/ca/signer.h"
#include "unit/net/tls/support.h"

#include <gtest/gtest.h>

#include <openssl/rsa.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <ctime>
#include <memory>
#include <string>
#include <thread>
#include <utility>

namespace sluice::net::ca {

inline constexpr std::int64_t day = 24 * 60 * 60;

inline std::int64_t unix_of(const ASN1_TIME* time) {
    std::tm parts{};
    return ASN1_TIME_to_tm(time, &parts) == 1 ? timegm(&parts) : 0;
}

inline LeafRequest with_key(LeafRequest request, EVP_PKEY* key) {
    request.public_key = *public_key_of(*key);
    return request;
}

class AuthorityTest : public testing::Test {
protected:
    Authority authority_ = std::move(*make_authority("Test CA"));
    tls::KeyPtr key_{EVP_EC_gen("P-256")};
    tls::CertificatePtr sign(LeafRequest request) {
        auto leaf = sign_leaf(authority_, with_key(std::move(request), key_.get()));
        EXPECT_TRUE(leaf);
        return leaf ? std::move(*leaf) : nullptr;
    }
    // X509_V_OK, or what a client that trusts the authority finds wrong.
    int verify(X509& leaf, const char* host, int purpose = X509_PURPOSE_SSL_SERVER) {
        const std::unique_ptr<X509_STORE, tls::Freed<X509_STORE_free>> store(X509_STORE_new());
        X509_STORE_add_cert(store.get(), authority_.certificate.get());
        const std::unique_ptr<X509_STORE_CTX, tls::Freed<X509_STORE_CTX_free>> context(X509_STORE_CTX_new());
        X509_STORE_CTX_init(context.get(), store.get(), &leaf, nullptr);
        X509_STORE_CTX_set_purpose(context.get(), purpose);
        X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(context.get()), X509_V_FLAG_X509_STRICT);
        X509_VERIFY_PARAM_set_hostflags(X509_STORE_CTX_get0_param(context.get()), X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
        X509_VERIFY_PARAM_set1_host(X509_STORE_CTX_get0_param(context.get()), host, 0);
        return X509_verify_cert(context.get()) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(context.get());
    }
};

inline std::pair<int, int> packets() {
    std::array<int, 2> ends{-1, -1};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), 0);
    return {ends[0], ends[1]};
}

// With a signer; it ends when nobody can ask any more.
class SignerTest : public AuthorityTest {
protected:
    SignerTest() {
        const auto [ours, theirs] = packets();
        ours_ = ours;
        signer_ = std::make_unique<Signer>(ours);
        process_ = std::thread([this, socket = theirs] {
            code_ = run_signer(socket, authority_);
            ::close(socket);
        });
    }
    ~SignerTest() override { end(); }
    void end() {
        signer_.reset();
        if (!process_.joinable()) return;
        process_.join();
        EXPECT_EQ(code_, 0);
    }

    int ours_ = -1;
    std::unique_ptr<Signer> signer_;

private:
    std::thread process_;
    int code_ = -1;
};

}  // namespace sluice::net::ca
