// SPDX-License-Identifier: Apache-2.0
#include "sessions/transaction/passwords.h"

#include <gtest/gtest.h>

#include <thread>

namespace sluice::sessions {
namespace {

std::shared_ptr<const policy::UserFile> user_file() {
    Diagnostics diagnostics;
    auto users = policy::UserFile::parse("ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n", "users", diagnostics);
    EXPECT_TRUE(users);
    return users;
}

TEST(CredentialCache, remembers_for_five_minutes) {
    const auto users = user_file();
    CredentialCache cache;
    const Credentials good{"ann", "secret"};
    EXPECT_FALSE(cache.knows(*users, good, 0));
    cache.remember(users, good, 0);
    EXPECT_TRUE(cache.knows(*users, good, 299'999'999'999));
    EXPECT_FALSE(cache.knows(*users, good, 300'000'000'000));
    EXPECT_FALSE(cache.knows(*users, good, 1));
}

TEST(CredentialCache, knows_nobody_else) {
    const auto users = user_file();
    const auto others = user_file();
    CredentialCache cache;
    cache.remember(users, {"ann", "secret"}, 0);
    EXPECT_FALSE(cache.knows(*users, {"ann", "Secret"}, 1));
    EXPECT_FALSE(cache.knows(*users, {"bob", "secret"}, 1));
    EXPECT_FALSE(cache.knows(*users, {"annsecret", ""}, 1));
    EXPECT_FALSE(cache.knows(*others, {"ann", "secret"}, 1));
}

// The digest has the file's address: as long as somebody is remembered by it, no other file may get that address.
TEST(CredentialCache, keeps_the_file_by_which_it_knows_somebody) {
    auto users = user_file();
    const std::weak_ptr<const policy::UserFile> still_there = users;
    CredentialCache cache;
    cache.remember(users, {"ann", "secret"}, 0);
    users.reset();
    EXPECT_FALSE(still_there.expired());
}

TEST(PasswordChecker, answers_on_the_worker) {
    net::Worker worker;
    PasswordChecker checker(2);
    worker.run([](net::Worker& on, PasswordChecker& asked) -> net::Task<void> {
        const auto users = user_file();
        const std::thread::id here = std::this_thread::get_id();
        EXPECT_EQ(co_await asked.verify(on, users, {"ann", "secret"}), true);
        EXPECT_EQ(co_await asked.verify(on, users, {"ann", "wrong"}), false);
        EXPECT_EQ(co_await asked.verify(on, users, {"bob", "secret"}), false);
        EXPECT_EQ(std::this_thread::get_id(), here);
    }(worker, checker));
}

TEST(CheckPassword, remembers_who_is_good_and_counts_who_is_not) {
    net::Worker worker;
    PasswordChecker checker(1);
    CredentialCache cache;
    policy::RateLimits rate_limits;
    Limits limits;
    limits.password_attempts = 2;
    const auto users = user_file();
    const auto check = [&](std::string_view user, std::string_view password, std::string_view client) {
        Checked out;
        worker.run([](auto& checked, auto& on, auto& asked, auto& known, auto& counted, auto file, Credentials credentials, IpAddress from,
                      const Limits& bounds) -> net::Task<void> {
            checked = co_await check_password(on, asked, known, counted, file, std::move(credentials), from, bounds);
        }(out, worker, checker, cache, rate_limits, users, {std::string(user), std::string(password)}, IpAddress::parse(client).value(),
                                            limits));
        return out;
    };
    for (int n = 0; n < 5; ++n) EXPECT_EQ(check("ann", "secret", "192.0.2.1").kind, Checked::Kind::good);
    EXPECT_EQ(check("ann", "wrong", "192.0.2.1").kind, Checked::Kind::bad);
    EXPECT_EQ(check("bob", "secret", "192.0.2.1").kind, Checked::Kind::bad);
    const Checked slow = check("ann", "wrong", "192.0.2.1");
    EXPECT_EQ(slow.kind, Checked::Kind::too_many);
    EXPECT_GT(slow.retry_after_seconds, 0);
    EXPECT_EQ(check("ann", "secret", "192.0.2.1").kind, Checked::Kind::good) << "it is remembered";
    EXPECT_EQ(check("ann", "wrong", "192.0.2.2").kind, Checked::Kind::bad) << "each client by itself";
}

}  // namespace
}  // namespace sluice::sessions
