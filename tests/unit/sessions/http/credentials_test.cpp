// SPDX-License-Identifier: Apache-2.0
#include "sessions/http/credentials.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace sluice::http
