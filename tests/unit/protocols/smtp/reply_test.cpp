// SPDX-License-Identifier: Apache-2.0
#include "protocols/smtp/reply.h"

#include <gtest/gtest.h>

#include "shown.h"
#include "unit/support/splits.h"

namespace sluice::smtp {
namespace {

Limits small_limits() {
    Limits out;
    out.smtp_reply_line = 60;
    out.smtp_reply = 120;
    return out;
}

std::string render(const Reply& reply) {
    std::string out = std::to_string(reply.code);
    for (const std::string& line : reply.lines) out += " " + shown(line);
    return out + "; ";
}

std::string read(std::span<const std::string_view> pieces, const Limits& limits) {
    ReplyReader reader(limits);
    std::string unread, out;
    for (const std::string_view piece : pieces) {
        unread += piece;
        std::string_view in = unread;
        for (;;) {
            const auto reply = reader.next(in);
            if (!reply) {
                EXPECT_EQ(reply.error().side, Side::server);
                return out + shown(reply.error());
            }
            if (!*reply) break;
            EXPECT_FALSE(reader.has_begun());
            out += render(**reply);
        }
        unread = std::string(in);
        EXPECT_LE(unread.size(), limits.smtp_reply_line + 1);
    }
    if (reader.has_begun()) out += "begun ";
    if (!unread.empty()) out += "left " + shown(unread);
    return std::string(trim(out));
}

std::string read(std::string_view text, const Limits& limits = {}) { return read(std::span<const std::string_view>(&text, 1), limits); }

void expect_at_every_split(std::string_view text, std::string_view outcome) {
    test::at_every_split(text, [&](std::span<const std::string_view> pieces) { EXPECT_EQ(read(pieces, small_limits()), outcome); });
}

TEST(SmtpReply, wire_cases_at_every_split) {
    const auto cases = wire_cases("reply.wire");
    ASSERT_FALSE(cases.empty());
    for (const test::WireCase& wire : cases) {
        SCOPED_TRACE(wire.where);
        expect_at_every_split(wire.input, wire.outcome);
        if (testing::Test::HasFailure()) FAIL() << "stopped at the first case that failed";
    }
}

TEST(SmtpReply, bounds_hold_to_the_octet_wherever_it_is_cut) {
    const std::string longest(small_limits().smtp_reply_line - 4, 'a');
    expect_at_every_split("220 " + longest + "\r\n", "220 " + shown(longest) + ";");
    for (const std::string_view more : {"a\r\n", "\r\r\n", "aa\n"})
        expect_at_every_split("220 " + longest + std::string(more), R"(error too large server "reply line too long")");
    expect_at_every_split("220 " + longest + "a\n", R"(error malformed server "LF without CR in a reply")");
    // 120 octets in all: 58 + 2, 52 + 2, 4 + 2.
    const std::string first = "220-" + std::string(54, 'a') + "\r\n220-" + std::string(48, 'b') + "\r\n";
    expect_at_every_split(first + "220 \r\n", "220 " + shown(std::string(54, 'a')) + " " + shown(std::string(48, 'b')) + " \"\";");
    expect_at_every_split(first + "220 c\r\n", R"(error too large server "reply too long")");
}

TEST(SmtpReply, the_bound_is_of_one_reply) {
    std::string text;
    for (int i = 0; i < 100; ++i) text += "250 Fine\r\n";
    EXPECT_FALSE(read(text, small_limits()).contains("error"));
}

TEST(SmtpReply, without_an_end_it_is_refused_before_more_is_kept_than_a_line) {
    const Limits limits = small_limits();
    ReplyReader reader(limits);
    const std::string line(limits.smtp_reply_line + 1, '2');
    std::string_view in = line;
    EXPECT_TRUE(reader.next(in));
    const std::string more = line + "2";
    in = more;
    EXPECT_EQ(reader.next(in).error().code, Errc::too_large);
}

TEST(SmtpReply, classes) {
    for (const int code : {200, 299, 300, 354, 399, 400, 421, 499, 500, 599}) {
        const Reply reply{.code = code, .lines = {"a", "b"}};
        EXPECT_EQ(reply.is_success(), code / 100 == 2);
        EXPECT_EQ(reply.is_intermediate(), code / 100 == 3);
        EXPECT_EQ(reply.is_transient(), code / 100 == 4);
        EXPECT_EQ(reply.is_failure(), code >= 400);
        EXPECT_EQ(reply.text(), "b");
    }
    EXPECT_EQ(Reply{}.text(), "");
}

TEST(SmtpReply, is_written_so_that_nothing_in_it_is_a_reply) {
    using namespace std::string_literals;
    EXPECT_EQ(encode(550, "a\r\n250 b\nc\0d\xff"s), "550 a  250 b c d\xff\r\n");
    EXPECT_EQ(encode(Reply{.code = 250, .lines = {"Fine"}}), "250 Fine\r\n");
    EXPECT_EQ(encode(Reply{.code = 250, .lines = {}}), "250 \r\n");
    const Reply reply{.code = 250, .lines = {"a", "", "251 x", "-", "\r\n250 x", "\xff", "2"}};
    EXPECT_EQ(encode(reply), "250-a\r\n250-\r\n250-251 x\r\n250--\r\n250-  250 x\r\n250-\xff\r\n250 2\r\n");
    EXPECT_EQ(read(encode(reply)), R"(250 "a" "" "251 x" "-" "  250 x" "\xff" "2";)");
}

TEST(SmtpReply, enhanced_codes) {
    for (const std::string_view code : {"2.0.0", "4.7.1", "5.7.999", "5.123.0"}) {
        EXPECT_EQ(enhanced_code(std::string(code) + " text"), code);
        EXPECT_EQ(enhanced_code(code), code);
    }
    for (const std::string_view text :
         {"", " 2.0.0", "3.0.0 a", "2.0 a", "2.0.0.0 a", "2.0.0a", "2..0 a", "5.7.1234 a", "5.-7.1 a", "5.+7.1 a", "25.7.1 a", "2.0.0\ta"})
        EXPECT_EQ(enhanced_code(text), "") << text;
}

}  // namespace
}  // namespace sluice::smtp
