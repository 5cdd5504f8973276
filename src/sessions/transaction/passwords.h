// SPDX-License-Identifier: Apache-2.0
// Whether somebody is who he says. Password hashes are slow on purpose, so they are checked on threads of their own, and a good answer is remembered for
// five minutes under a keyed hash: no password is kept.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/ip.h"
#include "base/limits.h"
#include "net/aside.h"
#include "net/worker.h"
#include "policy/facts.h"
#include "policy/rate_limits.h"
#include "policy/users.h"

namespace sluice::sessions {

struct Credentials {
    std::string user;
    std::string password;
};

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

// What came of a try.
struct Checked {
    enum class Kind : std::uint8_t {
        good,
        bad,
        too_many,
        busy
    };  // too_many: of this client, in a minute; busy: too many wait to be checked
    Kind kind = Kind::bad;
    std::int64_t retry_after_seconds = 0;  // of too_many
};
// From memory, else by the checker; failures are counted for the client (Limits::password_attempts). All references live until it ends.
net::Task<Checked> check_password(net::Worker& worker, PasswordChecker& checker, CredentialCache& cache, policy::RateLimits& rate_limits,
                                  std::shared_ptr<const policy::UserFile> users, Credentials credentials, IpAddress client,
                                  const Limits& limits);

}  // namespace sluice::sessions
