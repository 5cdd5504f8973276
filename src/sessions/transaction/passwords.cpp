// SPDX-License-Identifier: Apache-2.0
#include "sessions/transaction/passwords.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <cstring>

#include "base/clock.h"

namespace sluice::sessions {

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

net::Task<Checked> check_password(net::Worker& worker, PasswordChecker& checker, CredentialCache& cache, policy::RateLimits& rate_limits,
                                  std::shared_ptr<const policy::UserFile> users, Credentials credentials, IpAddress client,
                                  const Limits& limits) {
    if (cache.knows(*users, credentials, steady_ns())) co_return Checked{Checked::Kind::good};
    policy::RateLimit attempts;
    attempts.rate = attempts.burst = static_cast<std::int64_t>(limits.password_attempts);
    attempts.period_ns = 60'000'000'000;
    attempts.per = {{policy::Field::client_ip, {}}};
    attempts.identity = 0x70617373;  // of no rule
    policy::Facts from;
    from.set(policy::Field::client_ip, client);
    if (const std::int64_t wait = rate_limits.take(attempts, from, steady_ns()); wait > 0)
        co_return Checked{Checked::Kind::too_many, wait / 1'000'000'000 + 1};
    const std::optional<bool> good = co_await checker.verify(worker, users, credentials);
    if (!good) co_return Checked{Checked::Kind::busy};
    if (!*good) co_return Checked{Checked::Kind::bad};
    rate_limits.give_back(attempts, from);  // only failures count
    cache.remember(users, credentials, steady_ns());
    co_return Checked{Checked::Kind::good};
}

}  // namespace sluice::sessions
