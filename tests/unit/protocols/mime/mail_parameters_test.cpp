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

TEST(MailParameters, of_readers_without_comments_and_escapes) {
    const auto bare = [](std::string_view text) { return parse_mail_field(text, Limits(), FieldGrammar::bare).find("n").values; };
    EXPECT_THAT(bare("a/b; m=(; n=x; l=)"), ElementsAre("x"));
    EXPECT_THAT(bare("a/b (; n=x"), ElementsAre("x"));
    EXPECT_THAT(bare("a/b; ( n=x"), ElementsAre("x"));
    EXPECT_THAT(bare("a/b; (c) n=x (d)"), ElementsAre("x (d)"));
    EXPECT_THAT(bare(R"(a/b; m="\"; n=x; l=")"), ElementsAre("x"));
    const auto has_comment = [](std::string_view text) { return parse_mail_field(text, Limits()).has_comment; };
    for (const char* text : {"a/b; m=(; n=x)", "a/b (m=n)", "a/b (open", "a/b; m=x (open \\"})
        EXPECT_EQ(has_comment(text), !std::string_view(text).contains("m=x")) << text;
    EXPECT_FALSE(has_comment("a/b (c (d)); n=x (e)"));
}

TEST(MailParameters, with_what_does_not_belong_there) {
    EXPECT_THAT(values("a/b; n *=utf-8''x"), ElementsAre("x"));
    EXPECT_THAT(values("a/b; n * 0 * =utf-8''x; n\t*1=y"), ElementsAre("xy"));
    EXPECT_THAT(values("a/b;\vn\f=\vx\f"), ElementsAre("x"));
    EXPECT_THAT(values("a/b; \"n\"=x"), ElementsAre("x"));
    EXPECT_TRUE(parse_mail_field("a/b;\vn=x", Limits()).is_odd);
    EXPECT_TRUE(parse_mail_field("a/b; \"n\"=x", Limits()).is_odd);
    const MailField stray = parse_mail_field("a/b; foo; n=x", Limits());
    EXPECT_TRUE(stray.has_stray_word && !stray.is_odd);
    EXPECT_TRUE(parse_mail_field("a/b; \"foo\"; n=x", Limits()).is_odd);
    EXPECT_EQ(parse_mail_field("a/b; n=\"x.\r\n \ty z\"", Limits()).parameters.at(0).joined, "x.y z");
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
