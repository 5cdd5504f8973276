// SPDX-License-Identifier: Apache-2.0
#include "net/ca/authority.h"
#include "net/ca/leaves.h"
#include "net/ca/signer.h"
#include "net/worker.h"

#include <gtest/gtest.h>

#include <openssl/rsa.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <ctime>
#include <set>
#include <string>
#include <thread>

namespace sluice::net::ca {
namespace {

constexpr std::int64_t day = 24 * 60 * 60;

std::int64_t unix_of(const ASN1_TIME* time) {
    std::tm parts{};
    return ASN1_TIME_to_tm(time, &parts) == 1 ? timegm(&parts) : 0;
}

LeafRequest with_key(LeafRequest request, EVP_PKEY* key) {
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
};

TEST_F(AuthorityTest, an_authority_signs_leaves_and_nothing_below_it) {
    X509& certificate = *authority_.certificate;
    EXPECT_EQ(X509_check_ca(&certificate), 1);
    EXPECT_EQ(X509_get_pathlen(&certificate), 0);
    EXPECT_EQ(X509_get_key_usage(&certificate), static_cast<std::uint32_t>(KU_KEY_CERT_SIGN));
    EXPECT_EQ(X509_verify(&certificate, authority_.key.get()), 1);
    EXPECT_EQ(subject_of(certificate), "CN=Test CA");
    EXPECT_EQ(fingerprint(certificate).size(), 32U * 3 - 1);
    EXPECT_TRUE(check_authority(certificate, authority_.key.get()));
    EXPECT_FALSE(check_authority(certificate, key_.get()));
    const auto leaf = sign(request_for("a.test"));
    EXPECT_FALSE(check_authority(*leaf, nullptr));
    EXPECT_EQ(subject_of(**certificate_from_pem(to_pem(certificate))), "CN=Test CA");
    EXPECT_EQ(subject_of(**certificate_from_der(to_der(certificate))), "CN=Test CA");
    EXPECT_TRUE(check_authority(certificate, key_from_pem(key_to_pem(*authority_.key))->get()));
    EXPECT_FALSE(key_from_pem("nothing"));
    EXPECT_FALSE(certificate_from_pem(""));
}

TEST_F(AuthorityTest, a_leaf_for_a_name) {
    for (const std::string host : {"a.test", "192.0.2.1", "2001:db8::1"}) {
        const auto leaf = sign(request_for(host));
        ASSERT_TRUE(leaf);
        EXPECT_EQ(X509_verify(leaf.get(), authority_.key.get()), 1);
        EXPECT_EQ(X509_check_ca(leaf.get()), 0);
        const bool is_name = host == "a.test";
        EXPECT_EQ(is_name ? X509_check_host(leaf.get(), host.data(), host.size(), X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, nullptr)
                          : X509_check_ip_asc(leaf.get(), host.c_str(), 0),
                  1);
        EXPECT_EQ(X509_get_extended_key_usage(leaf.get()), static_cast<std::uint32_t>(XKU_SSL_SERVER));
        const std::int64_t now = std::time(nullptr);
        EXPECT_LE(unix_of(X509_get0_notBefore(leaf.get())), now);
        EXPECT_LE(unix_of(X509_get0_notAfter(leaf.get())) - unix_of(X509_get0_notBefore(leaf.get())), 90 * day);
    }
    // Longer than a common name may be.
    const std::string longest = std::string(60, 'a') + "." + std::string(60, 'b') + ".test";
    EXPECT_EQ(X509_NAME_entry_count(X509_get_subject_name(sign(request_for(longest)).get())), 0);
}

TEST_F(AuthorityTest, a_leaf_like_a_servers) {
    // A server's certificate with what is not copied.
    const auto server = sign(request_for("server.test"));
    const tls::GeneralNamesPtr names(GENERAL_NAMES_new());
    for (const auto& [kind, text] :
         {std::pair(GEN_DNS, "server.test"), std::pair(GEN_DNS, "*.server.test"), std::pair(GEN_IPADD, "192.0.2.7"),
          std::pair(GEN_EMAIL, "root@server.test"), std::pair(GEN_URI, "http://server.test/")})
        sk_GENERAL_NAME_push(names.get(), a2i_GENERAL_NAME(nullptr, nullptr, nullptr, kind, text, 0));
    ASSERT_EQ(X509_add1_ext_i2d(server.get(), NID_subject_alt_name, names.get(), 0, X509V3_ADD_REPLACE), 1);
    ASN1_TIME_set(X509_getm_notAfter(server.get()), std::time(nullptr) + 5 * day);
    const auto leaf = sign(request_like(*server));
    ASSERT_TRUE(leaf);
    EXPECT_EQ(subject_of(*leaf), subject_of(*server));
    EXPECT_LE(unix_of(X509_get0_notAfter(leaf.get())), unix_of(X509_get0_notAfter(server.get())));
    const tls::GeneralNamesPtr got(static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(leaf.get(), NID_subject_alt_name, nullptr, nullptr)));
    ASSERT_TRUE(got);
    EXPECT_EQ(sk_GENERAL_NAME_num(got.get()), 3) << "hosts and addresses alone";
    for (const int absent : {NID_info_access, NID_ct_precert_scts, NID_tlsfeature, NID_crl_distribution_points})
        EXPECT_LT(X509_get_ext_by_NID(leaf.get(), absent, -1), 0);
}

TEST_F(AuthorityTest, what_is_no_leaf_is_refused) {
    const auto refuses = [&](LeafRequest request, EVP_PKEY* key) { return !sign_leaf(authority_, with_key(std::move(request), key)); };
    LeafRequest nameless = request_for("a.test");
    nameless.names.clear();
    EXPECT_TRUE(refuses(nameless, key_.get()));
    LeafRequest garbage = request_for("a.test");
    garbage.names = "garbage";
    EXPECT_TRUE(refuses(garbage, key_.get()));
    LeafRequest over = request_for("a.test");
    over.not_after = std::time(nullptr) - 1;
    EXPECT_TRUE(refuses(over, key_.get()));
    EXPECT_TRUE(refuses(request_for("a.test"), tls::KeyPtr(EVP_EC_gen("P-384")).get()));
    EXPECT_TRUE(refuses(request_for("a.test"), tls::KeyPtr(EVP_RSA_gen(1024)).get()));
    const tls::KeyPtr rsa(EVP_RSA_gen(2048));
    const auto leaf = sign_leaf(authority_, with_key(request_for("a.test"), rsa.get()));
    ASSERT_TRUE(leaf);
    EXPECT_EQ(X509_get_key_usage(leaf->get()), static_cast<std::uint32_t>(KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT));
    LeafRequest keyless = request_for("a.test");
    keyless.public_key = "x";
    EXPECT_FALSE(sign_leaf(authority_, keyless));
}

TEST_F(AuthorityTest, serial_numbers_differ) {
    std::set<std::string> seen;
    for (int i = 0; i < 50; ++i) {
        const auto leaf = sign(request_for("a.test"));
        const ASN1_INTEGER* serial = X509_get0_serialNumber(leaf.get());
        EXPECT_EQ(ASN1_STRING_length(serial), 16);
        seen.emplace(reinterpret_cast<const char*>(ASN1_STRING_get0_data(serial)), 16);
    }
    EXPECT_EQ(seen.size(), 50U);
}

class SignerTest : public AuthorityTest {
protected:
    SignerTest() {
        std::array<int, 2> ends{};
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends.data()), 0);
        signer_ = std::make_unique<Signer>(ends[0]);
        ours_ = ends[0];
        process_ = std::thread([this, theirs = ends[1]] {
            code_ = run_signer(theirs, authority_);
            ::close(theirs);
        });
    }
    ~SignerTest() override {
        signer_.reset();
        maker_.reset();
        process_.join();
        EXPECT_EQ(code_, 0) << "it ends when nobody can ask any more";
    }
    std::unique_ptr<Signer> signer_;
    std::unique_ptr<LeafMaker> maker_;
    std::thread process_;
    int ours_ = -1;
    int code_ = -1;
};

TEST_F(SignerTest, signs_refuses_and_survives_garbage) {
    const auto leaf = signer_->sign(with_key(request_for("a.test"), key_.get()));
    ASSERT_TRUE(leaf);
    EXPECT_EQ(X509_verify(leaf->get(), authority_.key.get()), 1);
    EXPECT_EQ(signer_->sign(request_for("a.test")).error().code, Errc::malformed);
    for (const std::string& garbage : {std::string("x"), std::string(100, 'y'), std::string(8, '\0') + std::string(40, '\xff')})
        EXPECT_GT(::send(ours_, garbage.data(), garbage.size(), 0), 0);
    EXPECT_TRUE(signer_->sign(with_key(request_for("b.test"), key_.get()))) << "answers to others are for nobody";
    LeafRequest huge = with_key(request_for("a.test"), key_.get());
    huge.names.assign(200'000, 'x');
    EXPECT_FALSE(signer_->sign(huge));
}

TEST_F(SignerTest, leaves_are_kept_and_made_once) {
    maker_ = std::move(*LeafMaker::start(std::move(signer_)));
    Worker worker;
    LeafCache cache(*maker_, worker, 3);
    const auto server = sign(request_for("a.test"));
    const auto other = sign(request_for("a.test"));
    const auto get = [&](std::string_view name, X509* like, KeyKind kind = KeyKind::ecdsa) {
        std::shared_ptr<const Leaf> leaf;
        worker.run([](LeafCache& from, std::string_view wanted, X509* of, KeyKind of_kind, std::shared_ptr<const Leaf>& out) -> Task<void> {
            auto got = co_await from.get(std::string(wanted), of, of_kind);
            if (got) out = std::move(*got);
        }(cache, name, like, kind, leaf));
        return leaf;
    };
    const auto first = get("a.test", server.get());
    ASSERT_TRUE(first);
    EXPECT_EQ(get("a.test", server.get()), first);
    EXPECT_NE(get("a.test", nullptr), first) << "for the name alone";
    EXPECT_EQ(get("a.test", server.get()), first) << "both are kept";
    EXPECT_NE(get("a.test", other.get()), first) << "its certificate has changed";
    EXPECT_EQ(EVP_PKEY_is_a(get("a.test", server.get(), KeyKind::rsa)->key.get(), "RSA"), 1);
    for (const std::string_view name : {"b.test", "c.test", "d.test"}) EXPECT_TRUE(get(name, nullptr));
    EXPECT_EQ(cache.size(), 3U);

    // Many at once wait for one.
    const std::uint64_t made = cache.counters().made;
    int got = 0;
    worker.run([](Worker& on, LeafCache& from, int& count) -> Task<void> {
        constexpr int askers = 10;
        Gate done;
        for (int i = 0; i < askers; ++i)
            spawn(on, [](LeafCache& of, int& so_far, Gate& gate) -> Task<void> {
                EXPECT_TRUE(co_await of.get("many.test", nullptr, KeyKind::ecdsa));
                if (++so_far == askers) gate.open();
            }(from, count, done));
        co_await done.wait();
    }(worker, cache, got));
    EXPECT_EQ(got, 10);
    EXPECT_EQ(cache.counters().made, made + 1);

    // What fails is not kept.
    LeafRequest ended = request_for("ended.test");
    ended.not_after = std::time(nullptr) - day;
    EXPECT_FALSE(maker_->make(ended, KeyKind::ecdsa));
    EXPECT_TRUE(get("after.test", nullptr));
}

}  // namespace
}  // namespace sluice::net::ca
