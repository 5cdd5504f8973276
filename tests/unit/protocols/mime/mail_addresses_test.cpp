// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/mail_addresses.h"

#include "unit/support/mail.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::mime {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> addresses(std::string_view text) {
    std::vector<std::string> out;
    EXPECT_TRUE(add_addresses(text, 8, out));
    return out;
}

TEST(MailAddresses, as_they_should_be) {
    EXPECT_THAT(addresses("Ann <Ann@x.org>"), ElementsAre("ann@x.org"));
    EXPECT_THAT(addresses("a@x (b@y), \"c, d\" <c@x>"), ElementsAre("a@x", "c@x"));
    EXPECT_THAT(addresses("\"evil@x\" <a@x>"), ElementsAre("a@x")) << "a name";
    EXPECT_THAT(addresses("=?utf-8?q?evil=40x?= <a@x>"), ElementsAre("a@x")) << "a name";
    EXPECT_THAT(addresses("=?utf-8?q?evil@x?= <a@x>"), ElementsAre("a@x")) << "a name";
    EXPECT_THAT(addresses("group: a@x, \"b c\"@x;, <@r,@s:d@x>"), ElementsAre("a@x", "b c@x", "d@x"));
    EXPECT_THAT(addresses("a (c) @ x . org"), ElementsAre("a@x.org"));
    EXPECT_THAT(addresses("Ann, <>"), IsEmpty());
}

TEST(MailAddresses, as_they_should_not_be) {
    EXPECT_THAT(addresses("<evil@x> <good@y>"), ElementsAre("evil@x", "good@y"));
    EXPECT_THAT(addresses("evil@x <good@y>"), ElementsAre("evil@x", "good@y"));
    EXPECT_THAT(addresses("<<evil@x>"), ElementsAre("evil@x"));
    EXPECT_THAT(addresses("\"foo <evil@x>"), ElementsAre("evil@x"));
    EXPECT_THAT(addresses("( evil@x"), ElementsAre("evil@x"));
    EXPECT_THAT(addresses("evil@x ( a"), ElementsAre("evil@xa", "evil@x"));
    EXPECT_THAT(addresses("=?utf-8?q?evil=40x?="), ElementsAre("evil@x"));
    EXPECT_THAT(addresses("<=?utf-8?q?evil=40x?=>"), ElementsAre("evil@x"));
    EXPECT_THAT(addresses("=?utf-8?q?evil=40x=2C_b=40y?="), ElementsAre("evil@x", "b@y"));
    EXPECT_THAT(addresses("<evil@x.org.>, b@y."), ElementsAre("evil@x.org", "b@y"));
}

TEST(MailAddresses, that_do_not_fit_are_said) {
    std::vector<std::string> out;
    EXPECT_TRUE(add_addresses("a@x, b@x, a@x", 2, out));
    EXPECT_FALSE(add_addresses("c@x", 2, out));
    EXPECT_THAT(out, ElementsAre("a@x", "b@x"));
}

TEST(MailAddresses, in_doubt_make_the_head_ambiguous) {
    const auto read = [](std::string_view fields) { return test::read_mail(std::string(fields) + "\r\nx\r\n"); };
    EXPECT_TRUE(read("Subject: a\r\nSubject: b\r\n").has(Ambiguity::duplicate_header));
    EXPECT_TRUE(read("From: a@x\r\nFrom: b@x\r\n").has(Ambiguity::duplicate_header));
    EXPECT_TRUE(read("From: a@x\r\nFrom: a@x\r\nTo: b@x\r\nTo: c@x\r\n").ambiguities.empty());
    std::string many = "From: ";
    for (std::size_t i = 0; i < Limits().mail_addresses; ++i) many += "a" + std::to_string(i) + "@x, ";
    EXPECT_TRUE(read(many + "a0@x\r\n").ambiguities.empty());
    EXPECT_TRUE(read(many + "evil@x\r\n").has(Ambiguity::too_many));
}

}  // namespace
}  // namespace sluice::mime
