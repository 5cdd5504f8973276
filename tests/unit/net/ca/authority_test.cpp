// SPDX-License-Identifier: Apache-2.0
#include "net/ca/authority.h"
#include "unit/net/ca/support.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <limits>
#include <set>
#include <string>
#include <vector>

namespace sluice::net::ca {
namespace {

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

// A certificate that says it is an authority for a while, signed by itself.
Authority short_lived(std::int64_t seconds) {
    Authority made = std::move(*make_authority("Short"));
    ASN1_TIME_set(X509_getm_notAfter(made.certificate.get()), std::time(nullptr) + seconds);
    X509_sign(made.certificate.get(), made.key.get(), EVP_sha256());
    return made;
}

TEST_F(AuthorityTest, what_an_authority_says_of_itself) {
    const X509& certificate = *authority_.certificate;
    for (const int kind : {NID_basic_constraints, NID_key_usage}) {
        const int at = X509_get_ext_by_NID(&certificate, kind, -1);
        ASSERT_GE(at, 0);
        EXPECT_EQ(X509_EXTENSION_get_critical(X509_get_ext(&certificate, at)), 1);
        EXPECT_LT(X509_get_ext_by_NID(&certificate, kind, at), 0) << "once";
    }
    EXPECT_EQ(X509_get_version(&certificate), X509_VERSION_3);
    EXPECT_GE(X509_get_ext_by_NID(&certificate, NID_subject_key_identifier, -1), 0);
    const std::int64_t now = std::time(nullptr);
    EXPECT_LE(unix_of(X509_get0_notBefore(&certificate)), now);
    EXPECT_GT(unix_of(X509_get0_notAfter(&certificate)), now + 3600 * day);
    EXPECT_EQ(not_after_of(certificate).substr(not_after_of(certificate).size() - 4), " GMT");
    const Authority other = std::move(*make_authority("Test CA"));
    EXPECT_NE(fingerprint(*other.certificate), fingerprint(certificate));
    EXPECT_NE(ASN1_INTEGER_cmp(X509_get0_serialNumber(other.certificate.get()), X509_get0_serialNumber(&certificate)), 0);
    EXPECT_EQ(subject_of(*make_authority("Grüße, Welt").value().certificate), "CN=Gr\\C3\\BC\\C3\\9Fe\\, Welt");
    EXPECT_FALSE(make_authority(std::string(65, 'x'))) << "longer than a common name may be (RFC 5280 A.1)";
    EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST_F(AuthorityTest, what_is_no_authority_is_told_why) {
    const auto why = [](X509& certificate, const EVP_PKEY* key = nullptr) {
        const auto checked = check_authority(certificate, key);
        return checked ? std::string_view() : checked.error().what;
    };
    EXPECT_EQ(why(*authority_.certificate), "");
    EXPECT_EQ(why(*authority_.certificate, key_.get()), "the key is not its own");
    EXPECT_EQ(why(*short_lived(-1).certificate), "it has expired");
    EXPECT_EQ(why(*short_lived(100).certificate), "");
    EXPECT_EQ(why(*sign(request_for("a.test"))), "it is not the certificate of an authority");
    Authority may_not = short_lived(100);
    X509_EXTENSION_free(X509_delete_ext(may_not.certificate.get(), X509_get_ext_by_NID(may_not.certificate.get(), NID_key_usage, -1)));
    X509_EXTENSION* other_usage = X509V3_EXT_conf_nid(nullptr, nullptr, NID_key_usage, "critical,cRLSign");
    X509_add_ext(may_not.certificate.get(), other_usage, -1);
    X509_EXTENSION_free(other_usage);
    X509_sign(may_not.certificate.get(), may_not.key.get(), EVP_sha256());
    EXPECT_NE(why(**certificate_from_der(to_der(*may_not.certificate))), "") << "it may not sign certificates";
    EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST_F(AuthorityTest, keys_and_certificates_are_read_and_written) {
    const std::string pem = key_to_pem(*authority_.key);
    EXPECT_EQ(pem.find("-----BEGIN PRIVATE KEY-----"), 0U);
    EXPECT_EQ(EVP_PKEY_eq(key_from_pem(pem)->get(), authority_.key.get()), 1);
    EXPECT_EQ(to_der(**certificate_from_pem(to_pem(*authority_.certificate))), to_der(*authority_.certificate));
    // A key with a password is refused, and nobody is asked for it.
    const tls::BioPtr out(BIO_new(BIO_s_mem()));
    ASSERT_EQ(PEM_write_bio_PKCS8PrivateKey(out.get(), authority_.key.get(), EVP_aes_256_cbc(), "word", 4, nullptr, nullptr), 1);
    char* text = nullptr;
    const long size = BIO_get_mem_data(out.get(), &text);
    EXPECT_FALSE(key_from_pem({text, static_cast<std::size_t>(size)}));
    for (const std::string_view bad : {std::string_view(), std::string_view("\x30\x82"), std::string_view(pem)}) {
        EXPECT_FALSE(certificate_from_der(bad));
        EXPECT_FALSE(certificate_from_pem(bad));
    }
    EXPECT_EQ(ERR_peek_error(), 0U);
}

// As a client sees it: a chain to the authority, for servers, for that host.
TEST_F(AuthorityTest, a_client_that_trusts_the_authority_accepts_a_leaf) {
    for (const char* kind : {"EC", "RSA"}) {
        const tls::KeyPtr key(std::string_view(kind) == "EC" ? EVP_EC_gen("P-256") : EVP_RSA_gen(2048));
        const auto leaf = sign_leaf(authority_, with_key(request_for("a.test"), key.get()));
        ASSERT_TRUE(leaf);
        EXPECT_EQ(verify(**leaf, "a.test"), X509_V_OK);
        EXPECT_EQ(verify(**leaf, "b.test"), X509_V_ERR_HOSTNAME_MISMATCH);
        EXPECT_EQ(verify(**leaf, "a.test", X509_PURPOSE_SSL_CLIENT), X509_V_ERR_INVALID_PURPOSE);
    }
}

TEST_F(AuthorityTest, a_leaf_says_what_it_must_and_no_more) {
    const auto leaf = sign(request_for("a.test"));
    std::set<int> kinds;
    for (int i = 0; i < X509_get_ext_count(leaf.get()); ++i) {
        X509_EXTENSION* extension = X509_get_ext(leaf.get(), i);
        const int kind = OBJ_obj2nid(X509_EXTENSION_get_object(extension));
        EXPECT_TRUE(kinds.insert(kind).second) << OBJ_nid2sn(kind);
        EXPECT_EQ(X509_EXTENSION_get_critical(extension) == 1, kind == NID_basic_constraints || kind == NID_key_usage) << OBJ_nid2sn(kind);
    }
    EXPECT_EQ(kinds,
              (std::set<int>{NID_basic_constraints, NID_key_usage, NID_ext_key_usage, NID_authority_key_identifier, NID_subject_alt_name}));
    EXPECT_EQ(X509_get_key_usage(leaf.get()), static_cast<std::uint32_t>(KU_DIGITAL_SIGNATURE));
    EXPECT_EQ(X509_get_version(leaf.get()), X509_VERSION_3);
    // Without a subject the names are critical (RFC 5280 4.2.1.6).
    LeafRequest unnamed = request_for("a.test");
    unnamed.subject.clear();
    const auto other = sign(unnamed);
    const int at = X509_get_ext_by_NID(other.get(), NID_subject_alt_name, -1);
    EXPECT_EQ(X509_EXTENSION_get_critical(X509_get_ext(other.get(), at)), 1);
    EXPECT_EQ(verify(*other, "a.test"), X509_V_OK);
}

// Whoever ends first: what was asked for, the authority, 90 days.
TEST_F(AuthorityTest, a_leaf_ends_in_time) {
    const std::int64_t now = std::time(nullptr);
    const auto end = [&](const Authority& of, std::int64_t wanted) {
        LeafRequest request = with_key(request_for("a.test"), key_.get());
        request.not_after = wanted;
        const auto leaf = sign_leaf(of, request);
        if (!leaf) {
            EXPECT_EQ(leaf.error().code, Errc::malformed);
            return std::int64_t{0};
        }
        const std::int64_t begin = unix_of(X509_get0_notBefore(leaf->get()));
        const std::int64_t last = unix_of(X509_get0_notAfter(leaf->get()));
        EXPECT_LE(begin, now - day + 10);
        EXPECT_LE(last - begin, 90 * day);
        return last;
    };
    EXPECT_EQ(end(authority_, now + 1000), now + 1000);
    EXPECT_GE(end(authority_, now + 4000 * day), now + 89 * day);
    EXPECT_GE(end(authority_, std::numeric_limits<std::int64_t>::max()), now + 89 * day);
    const Authority brief = short_lived(5 * day);
    EXPECT_EQ(end(brief, now + 30 * day), unix_of(X509_get0_notAfter(brief.certificate.get())));
    EXPECT_EQ(end(authority_, now - 1), 0) << "refused";
    EXPECT_EQ(end(authority_, 0), 0);
    EXPECT_EQ(end(authority_, std::numeric_limits<std::int64_t>::min()), 0);
    EXPECT_EQ(end(short_lived(-1), now + 30 * day), 0);
}

TEST_F(AuthorityTest, names_that_are_no_hosts_are_refused) {
    for (const auto& [kind, text] :
         {std::pair(GEN_EMAIL, "root@a.test"), std::pair(GEN_URI, "https://a.test/"), std::pair(GEN_RID, "1.2.3")}) {
        const tls::GeneralNamesPtr names(GENERAL_NAMES_new());
        sk_GENERAL_NAME_push(names.get(), a2i_GENERAL_NAME(nullptr, nullptr, nullptr, GEN_DNS, "a.test", 0));
        sk_GENERAL_NAME_push(names.get(), a2i_GENERAL_NAME(nullptr, nullptr, nullptr, kind, text, 0));
        LeafRequest request = with_key(request_for("a.test"), key_.get());
        unsigned char* der = nullptr;
        const int size = i2d_GENERAL_NAMES(names.get(), &der);
        request.names.assign(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
        OPENSSL_free(der);
        const auto leaf = sign_leaf(authority_, request);
        ASSERT_FALSE(leaf) << text;
        EXPECT_EQ(leaf.error().code, Errc::malformed);
    }
    LeafRequest none = with_key(request_for("a.test"), key_.get());
    none.names = std::string("\x30\x00", 2);  // an empty list
    EXPECT_FALSE(sign_leaf(authority_, none));
    LeafRequest wrong_subject = with_key(request_for("a.test"), key_.get());
    wrong_subject.subject = "x";
    EXPECT_FALSE(sign_leaf(authority_, wrong_subject));
    EXPECT_EQ(ERR_peek_error(), 0U);
}

// What stands behind a value that is whole is no part of it: two readers could disagree.
TEST_F(AuthorityTest, octets_behind_a_value_are_refused) {
    const LeafRequest good = with_key(request_for("a.test"), key_.get());
    EXPECT_TRUE(sign_leaf(authority_, good));
    for (std::string LeafRequest::* const part : {&LeafRequest::subject, &LeafRequest::names, &LeafRequest::public_key}) {
        LeafRequest longer = good;
        longer.*part += "behind";
        EXPECT_EQ(tls::code_of(sign_leaf(authority_, longer)), Errc::malformed);
        LeafRequest shorter = good;
        (shorter.*part).pop_back();
        EXPECT_EQ(tls::code_of(sign_leaf(authority_, shorter)), Errc::malformed);
    }
}

// Of a server that says no name nothing can be copied; a thousand names are enough for anybody.
TEST_F(AuthorityTest, servers_with_no_names_and_with_many) {
    const tls::Identity nameless = tls::make_certificate({.names = ""});
    EXPECT_FALSE(sign_leaf(authority_, with_key(request_like(*nameless.certificate), key_.get())));
    const tls::Identity mail = tls::make_certificate({.names = "email:a@a.test"});
    EXPECT_FALSE(sign_leaf(authority_, with_key(request_like(*mail.certificate), key_.get())));
    std::string many;
    for (int i = 0; i < 1100; ++i) many += (i == 0 ? "DNS:n" : ",DNS:n") + std::to_string(i) + ".test";
    const tls::Identity crowded = tls::make_certificate({.names = many});
    const auto leaf = sign(request_like(*crowded.certificate));
    const tls::GeneralNamesPtr got(static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(leaf.get(), NID_subject_alt_name, nullptr, nullptr)));
    EXPECT_EQ(sk_GENERAL_NAME_num(got.get()), 1000);
}

// What leaves have in common is made once; nothing else of one may be found in the next.
TEST_F(AuthorityTest, leaves_that_follow_one_another_have_nothing_of_each_other) {
    LeafSigner signer(authority_);
    const tls::KeyPtr rsa(EVP_RSA_gen(2048));
    const auto next = [&](const LeafRequest& request, EVP_PKEY* key) {
        const auto der = signer.sign(with_key(request, key));
        EXPECT_TRUE(der);
        return der ? std::move(*certificate_from_der(*der)) : nullptr;
    };
    LeafRequest unnamed = request_for("unnamed.test");
    unnamed.subject.clear();
    const std::int64_t now = std::time(nullptr);
    std::set<std::string> serials;
    for (int i = 0; i < 6; ++i) {
        LeafRequest request = request_for("n" + std::to_string(i) + ".test");
        request.not_after = now + (i % 2 == 0 ? 1000 : 2000);
        EVP_PKEY* const key = i % 3 == 2 ? rsa.get() : key_.get();
        const auto leaf = next(request, key);
        ASSERT_TRUE(leaf);
        EXPECT_EQ(subject_of(*leaf), "CN=n" + std::to_string(i) + ".test");
        EXPECT_EQ(X509_get_ext_count(leaf.get()), 5);
        const tls::GeneralNamesPtr names(static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(leaf.get(), NID_subject_alt_name, nullptr, nullptr)));
        EXPECT_EQ(sk_GENERAL_NAME_num(names.get()), 1);
        EXPECT_EQ(verify(*leaf, ("n" + std::to_string(i) + ".test").c_str()), X509_V_OK);
        EXPECT_EQ(X509_check_private_key(leaf.get(), key), 1);
        EXPECT_EQ((X509_get_key_usage(leaf.get()) & KU_KEY_ENCIPHERMENT) != 0, key == rsa.get());
        EXPECT_EQ(unix_of(X509_get0_notAfter(leaf.get())), request.not_after);
        const ASN1_INTEGER* serial = X509_get0_serialNumber(leaf.get());
        EXPECT_TRUE(serials.emplace(reinterpret_cast<const char*>(ASN1_STRING_get0_data(serial)), ASN1_STRING_length(serial)).second);
        // What is refused, or has no subject, leaves nothing behind either.
        LeafRequest nameless = request;
        nameless.names = "garbage";
        EXPECT_EQ(tls::code_of(signer.sign(with_key(nameless, key))), Errc::malformed);
        LeafRequest over = request;
        over.not_after = now - 1;
        EXPECT_EQ(tls::code_of(signer.sign(with_key(over, key))), Errc::malformed);
        EXPECT_EQ(X509_NAME_entry_count(X509_get_subject_name(next(unnamed, key).get())), 0);
    }
    EXPECT_EQ(ERR_peek_error(), 0U);
}

// Who asks chooses the keys: however many there are, each leaf is for its own.
TEST_F(AuthorityTest, leaves_for_many_keys) {
    LeafSigner signer(authority_);
    std::vector<tls::KeyPtr> keys;
    for (int i = 0; i < 7; ++i) keys.emplace_back(EVP_EC_gen("P-256"));
    for (int round = 0; round < 2; ++round)
        for (const tls::KeyPtr& key : keys) {
            const auto der = signer.sign(with_key(request_for("a.test"), key.get()));
            ASSERT_TRUE(der);
            const auto leaf = certificate_from_der(*der);
            EXPECT_EQ(X509_check_private_key(leaf->get(), key.get()), 1);
            EXPECT_EQ(verify(**leaf, "a.test"), X509_V_OK);
            LeafRequest weak = with_key(request_for("a.test"), key.get());
            weak.public_key.pop_back();
            EXPECT_EQ(tls::code_of(signer.sign(weak)), Errc::malformed);
        }
}

}  // namespace
}  // namespace sluice::net::ca
