// SPDX-License-Identifier: Apache-2.0
#include "net/ca/known_key.h"
#include "unit/net/ca/support.h"

#include <openssl/err.h>

#include <thread>
#include <vector>

namespace sluice::net::ca {
namespace {

class KnownKeyTest : public AuthorityTest {
protected:
    std::string leaf_of(EVP_PKEY* key) { return to_der(**sign_leaf(authority_, with_key(request_for("a.test"), key))); }
};

TEST_F(KnownKeyTest, what_is_read_is_what_was_signed) {
    for (const bool is_rsa : {false, true}) {
        const tls::KeyPtr key(is_rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256"));
        const KnownKey known = std::move(*KnownKey::make(*key));
        EXPECT_EQ(known.der(), *public_key_of(*key));
        const std::string der = leaf_of(key.get());
        const auto leaf = known.read(der);
        ASSERT_TRUE(leaf);
        EXPECT_EQ(to_der(**leaf), der);
        EXPECT_EQ(X509_verify(leaf->get(), authority_.key.get()), 1);
        EXPECT_EQ(X509_check_private_key(leaf->get(), key.get()), 1);
        EXPECT_NE(EVP_PKEY_eq(X509_get0_pubkey(leaf->get()), key_.get()), 1);
        EXPECT_EQ(EVP_PKEY_eq(X509_get0_pubkey(leaf->get()), key.get()), 1);
        EXPECT_EQ(verify(**leaf, "a.test"), X509_V_OK);
        EXPECT_EQ(verify(**leaf, "b.test"), X509_V_ERR_HOSTNAME_MISMATCH);
        // What others read meanwhile, and this thread afterwards, has its key as ever.
        EXPECT_NE(X509_get0_pubkey(certificate_from_der(der)->get()), nullptr);
        EXPECT_NE(X509_get0_pubkey(tls::CertificatePtr(X509_dup(leaf->get())).get()), nullptr);
    }
    EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST_F(KnownKeyTest, a_certificate_for_another_key_is_refused) {
    const KnownKey known = std::move(*KnownKey::make(*key_));
    const tls::KeyPtr rsa(EVP_RSA_gen(2048));
    for (EVP_PKEY* other : {tls::KeyPtr(EVP_EC_gen("P-256")).release(), rsa.get()}) {
        const tls::KeyPtr owned(other == rsa.get() ? nullptr : other);
        EXPECT_EQ(tls::code_of(known.read(leaf_of(other))), Errc::malformed);
    }
    const std::string der = leaf_of(key_.get());
    EXPECT_FALSE(known.read(""));
    EXPECT_FALSE(known.read("garbage"));
    EXPECT_FALSE(known.read(std::string_view(der).substr(0, der.size() - 1)));
    EXPECT_TRUE(known.read(der));
    EXPECT_NE(X509_get0_pubkey(certificate_from_der(der)->get()), nullptr) << "also after what failed";
    EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST_F(KnownKeyTest, a_leaf_outlives_it_and_is_of_any_thread) {
    std::vector<tls::CertificatePtr> leaves(4);
    {
        const KnownKey known = std::move(*KnownKey::make(*key_));
        const std::string der = leaf_of(key_.get());
        std::vector<std::thread> threads;
        for (tls::CertificatePtr& leaf : leaves)
            threads.emplace_back([&] {
                for (int i = 0; i < 20; ++i) leaf = std::move(*known.read(der));
            });
        for (std::thread& thread : threads) thread.join();
    }
    for (const tls::CertificatePtr& leaf : leaves) {
        EXPECT_EQ(X509_check_private_key(leaf.get(), key_.get()), 1);
        EXPECT_EQ(verify(*leaf, "a.test"), X509_V_OK);
    }
}

}  // namespace
}  // namespace sluice::net::ca
