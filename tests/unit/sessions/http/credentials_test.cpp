// SPDX-License-Identifier: Apache-2.0
#include "sessions/http/credentials.h"

#include <gtest/gtest.h>

#include <thread>

#include "unit/sessions/http/support.h"

namespace sluice::http {
namespace {

std::string parsed(std::string_view value) {
    const auto credentials = parse_basic(value);
    return credentials ? credentials->user + "|" + credentials->password : "none";
}

// As a client would send them.
std::string basic(std::string_view user_and_password) {
    const std::string line = testing::authorization(user_and_password);
    return line.substr(line.find("Basic"), line.size() - 2 - line.find("Basic"));
}

TEST(Basic, is_a_user_and_a_password) {
    EXPECT_EQ(parsed("Basic YW5uOnNlY3JldA=="), "ann|secret");
    EXPECT_EQ(parsed("bAsIc  YW5uOnNlY3JldA=="), "ann|secret");
    EXPECT_EQ(parsed(basic("a:")), "a|");
    EXPECT_EQ(parsed(basic("ann:with:colons")), "ann|with:colons");
    EXPECT_EQ(parsed(basic("\xc3\xa4nn:p")), "\xc3\xa4nn|p");
    for (std::size_t length = 1; length < 20; ++length) {
        const std::string password(length, 'p');
        EXPECT_EQ(parsed(basic("ann:" + password)), "ann|" + password);
    }
}

TEST(Basic, is_nothing_else) {
    for (const std::string_view value :
         {"", "Basic", "Basic ", "Bearer YW5uOnNlY3JldA==", "YW5uOnNlY3JldA==", "Basic YW5uOnNlY3JldA", "Basic YW5u*nNlY3JldA=="})
        EXPECT_EQ(parsed(value), "none") << value;
    EXPECT_EQ(parsed(basic("no colon")), "none");
    EXPECT_EQ(parsed(basic(":password")), "none");
    EXPECT_EQ(parsed(basic("a\nb:password")), "none");
    EXPECT_EQ(parsed(basic("ann:" + std::string(2000, 'p'))), "none");
}

std::shared_ptr<const policy::UserFile> user_file() {
    Diagnostics diagnostics;
    auto users = policy::UserFile::parse("ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n", "users", diagnostics);
    EXPECT_TRUE(users) << policy::testing::said(diagnostics);
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

}  // namespace
}  // namespace sluice::http
