// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/parameters.h"

#include <gtest/gtest.h>

namespace sluice::mime {
namespace {

// "value name=text name*=text", or the error.
std::string parsed(std::string_view text, Quoting quoting = Quoting::http, const Limits& limits = {}) {
    const auto got = parse_with_parameters(text, quoting, limits);
    if (!got) {
        EXPECT_EQ(got.error().side, Side::client);
        return std::string(to_string(got.error().code)) + ": " + std::string(got.error().what);
    }
    std::string out = got->value;
    for (const Parameter& one : got->parameters) out.append(" ").append(one.name).append(one.is_extended ? "*=" : "=").append(one.value);
    return out;
}

TEST(Parameters, plain_ones) {
    EXPECT_EQ(parsed("Text/HTML"), "text/html");
    EXPECT_EQ(parsed(" text/html ; Charset=UTF-8\t;x=\"\" "), "text/html charset=UTF-8 x=");
    EXPECT_EQ(parsed("attachment; a=1; b=2"), "attachment a=1 b=2");
    EXPECT_EQ(parsed("a;;b=c; ;"), "a b=c");
}

TEST(Parameters, quoted_strings_of_http) {
    EXPECT_EQ(parsed(R"(a; b="c;d=\"e\\f\g"; h=i)"), R"(a b=c;d="e\fg h=i)");
    EXPECT_EQ(parsed("a; b=\"%22\t\xc3\xbc\""), "a b=%22\t\xc3\xbc");
    EXPECT_EQ(parsed("a; b=\"c"), "malformed: quoted parameter without an end");
    EXPECT_EQ(parsed("a; b=\"c\\"), "malformed: quoted parameter without an end");
    EXPECT_EQ(parsed("a; b=\"c\\\""), "malformed: quoted parameter without an end");
    EXPECT_EQ(parsed("a; b=\"c\1\""), "malformed: control character in a parameter");
    EXPECT_EQ(parsed("a; b=\"c\\\n\""), "malformed: control character in a parameter");
}

TEST(Parameters, quoted_strings_of_forms) {
    EXPECT_EQ(parsed(R"(a; b="%22x%0A%0d%41%2")", Quoting::form), "a b=\"x\n\r%41%2");
    EXPECT_EQ(parsed(R"(a; b="C:\new\"q\\z")", Quoting::form), R"(a b=C:\new"q\z)");
    EXPECT_EQ(parsed(R"(a; b="C:\")", Quoting::form), "malformed: quoted parameter without an end");
    EXPECT_EQ(parsed("a; b=\"c\r\"", Quoting::form), "malformed: control character in a parameter");
}

TEST(Parameters, extended_values) {
    EXPECT_EQ(parsed("a; f*=UTF-8''%e2%82%ac%20x; f=y"), "a f*=\xe2\x82\xac x f=y");
    EXPECT_EQ(parsed("a; f*=iso-8859-1'en-GB'%a3!"), "a f*=\xc2\xa3!");
    EXPECT_EQ(parsed("a; f*=utf-8''"), "a f*=");
    EXPECT_EQ(parsed("a; f*=utf-16''x"), "unsupported: extended parameter in an unknown charset");
    EXPECT_EQ(parsed("a; f*=x"), "malformed: extended parameter without a charset");
    EXPECT_EQ(parsed("a; f*=utf-8'x"), "malformed: bad extended parameter");
    EXPECT_EQ(parsed("a; f*=utf-8''%4"), "malformed: bad escape in an extended parameter");
    EXPECT_EQ(parsed("a; f*=utf-8''%zz"), "malformed: bad escape in an extended parameter");
    EXPECT_EQ(parsed("a; f*=utf-8''%00"), "malformed: control character in a parameter");
    EXPECT_EQ(parsed("a; f*=utf-8''a\"b"), "malformed: unexpected octets between parameters");
    EXPECT_EQ(parsed("a; f*=\"utf-8''x\""), "unsupported: extended parameter in an unknown charset");
    EXPECT_EQ(parsed("a; f*0=x; f*1=y"), "malformed: continued parameter");
    EXPECT_EQ(parsed("a; f*0*=utf-8''x"), "malformed: continued parameter");
    EXPECT_EQ(parsed("a; *=utf-8''x"), "malformed: parameter without a name");
}

TEST(Parameters, what_could_be_read_in_two_ways) {
    EXPECT_EQ(parsed(""), "malformed: no value before the parameters");
    EXPECT_EQ(parsed("; a=b"), "malformed: no value before the parameters");
    EXPECT_EQ(parsed("text/; a=b"), "malformed: media type without a subtype");
    EXPECT_EQ(parsed("text/html, text/plain"), "malformed: unexpected octets between parameters");
    EXPECT_EQ(parsed("a b=c"), "malformed: unexpected octets between parameters");
    EXPECT_EQ(parsed("a; b =c"), "malformed: parameter without a value");
    EXPECT_EQ(parsed("a; b= c"), "malformed: parameter without a value");
    EXPECT_EQ(parsed("a; b"), "malformed: parameter without a value");
    EXPECT_EQ(parsed("a; b="), "malformed: parameter without a value");
    EXPECT_EQ(parsed("a; =c"), "malformed: parameter without a name");
    EXPECT_EQ(parsed("a; b=c d"), "malformed: unexpected octets between parameters");
    EXPECT_EQ(parsed("a; b=\"c\"d"), "malformed: unexpected octets between parameters");
    EXPECT_EQ(parsed("a; b=\xc3\xbc"), "malformed: parameter without a value");
    EXPECT_EQ(parsed("a; b=1; B=1"), "malformed: two parameters of one name");
    EXPECT_EQ(parsed("a; b*=utf-8''1; b*=utf-8''1"), "malformed: two parameters of one name");
}

TEST(Parameters, are_bounded) {
    Limits limits;
    limits.header_parameters = 2;
    EXPECT_EQ(parsed("a; b=1; c=2;", Quoting::http, limits), "a b=1 c=2");
    EXPECT_EQ(parsed("a; b=1; c=2; d=3", Quoting::http, limits), "too large: too many parameters");
}

TEST(Parameters, are_found_by_name_and_form) {
    const auto got = parse_with_parameters("a; f=1; f*=utf-8''2", Quoting::http, Limits());
    ASSERT_TRUE(got);
    EXPECT_EQ(got->find("f")->value, "1");
    EXPECT_EQ(got->find("f", true)->value, "2");
    EXPECT_EQ(got->find("g"), nullptr);
}

}  // namespace
}  // namespace sluice::mime
