// SPDX-License-Identifier: Apache-2.0
// The hashes were made by htpasswd and openssl passwd; the password is "secret".
#include "policy/users.h"

#include <gmock/gmock.h>

namespace sluice::policy {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view file = R"(# staff
bcrypt:$2y$05$nfQGy0CtkE6xLUlXLWP6Iejr5c1GlanCeIpDxsJhLeMS6aEagOc2u
sha512:$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1
sha256:$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA

md5:$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1
apr1:$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/
sha1:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=
)";

std::shared_ptr<const UserFile> parse(std::string_view text, Diagnostics& diagnostics) {
    return UserFile::parse(text, "users", diagnostics);
}

TEST(Users, every_kind_of_hash_is_verified) {
    Diagnostics diagnostics;
    const auto users = parse(file, diagnostics);
    ASSERT_TRUE(users) << to_string(diagnostics.at(0));
    EXPECT_EQ(users->size(), 6U);
    for (const std::string_view user : {"bcrypt", "sha512", "sha256", "md5", "apr1", "sha1"}) {
        EXPECT_TRUE(users->verify(user, "secret")) << user;
        for (const std::string_view wrong : {std::string_view(), std::string_view("Secret"), std::string_view("secret "),
                                             std::string_view("secre"), std::string_view("secret\0", 7)})
            EXPECT_FALSE(users->verify(user, wrong)) << user;
    }
    EXPECT_FALSE(users->verify("nobody", "secret")) << "the decoy lets nobody in";
    EXPECT_FALSE(users->verify("", "secret"));
    EXPECT_FALSE(users->verify("bcrypt", std::string(100'000, 'x')));
}

TEST(Users, apr1_of_long_and_empty_passwords) {
    Diagnostics diagnostics;
    const auto users = parse("long:$apr1$xy$KWmjAYxMqmqTjytotPjDu.\r\nempty:$apr1$e$884UIJwaHzNF9yPyifJmN1", diagnostics);
    ASSERT_TRUE(users);
    EXPECT_TRUE(users->verify("long", "a much longer password than sixteen bytes"));
    EXPECT_FALSE(users->verify("long", "a much longer password than sixteen byteS"));
    EXPECT_TRUE(users->verify("empty", ""));
    EXPECT_FALSE(users->verify("empty", "x"));
}

TEST(Users, a_bad_line_is_an_error_with_its_number) {
    for (const std::string_view bad : {"nocolon", ":{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "plain:secret", "des:rqXexS6ZhobKA",
                                       "empty:", "short:$2y$05$abc", "x:$6$salt$short", "x:{SHA}abc", "x:$9$abc$def", "x:*", "x:!"}) {
        Diagnostics diagnostics;
        EXPECT_FALSE(parse("a:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n" + std::string(bad) + "\n", diagnostics)) << bad;
        ASSERT_EQ(diagnostics.size(), 1U) << bad;
        EXPECT_THAT(to_string(diagnostics[0]), HasSubstr("users:2: "));
    }
    Diagnostics diagnostics;
    EXPECT_FALSE(parse("a:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\na:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\nb\n", diagnostics));
    EXPECT_EQ(diagnostics.size(), 2U) << "all of them are told";
}

TEST(Users, an_empty_file_lets_nobody_in) {
    Diagnostics diagnostics;
    const auto users = parse("", diagnostics);
    ASSERT_TRUE(users);
    EXPECT_FALSE(users->verify("a", ""));
}

TEST(Users, a_file_that_is_not_there_is_an_error) {
    Diagnostics diagnostics;
    EXPECT_FALSE(UserFile::load("/nonexistent/users", diagnostics));
    EXPECT_TRUE(has_errors(diagnostics));
}

}  // namespace
}  // namespace sluice::policy
