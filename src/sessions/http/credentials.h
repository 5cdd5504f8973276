// SPDX-License-Identifier: Apache-2.0
// Who a client says it is (RFC 7617 Basic, in Proxy-Authorization), and whether that is so. Password hashes are slow on purpose, so they are
// checked on threads of their own, and a good answer is remembered for five minutes under a keyed hash: no password is kept.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "net/aside.h"
#include "net/worker.h"
#include "policy/users.h"

namespace sluice::http {

struct Credentials {
    std::string user;
    std::string password;
};

// The value of Proxy-Authorization. nullopt: not Basic, not base64, or without a colon.
std::optional<Credentials> parse_basic(std::string_view value);

// Threads that verify. Shared by all workers.
class PasswordChecker {
public:
    explicit PasswordChecker(std::size_t threads = 2);

    // Waits its turn; nullopt: so many wait already that this one is turned away (peers decide how many come).
    net::Task<std::optional<bool>> verify(net::Worker& worker, std::shared_ptr<const policy::UserFile> users, Credentials credentials);

private:
    net::Aside threads_;
};

// What was verified lately. One a worker.
class CredentialCache {
public:
    CredentialCache();

    bool knows(const policy::UserFile& users, const Credentials& credentials, std::int64_t now_ns);
    void remember(const std::shared_ptr<const policy::UserFile>& users, const Credentials& credentials, std::int64_t now_ns);

private:
    using Digest = std::array<std::uint8_t, 32>;
    struct DigestHash {
        std::size_t operator()(const Digest& digest) const noexcept;
    };
    Digest digest(const policy::UserFile& users, const Credentials& credentials) const;

    std::array<std::uint8_t, 32> key_{};  // random, of this process
    struct Known {
        std::int64_t until = 0;
        std::shared_ptr<const policy::UserFile> users;  // kept, so that no other file gets its address, which is in the digest
    };
    std::unordered_map<Digest, Known, DigestHash> known_;
};

}  // namespace sluice::http
