// SPDX-License-Identifier: Apache-2.0
#include "inspect/signatures/content_hash.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstddef>

namespace sluice::inspect {

namespace {

// Looked up once: EVP_sha256() and its like are looked up again by each initialisation, at some hundred nanoseconds.
const EVP_MD* sha256() {
    static EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    return algorithm;
}

const EVP_CIPHER* aes_gcm() {
    static EVP_CIPHER* const algorithm = EVP_CIPHER_fetch(nullptr, "AES-128-GCM", nullptr);
    return algorithm;
}

constexpr std::array<unsigned char, 12> nonce{};
constexpr std::size_t longest_piece = std::size_t{1} << 30;   // OpenSSL counts in int

std::unexpected<Error> failed() { return fail(Errc::overloaded, Side::self, "OpenSSL could not hash a payload"); }

}  // namespace

void Sha256::Free::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()), good_(context_ != nullptr && start()) {}

bool Sha256::start() { return EVP_DigestInit_ex2(context_.get(), sha256(), nullptr) == 1; }

void Sha256::feed(std::string_view bytes) { good_ = good_ && EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1; }

Result<Sha256::Digest> Sha256::finish() {
    Digest digest{};
    const bool whole = good_ && EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr) == 1;
    good_ = context_ != nullptr && start();
    if (!whole) return failed();
    return digest;
}

void ContentHash::Free::operator()(evp_cipher_ctx_st* context) const { EVP_CIPHER_CTX_free(context); }

Result<ContentHash::Key> ContentHash::random_key() {
    Key key{};
    if (RAND_priv_bytes(key.data(), static_cast<int>(key.size())) != 1)
        return fail(Errc::io_failed, Side::self, "the system gives no random bytes");
    return key;
}

ContentHash::ContentHash(const Key& key)
    : context_(EVP_CIPHER_CTX_new()),
      good_(context_ != nullptr && EVP_EncryptInit_ex2(context_.get(), aes_gcm(), key.data(), nonce.data(), nullptr) == 1) {}

// The key's schedule stays; the nonce alone begins a new message.
bool ContentHash::start() { return EVP_EncryptInit_ex2(context_.get(), nullptr, nullptr, nonce.data(), nullptr) == 1; }

void ContentHash::feed(std::string_view bytes) {
    for (; good_ && !bytes.empty(); bytes.remove_prefix(std::min(bytes.size(), longest_piece))) {
        int ignored = 0;
        const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
        good_ = EVP_EncryptUpdate(context_.get(), nullptr, &ignored, data, static_cast<int>(std::min(bytes.size(), longest_piece))) == 1;
    }
}

Result<ContentHash::Value> ContentHash::finish() {
    Value value{};
    int ignored = 0;
    unsigned char nothing = 0;
    const bool whole = good_ && EVP_EncryptFinal_ex(context_.get(), &nothing, &ignored) == 1 &&
                       EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_GET_TAG, static_cast<int>(value.size()), value.data()) == 1;
    good_ = context_ != nullptr && start();
    if (!whole) return failed();
    return value;
}

}  // namespace sluice::inspect
