// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/mail_parameters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::mime {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

ParameterReadings readings(std::string_view field, std::string_view name = "n") { return parse_mail_field(field, Limits()).find(name); }
std::vector<std::string> values(std::string_view field) { return readings(field).values; }

TEST(MailParameters, value) {
    const auto value = [](std::string_view text, bool is_odd) {
        const MailField got = parse_mail_field(text, Limits());
        EXPECT_EQ(got.is_odd, is_odd) << text;
        return got.value;
    };
    EXPECT_EQ(value("Text/Plain; charset=x", false), "text/plain");
    EXPECT_EQ(value(" (c (d)) text/plain (e) ;", false), "text/plain");
    EXPECT_EQ(value("base64", false), "base64");
    EXPECT_EQ(value("base64,qp", true), "base64");
    EXPECT_EQ(value("text/plain charset=x", true), "text/plain");
    EXPECT_EQ(value("a/b/c", true), "a/b/c");
    EXPECT_EQ(value("\"base64\"", true), "");
    EXPECT_EQ(value("", true), "");
    EXPECT_EQ(value("(open", true), "");
}

TEST(MailParameters, plain_ones) {
    EXPECT_THAT(values("a/b; n=x"), ElementsAre("x"));
    EXPECT_THAT(values("a/b; N = \"x; \\\"y\\\"\" ; m=z"), ElementsAre("x; \"y\""));
    EXPECT_THAT(values("a/b;n=x (comment)"), ElementsAre("x"));
    EXPECT_THAT(values("a/b;n=\"x\"(comment); m=y"), ElementsAre("x"));
    EXPECT_THAT(values("a/b;n=\"x\r\n y\""), ElementsAre("x y"));
    EXPECT_THAT(values("a/b n=x"), ElementsAre("x"));
    EXPECT_THAT(values("a/b; m=\"q\" n=x"), ElementsAre("x"));
    EXPECT_THAT(values("a/b; n=x; n=y; n=x"), ElementsAre("x", "y"));
    EXPECT_THAT(values("a/b; n=\"open; m=y"), ElementsAre("open"));
    EXPECT_THAT(values("a/b; n=x y"), ElementsAre("x y"));
    EXPECT_THAT(values("a/b; n"), IsEmpty());
    EXPECT_FALSE(readings("a/b; n==_Part/1:2?").is_odd) << "needs quotes, and nobody minds";
    EXPECT_TRUE(readings("a/b; n=x; n=y").is_duplicate);
    EXPECT_FALSE(readings("a/b; n=x; n=x").is_duplicate);
    for (const char* odd : {"a/b; n=\"open", "a/b; n=x y", "a/b; n=\"x\"y", "a/b; n=\"x\"y=z", "a/b; n=x\"y\""})
        EXPECT_TRUE(readings(odd).is_odd) << odd;
}

TEST(MailParameters, of_rfc_2231) {
    EXPECT_THAT(values("a/b; n*=utf-8'en'%e2%82%ac"), ElementsAre("\xe2\x82\xac"));
    EXPECT_THAT(values("a/b; n*=iso-8859-1''%fc; n=u"), ElementsAre("u", "\xc3\xbc"));
    EXPECT_THAT(values("a/b; n*1=b; n*0=a; n*2*=%63"), ElementsAre("abc"));
    EXPECT_THAT(values("a/b; n*0*=utf-8''%e2%82; n*1*=%ac; n*2=\".exe\""), ElementsAre("\xe2\x82\xac.exe")) << "a character cut in two";
    EXPECT_THAT(values("a/b; n*0=a; n*0=b; n*1=c"), ElementsAre("ac", "bc"));
    EXPECT_TRUE(readings("a/b; n*0=a; n*2=c").is_broken);
    EXPECT_TRUE(readings("a/b; n*0=a; n*0=b").is_broken);
    EXPECT_TRUE(readings("a/b; n*=plain").is_broken);
    EXPECT_TRUE(readings("a/b; n*=utf-8''%4").is_broken);
    EXPECT_FALSE(readings("a/b; n*0*=utf-8''a; n*1=b").is_broken);
}

TEST(MailParameters, are_bounded) {
    Limits limits;
    limits.mail_parameters = 3;
    const MailField got = parse_mail_field("a/b; a=1; b=2; c=3; d=4", limits);
    EXPECT_EQ(got.parameters.size(), 3U);
    EXPECT_TRUE(got.is_odd);
    std::string many = "a/b";
    while (many.size() < (1U << 18U)) many += " a=\"\"";
    EXPECT_EQ(parse_mail_field(many, Limits()).parameters.size(), Limits().mail_parameters);
}

}  // namespace
}  // namespace sluice::mime
