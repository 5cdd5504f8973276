// SPDX-License-Identifier: Apache-2.0
#include "net/ca/authority.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <string>

#include "base/ip.h"

namespace sluice::net::ca {

using tls::BioPtr;
using tls::CertificatePtr;
using tls::Freed;
using tls::GeneralNamesPtr;
using tls::KeyPtr;
using tls::NamePtr;

namespace {

using BigNumberPtr = std::unique_ptr<BIGNUM, Freed<BN_free>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Freed<X509_EXTENSION_free>>;
using GeneralNamePtr = std::unique_ptr<GENERAL_NAME, Freed<GENERAL_NAME_free>>;

constexpr std::int64_t day = 24 * 60 * 60;
constexpr std::int64_t leaf_days = 90;                   // from its first day to its last
constexpr std::int64_t authority_days = 3650;
constexpr std::size_t most_names = 1000;
constexpr std::size_t common_name_most = 64;             // RFC 5280, ub-common-name
constexpr int serial_bits = 127;                         // positive, and 16 octets
constexpr std::size_t most_begun = 4;                    // the two kinds' keys, and two more

std::unexpected<Error> failed(std::string_view what) {
    ERR_clear_error();
    return fail(Errc::io_failed, Side::self, what);
}

std::unexpected<Error> malformed(std::string_view what) {
    ERR_clear_error();
    return fail(Errc::malformed, Side::self, what);
}

template <class T, class Encode>
std::string encoded(const T* object, Encode encode) {
    unsigned char* der = nullptr;
    const int size = encode(object, &der);
    if (size <= 0) return {};
    std::string text(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
    OPENSSL_free(der);
    return text;
}

template <class Write>
std::string written(Write write) {
    const BioPtr out(BIO_new(BIO_s_mem()));
    if (!out || !write(out.get())) return {};
    char* start = nullptr;
    const long size = BIO_get_mem_data(out.get(), &start);
    return size > 0 ? std::string(start, static_cast<std::size_t>(size)) : std::string();
}

bool set_serial(X509& certificate) {
    const BigNumberPtr number(BN_new());
    return number && BN_rand(number.get(), serial_bits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
           BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(&certificate)) != nullptr;
}

bool add(X509& certificate, X509& issuer, int kind, const char* value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, &issuer, &certificate, nullptr, nullptr, 0);
    const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, kind, value));
    return extension && X509_add_ext(&certificate, extension.get(), -1) == 1;
}

std::int64_t unix_of(const ASN1_TIME* time) {
    std::tm broken_down{};
    if (ASN1_TIME_to_tm(time, &broken_down) != 1) return 0;
    return timegm(&broken_down);
}

bool is_good_key(const EVP_PKEY& key) {
    if (EVP_PKEY_is_a(&key, "RSA") == 1) return EVP_PKEY_get_bits(&key) >= 2048;
    std::array<char, 64> group{};
    std::size_t size = 0;
    return EVP_PKEY_is_a(&key, "EC") == 1 && EVP_PKEY_get_group_name(&key, group.data(), group.size(), &size) == 1 &&
           std::string_view(group.data(), size) == SN_X9_62_prime256v1;
}

// Whether all of the text was read.
bool is_end_of(const std::string& der, const unsigned char* at) {
    return at == reinterpret_cast<const unsigned char*>(der.data()) + der.size();
}

bool is_host_or_address(const GENERAL_NAME& name) { return name.type == GEN_DNS || name.type == GEN_IPADD; }

std::string names_der(const GENERAL_NAMES* names) { return encoded(names, i2d_GENERAL_NAMES); }

}  // namespace

Result<Authority> make_authority(std::string_view name) {
    Authority made{CertificatePtr(X509_new()), KeyPtr(EVP_EC_gen("P-256"))};
    if (!made.certificate || !made.key) return failed("no memory for a certificate");
    X509& certificate = *made.certificate;
    X509_NAME* subject = X509_get_subject_name(&certificate);
    const auto* text = reinterpret_cast<const unsigned char*>(name.data());
    const bool is_made =
        X509_set_version(&certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
        X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8, text, static_cast<int>(name.size()), -1, 0) == 1 &&
        X509_set_issuer_name(&certificate, subject) == 1 && X509_gmtime_adj(X509_getm_notBefore(&certificate), -day) != nullptr &&
        X509_time_adj_ex(X509_getm_notAfter(&certificate), static_cast<int>(authority_days), 0, nullptr) != nullptr &&
        X509_set_pubkey(&certificate, made.key.get()) == 1 &&
        add(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
        add(certificate, certificate, NID_key_usage, "critical,keyCertSign") &&
        add(certificate, certificate, NID_subject_key_identifier, "hash") && X509_sign(&certificate, made.key.get(), EVP_sha256()) > 0;
    if (!is_made) return failed("the certificate of the authority cannot be made");
    return made;
}

std::string to_pem(const X509& certificate) {
    return written([&](BIO* out) { return PEM_write_bio_X509(out, &certificate) == 1; });
}

std::string to_der(const X509& certificate) { return encoded(&certificate, i2d_X509); }

std::string key_to_pem(const EVP_PKEY& key) {
    return written([&](BIO* out) { return PEM_write_bio_PKCS8PrivateKey(out, &key, nullptr, nullptr, 0, nullptr, nullptr) == 1; });
}

Result<CertificatePtr> certificate_from_pem(std::string_view pem) {
    const BioPtr in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    CertificatePtr certificate(in ? PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr) : nullptr);
    if (!certificate) return failed("there is no certificate in PEM");
    return certificate;
}

Result<CertificatePtr> certificate_from_der(std::string_view der) {
    const auto* text = reinterpret_cast<const unsigned char*>(der.data());
    CertificatePtr certificate(d2i_X509(nullptr, &text, static_cast<long>(der.size())));
    if (!certificate) return failed("this is no certificate");
    return certificate;
}

Result<KeyPtr> key_from_pem(std::string_view pem) {
    const BioPtr in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    const auto no_password = [](char*, int, int, void*) { return -1; };
    KeyPtr key(in ? PEM_read_bio_PrivateKey(in.get(), nullptr, no_password, nullptr) : nullptr);
    if (!key) return failed("there is no key in PEM without a password");
    return key;
}

Result<void> check_authority(X509& certificate, const EVP_PKEY* key) {
    if (X509_check_ca(&certificate) != 1) return failed("it is not the certificate of an authority");
    if ((X509_get_key_usage(&certificate) & KU_KEY_CERT_SIGN) == 0) return failed("it may not sign certificates");
    if (X509_cmp_current_time(X509_get0_notAfter(&certificate)) <= 0) return failed("it has expired");
    if (key != nullptr && X509_check_private_key(&certificate, key) != 1) return failed("the key is not its own");
    return {};
}

std::string fingerprint(const X509& certificate) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    X509_digest(&certificate, EVP_sha256(), digest.data(), &size);
    std::string text;
    for (unsigned i = 0; i < size; ++i) {
        constexpr std::string_view digits = "0123456789ABCDEF";
        if (i != 0) text += ':';
        text += digits[digest[i] >> 4];
        text += digits[digest[i] & 15];
    }
    return text;
}

std::string subject_of(const X509& certificate) {
    return written([&](BIO* out) { return X509_NAME_print_ex(out, X509_get_subject_name(&certificate), 0, XN_FLAG_RFC2253) >= 0; });
}

std::string not_after_of(const X509& certificate) {
    return written([&](BIO* out) { return ASN1_TIME_print(out, X509_get0_notAfter(&certificate)) == 1; });
}

LeafRequest request_like(X509& server) {
    LeafRequest request;
    request.subject = encoded(X509_get_subject_name(&server), i2d_X509_NAME);
    request.not_after = unix_of(X509_get0_notAfter(&server));
    const GeneralNamesPtr all(static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(&server, NID_subject_alt_name, nullptr, nullptr)));
    const GeneralNamesPtr kept(GENERAL_NAMES_new());
    for (int i = 0; all && kept && i < sk_GENERAL_NAME_num(all.get()); ++i) {
        const GENERAL_NAME* name = sk_GENERAL_NAME_value(all.get(), i);
        if (!is_host_or_address(*name) || sk_GENERAL_NAME_num(kept.get()) >= static_cast<int>(most_names)) continue;
        GeneralNamePtr copy(GENERAL_NAME_dup(name));
        if (copy && sk_GENERAL_NAME_push(kept.get(), copy.get()) > 0) copy.release();
    }
    request.names = names_der(kept.get());
    return request;
}

LeafRequest request_for(std::string_view host) {
    LeafRequest request;
    request.not_after = std::time(nullptr) + leaf_days * day;
    const GeneralNamesPtr names(GENERAL_NAMES_new());
    const std::string text(host);
    GeneralNamePtr name(a2i_GENERAL_NAME(nullptr, nullptr, nullptr, IpAddress::parse(host) ? GEN_IPADD : GEN_DNS, text.c_str(), 0));
    if (names && name && sk_GENERAL_NAME_push(names.get(), name.get()) > 0) name.release();
    request.names = names_der(names.get());
    const NamePtr subject(X509_NAME_new());
    if (subject && host.size() <= common_name_most)
        X509_NAME_add_entry_by_NID(subject.get(), NID_commonName, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(host.data()),
                                   static_cast<int>(host.size()), -1, 0);
    request.subject = encoded(subject.get(), i2d_X509_NAME);
    return request;
}

Result<std::string> public_key_of(const EVP_PKEY& key) {
    std::string der = encoded(&key, i2d_PUBKEY);
    if (der.empty()) return failed("a public key cannot be written");
    return der;
}

LeafSigner::LeafSigner(const Authority& authority)
    : authority_(authority),
      last_(unix_of(X509_get0_notAfter(authority.certificate.get()))) {}

Result<LeafSigner::Begun> LeafSigner::begin(const std::string& public_key) const {
    const auto* at = reinterpret_cast<const unsigned char*>(public_key.data());
    const KeyPtr key(d2i_PUBKEY(nullptr, &at, static_cast<long>(public_key.size())));
    if (!key || !is_end_of(public_key, at) || !is_good_key(*key)) return malformed("a leaf's key is P-256, or RSA of 2048 bits and more");
    Begun begun{public_key, CertificatePtr(X509_new())};
    if (!begun.leaf) return failed("no memory for a certificate");
    X509& leaf = *begun.leaf;
    X509& issuer = *authority_.certificate;
    const bool is_rsa = EVP_PKEY_is_a(key.get(), "RSA") == 1;
    const bool is_made =
        X509_set_version(&leaf, X509_VERSION_3) == 1 && X509_set_issuer_name(&leaf, X509_get_subject_name(&issuer)) == 1 &&
        X509_set_pubkey(&leaf, key.get()) == 1 && add(leaf, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
        add(leaf, issuer, NID_key_usage, is_rsa ? "critical,digitalSignature,keyEncipherment" : "critical,digitalSignature") &&
        add(leaf, issuer, NID_ext_key_usage, "serverAuth") && add(leaf, issuer, NID_authority_key_identifier, "keyid");
    if (!is_made) return failed("a leaf cannot be made");
    return begun;
}

Result<std::string> LeafSigner::sign(const LeafRequest& request) {
    const auto* at = reinterpret_cast<const unsigned char*>(request.subject.data());
    const NamePtr subject(request.subject.empty() ? X509_NAME_new()
                                                  : d2i_X509_NAME(nullptr, &at, static_cast<long>(request.subject.size())));
    if (!subject || !is_end_of(request.subject, at)) return malformed("a leaf's subject is a Name");
    at = reinterpret_cast<const unsigned char*>(request.names.data());
    const GeneralNamesPtr names(d2i_GENERAL_NAMES(nullptr, &at, static_cast<long>(request.names.size())));
    if (!names || !is_end_of(request.names, at) || sk_GENERAL_NAME_num(names.get()) == 0) return malformed("a leaf has a name");
    for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i)
        if (!is_host_or_address(*sk_GENERAL_NAME_value(names.get(), i))) return malformed("a leaf's names are hosts and addresses");
    const std::int64_t now = std::time(nullptr);
    const std::int64_t last = std::min({request.not_after, now + (leaf_days - 1) * day, last_});
    if (last <= now) return malformed("a leaf ends in the future");

    // Out of the list while it is worked on: what fails halfway is of no use to another.
    const auto kept = std::ranges::find(begun_, request.public_key, &Begun::public_key);
    Begun begun = kept == begun_.end() ? TRY(begin(request.public_key)) : std::move(*kept);
    if (kept != begun_.end()) begun_.erase(kept);
    X509& leaf = *begun.leaf;
    const bool has_subject = X509_NAME_entry_count(subject.get()) > 0;
    const bool is_made = set_serial(leaf) && X509_set_subject_name(&leaf, subject.get()) == 1 &&
                         ASN1_TIME_set(X509_getm_notBefore(&leaf), now - day) != nullptr &&
                         ASN1_TIME_set(X509_getm_notAfter(&leaf), last) != nullptr &&
                         X509_add1_ext_i2d(&leaf, NID_subject_alt_name, names.get(), has_subject ? 0 : 1, X509V3_ADD_DEFAULT) == 1 &&
                         X509_sign(&leaf, authority_.key.get(), EVP_sha256()) > 0;
    std::string der = is_made ? to_der(leaf) : std::string();
    if (der.empty()) return failed("a leaf cannot be made");
    const ExtensionPtr names_of_this(X509_delete_ext(&leaf, X509_get_ext_by_NID(&leaf, NID_subject_alt_name, -1)));
    if (begun_.size() == most_begun) begun_.erase(begun_.begin());
    begun_.push_back(std::move(begun));
    return der;
}

Result<CertificatePtr> sign_leaf(const Authority& authority, const LeafRequest& request) {
    return certificate_from_der(TRY(LeafSigner(authority).sign(request)));
}

}  // namespace sluice::net::ca
