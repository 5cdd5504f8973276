// SPDX-License-Identifier: Apache-2.0
#include "sessions/http/credentials.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <cstring>

#include "base/limits.h"
#include "base/text.h"

namespace sluice::http {

std::optional<Credentials> parse_basic(std::string_view value) {
    const std::size_t space = value.find(' ');
    if (space == std::string_view::npos || !equals_ignoring_case(value.substr(0, space), "basic")) return std::nullopt;
    const std::string_view encoded = trim(value.substr(space));
    if (encoded.empty() || encoded.size() % 4 != 0 || encoded.size() > Limits{}.credentials) return std::nullopt;
    std::string decoded(encoded.size() / 4 * 3, '\0');
    const int length = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(decoded.data()),
                                       reinterpret_cast<const unsigned char*>(encoded.data()), static_cast<int>(encoded.size()));
    if (length < 0) return std::nullopt;
    decoded.resize(static_cast<std::size_t>(length) - (encoded.ends_with("==") ? 2 : encoded.ends_with('=') ? 1 : 0));
    const std::size_t colon = decoded.find(':');
    if (colon == std::string::npos || colon == 0) return std::nullopt;
    Credentials credentials{decoded.substr(0, colon), decoded.substr(colon + 1)};
    OPENSSL_cleanse(decoded.data(), decoded.size());
    for (const char c : credentials.user)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return std::nullopt;
    return credentials;
}

PasswordChecker::PasswordChecker(std::size_t threads) : threads_(threads, Limits{}.password_queue) {}

net::Task<std::optional<bool>> PasswordChecker::verify(net::Worker& worker, std::shared_ptr<const policy::UserFile> users,
                                                       Credentials credentials) {
    const auto good = std::make_shared<bool>(false);
    const bool asked = co_await threads_.run(worker, [users = std::move(users), credentials = std::move(credentials), good] {
        *good = users->verify(credentials.user, credentials.password);
    });
    if (!asked) co_return std::nullopt;
    co_return *good;
}

CredentialCache::CredentialCache() { RAND_bytes(key_.data(), static_cast<int>(key_.size())); }

std::size_t CredentialCache::DigestHash::operator()(const Digest& digest) const noexcept {
    std::size_t out = 0;
    std::memcpy(&out, digest.data(), sizeof out);
    return out;
}

CredentialCache::Digest CredentialCache::digest(const policy::UserFile& users, const Credentials& credentials) const {
    // The file is part of it: another file, or the same one loaded again, verifies anew.
    const policy::UserFile* file = &users;
    std::string text(reinterpret_cast<const char*>(&file), sizeof file);
    text += credentials.user;
    text += '\0';
    text += credentials.password;
    Digest out{};
    unsigned int size = 0;
    HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()), reinterpret_cast<const unsigned char*>(text.data()), text.size(),
         out.data(), &size);
    OPENSSL_cleanse(text.data(), text.size());
    return out;
}

bool CredentialCache::knows(const policy::UserFile& users, const Credentials& credentials, std::int64_t now_ns) {
    const auto found = known_.find(digest(users, credentials));
    if (found == known_.end()) return false;
    if (found->second.until > now_ns) return true;
    known_.erase(found);
    return false;
}

void CredentialCache::remember(const std::shared_ptr<const policy::UserFile>& users, const Credentials& credentials, std::int64_t now_ns) {
    if (known_.size() >= Limits{}.remembered_credentials) known_.clear();
    known_[digest(*users, credentials)] = {now_ns + std::chrono::nanoseconds(Limits{}.credential_memory).count(), users};
}

}  // namespace sluice::http
