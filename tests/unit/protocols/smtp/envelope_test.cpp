// SPDX-License-Identifier: Apache-2.0
#include "protocols/smtp/envelope.h"

#include <gtest/gtest.h>

#include "shown.h"

namespace sluice::smtp {
namespace {

using namespace std::string_literals;

std::string render(const Result<EnvelopeCommand>& got) {
    if (!got) {
        EXPECT_EQ(got.error().side, Side::client);
        return shown(got.error());
    }
    const Path& path = got->path;
    std::string out = shown(path.address);
    if (!path.domain().empty()) out += " in " + shown(path.domain());
    if (path.may_be_routed) out += " routed";
    if (!path.is_ascii) out += " beyond_ascii";
    for (const Parameter& parameter : got->parameters) {
        out += " " + parameter.keyword;
        if (parameter.value) out += "=" + shown(*parameter.value);
    }
    return out;
}

TEST(SmtpEnvelope, wire_cases) {
    const auto cases = wire_cases("envelope.wire");
    ASSERT_FALSE(cases.empty());
    for (const test::WireCase& wire : cases) {
        SCOPED_TRACE(wire.where);
        const bool is_mail = to_lower(wire.input.front()) == 'f';
        const auto parse = is_mail ? parse_mail : parse_recipient;
        const auto got = parse(wire.input);
        EXPECT_EQ(render(got), wire.outcome);
        if (!got) continue;
        // The server gets the client's own octets.
        EXPECT_NE(wire.input.find(got->path.sent), std::string::npos);
        const std::string again = (is_mail ? encode_mail : encode_recipient)(got->path, got->parameters);
        EXPECT_EQ(render(parse(again)), wire.outcome) << again;
        if (!wire.details.empty()) EXPECT_EQ(again, wire.details.front());
    }
}

TEST(SmtpEnvelope, each_word_is_of_its_own_command) {
    EXPECT_FALSE(parse_mail("TO:<a@b>"));
    EXPECT_FALSE(parse_recipient("FROM:<a@b>"));
    EXPECT_FALSE(parse_mail(""));
    EXPECT_FALSE(parse_mail("FROM"));
}

TEST(SmtpEnvelope, every_octet_in_a_local_part) {
    for (int octet = 1; octet < 128; ++octet) {
        const auto c = static_cast<char>(octet);
        const std::string bare = "TO:<a" + std::string(1, c) + "b@example.org>";
        const std::string quoted = "TO:<\"a\\" + std::string(1, c) + "b\"@example.org>";
        const bool is_atom = is_alpha(c) || is_digit(c) || std::string_view("!#$%&'*+-/=?^_`{|}~.").contains(c);
        EXPECT_EQ(parse_recipient(bare).has_value(), is_atom) << octet;
        const auto got = parse_recipient(quoted);
        EXPECT_EQ(got.has_value(), octet >= 0x20 && octet < 0x7f) << octet;
        if (!got) continue;
        // Either way of writing it is one address.
        EXPECT_EQ(got->path.may_be_routed, std::string_view("@%!:<>").contains(c)) << octet;
        if (is_atom) EXPECT_EQ(parse_recipient(bare)->path.address, got->path.address);
        EXPECT_EQ(parse_recipient("TO:<" + got->path.address + ">")->path.address, got->path.address);
        EXPECT_EQ(got->path.domain(), "example.org");
    }
    EXPECT_FALSE(parse_recipient("TO:<a\0b@c>"s));
    EXPECT_FALSE(parse_recipient("TO:<\"a\0b\"@c>"s));
    EXPECT_FALSE(parse_recipient("TO:<a@c\0>"s));
}

TEST(SmtpEnvelope, every_octet_in_a_domain_and_in_a_literal) {
    for (int octet = 0; octet < 128; ++octet) {
        const auto c = static_cast<char>(octet);
        const auto got = parse_recipient("TO:<a@b" + std::string(1, c) + "c>");
        EXPECT_EQ(got.has_value(), is_alpha(c) || is_digit(c) || std::string_view("-._").contains(c)) << octet;
        EXPECT_FALSE(parse_recipient("TO:<a@[" + std::string(1, c) + "]>")) << octet;
        EXPECT_FALSE(parse_recipient("TO:<a@[\"" + std::string(1, c) + "\"]>")) << octet;
    }
}

TEST(SmtpEnvelope, bounds) {
    const std::string local(256, 'a'), label(63, 'b');
    const std::string domain = label + "." + label + "." + label + "." + label;
    EXPECT_TRUE(parse_recipient("TO:<" + local + "@" + domain + ">"));
    const auto code_of = [](const std::string& argument) { return parse_recipient(argument).error().code; };
    EXPECT_EQ(code_of("TO:<a" + local + "@b>"), Errc::too_large);
    EXPECT_EQ(code_of("TO:<a" + local + ">"), Errc::too_large);
    EXPECT_EQ(code_of("TO:<a@b" + domain + ">"), Errc::too_large);
    EXPECT_EQ(code_of("TO:<a@[" + std::string(300, '1') + "]>"), Errc::too_large);
    std::string quoted;
    for (int i = 0; i < 256; ++i) quoted += "\\\"";
    EXPECT_TRUE(parse_recipient("TO:<\"" + quoted + "\"@b>"));
    EXPECT_EQ(code_of("TO:<\"" + quoted + "a\"@b>"), Errc::too_large);

    std::string parameters = "TO:<a@b>";
    for (int i = 0; i < 16; ++i) parameters += " K" + std::to_string(i);
    EXPECT_EQ(parse_recipient(parameters)->parameters.size(), 16U);
    EXPECT_EQ(code_of(parameters + " K16"), Errc::unsupported);
}

TEST(SmtpEnvelope, what_is_no_utf8) {
    for (const std::string_view bad : {"\x80", "\xbf", "\xc0\xaf", "\xc1\x81", "\xc3", "\xc3(", "\xe0\x80\xaf", "\xe2\x82", "\xed\xa0\x80",
                                       "\xf0\x80\x80\xaf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf0\x9f\x92", "\xfe", "\xff"}) {
        EXPECT_FALSE(parse_recipient("TO:<a" + std::string(bad) + "@b>")) << shown(bad);
        EXPECT_FALSE(parse_recipient("TO:<\"" + std::string(bad) + "\"@b>")) << shown(bad);
        EXPECT_FALSE(parse_recipient("TO:<a@b> ORCPT=" + std::string(bad))) << shown(bad);
    }
    for (const std::string_view good : {"\xc2\xa9", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"})
        EXPECT_TRUE(parse_recipient("TO:<a" + std::string(good) + "@b>")) << shown(good);
}

TEST(SmtpEnvelope, parts_of_an_address_with_an_at_in_it) {
    const auto quoted = parse_recipient("TO:<\"a@b\">");
    ASSERT_TRUE(quoted);
    EXPECT_EQ(quoted->path.local(), "\"a@b\"");
    EXPECT_EQ(quoted->path.domain(), "");
    const auto whole = parse_recipient("TO:<\"a@b\"@c>");
    ASSERT_TRUE(whole);
    EXPECT_EQ(whole->path.local(), "\"a@b\"");
    EXPECT_EQ(whole->path.domain(), "c");
    EXPECT_EQ(Path{}.local(), "");
    EXPECT_EQ(Path{}.domain(), "");
}

TEST(SmtpEnvelope, parameters_are_found_by_their_keyword) {
    const auto got = parse_mail("FROM:<a@b> size=10 BODY=8BITMIME");
    ASSERT_TRUE(got);
    ASSERT_NE(got->find("SIZE"), nullptr);
    EXPECT_EQ(got->find("SIZE")->value, "10");
    EXPECT_EQ(got->find("SIZ"), nullptr);
}

TEST(SmtpEnvelope, xtext) {
    EXPECT_EQ(decode_xtext(""), "");
    EXPECT_EQ(decode_xtext("a+2Bb+3dc"), "a+b=c");
    EXPECT_EQ(decode_xtext("+00+0D+0A+FF"), "\0\r\n\xff"s);
    for (const std::string_view bad : {"+", "a+", "+2", "+2G", "+G2", "++2B", "a=b", "a b", "a\tb", "a\x7f", "\xc3\xa9", "a\nb"})
        EXPECT_FALSE(decode_xtext(bad)) << bad;
    EXPECT_FALSE(decode_xtext("a\0"s));
    EXPECT_EQ(encode_xtext("a+b=c d\xff\r\n\x7f!~"), "a+2Bb+3Dc+20d+FF+0D+0A+7F!~");
    std::string all;
    for (int octet = 0; octet < 256; ++octet) all += static_cast<char>(octet);
    const std::string encoded = encode_xtext(all);
    EXPECT_TRUE(std::ranges::all_of(encoded, [](char c) { return c > 0x20 && c < 0x7f && c != '='; }));
    EXPECT_EQ(decode_xtext(encoded), all);
}

TEST(SmtpEnvelope, sizes) {
    EXPECT_EQ(parse_size("0"), 0U);
    EXPECT_EQ(parse_size("00000000000000000001"), 1U);
    EXPECT_EQ(parse_size("18446744073709551615"), 18446744073709551615U);
    for (const std::string_view bad :
         {"", "-1", "+1", " 1", "1 ", "0x1", "1e6", "18446744073709551616", "99999999999999999999", "000000000000000000001"})
        EXPECT_FALSE(parse_size(bad)) << bad;
}

}  // namespace
}  // namespace sluice::smtp
