// SPDX-License-Identifier: Apache-2.0
#include "protocols/smtp/extensions.h"

#include <gtest/gtest.h>

namespace sluice::smtp {
namespace {

using Words = std::vector<std::string>;

Extensions parse(Words lines) {
    lines.insert(lines.begin(), "mx.example Hello");
    return parse_extensions({.code = 250, .lines = std::move(lines)});
}

TEST(SmtpExtensions, all_of_them) {
    const Extensions got = parse({"PIPELINING", "STARTTLS", "CHUNKING", "BINARYMIME", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES",
                                  "SIZE 1000", "AUTH PLAIN LOGIN", "XCLIENT NAME ADDR", "XFORWARD HELO", "VRFY", "ETRN", ""});
    EXPECT_TRUE(got.pipelining && got.starttls && got.chunking && got.binarymime && got.eightbitmime && got.smtputf8 && got.dsn);
    EXPECT_TRUE(got.enhanced_status_codes);
    EXPECT_EQ(got.size, 1000U);
    EXPECT_EQ(got.auth, (Words{"PLAIN", "LOGIN"}));
    EXPECT_EQ(got.xclient, (Words{"NAME", "ADDR"}));
    EXPECT_EQ(got.xforward, (Words{"HELO"}));
}

TEST(SmtpExtensions, none_of_them) {
    for (const Extensions& got :
         {parse({}), parse({"PIPELININGX", "X-STARTTLS", "XSTARTTLS", "STARTTLS-X", "CHUNK ING", "8BITMIMES", "SIZEX 5", "AUTHX PLAIN"}),
          parse({"PIPELINING=", "STARTTLS=1", "SIZE=1000", "XCLIENT=NAME"}), parse_extensions({.code = 250, .lines = {"PIPELINING"}}),
          parse_extensions({})}) {
        EXPECT_FALSE(got.pipelining || got.starttls || got.chunking || got.binarymime || got.eightbitmime || got.smtputf8 || got.dsn);
        EXPECT_FALSE(got.enhanced_status_codes || got.size);
        EXPECT_TRUE(got.auth.empty() && got.xclient.empty() && got.xforward.empty());
    }
}

TEST(SmtpExtensions, case_and_blanks_do_not_matter) {
    const Extensions got = parse({" pipelining ", "StartTLS", "size   1000  ", "auth  plain   xOAuth2 "});
    EXPECT_TRUE(got.pipelining && got.starttls);
    EXPECT_EQ(got.size, 1000U);
    EXPECT_EQ(got.auth, (Words{"PLAIN", "XOAUTH2"}));
}

TEST(SmtpExtensions, parameters_that_are_not_expected) {
    EXPECT_TRUE(parse({"STARTTLS REQUIRED"}).starttls);
    EXPECT_TRUE(parse({"8BITMIME 7BIT"}).eightbitmime);
}

TEST(SmtpExtensions, sizes) {
    EXPECT_EQ(parse({"SIZE"}).size, 0U);
    EXPECT_EQ(parse({"SIZE 0"}).size, 0U);
    EXPECT_EQ(parse({"SIZE 18446744073709551615"}).size, 18446744073709551615U);
    for (const char* bad : {"SIZE -1", "SIZE 1k", "SIZE 18446744073709551616", "SIZE 1 2"}) EXPECT_EQ(parse({bad}).size, 0U) << bad;
}

TEST(SmtpExtensions, mechanisms) {
    EXPECT_EQ(parse({"AUTH PLAIN LOGIN", "AUTH=PLAIN LOGIN CRAM-MD5"}).auth, (Words{"PLAIN", "LOGIN", "CRAM-MD5"}));
    EXPECT_EQ(parse({"AUTH=LOGIN"}).auth, (Words{"LOGIN"}));
    EXPECT_EQ(parse({"AUTH SCRAM-SHA-256 SCRAM-SHA-256-PLUS scram-sha-1-plus"}).auth, (Words{"SCRAM-SHA-256"}));
    EXPECT_EQ(parse({"AUTH PLA\xcc\xa1N P=Q A,B ABCDEFGHIJKLMNOPQRSTU OK_1\t"}).auth, (Words{"OK_1"}));
    EXPECT_TRUE(parse({"AUTH"}).auth.empty());
    std::string many = "AUTH";
    for (int i = 0; i < 1000; ++i) many += " M" + std::to_string(i);
    EXPECT_EQ(parse({many}).auth.size(), 32U);
}

}  // namespace
}  // namespace sluice::smtp
