// SPDX-License-Identifier: Apache-2.0
#include "protocols/ftp/reply.h"

#include <gtest/gtest.h>

#include "shown.h"
#include "unit/support/splits.h"

namespace sluice::ftp {
namespace {

Limits small_limits() {
    Limits out;
    out.ftp_line = 60;
    out.ftp_reply = 120;
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
    }
    if (reader.has_begun()) out += "begun ";
    if (!unread.empty()) out += "left " + shown(unread);
    return std::string(trim(out));
}

std::string read(std::string_view text, const Limits& limits = {}) { return read(std::span<const std::string_view>(&text, 1), limits); }

TEST(FtpReply, wire_cases_at_every_split) {
    const auto cases = wire_cases("reply.wire");
    ASSERT_FALSE(cases.empty());
    for (const test::WireCase& wire : cases) {
        SCOPED_TRACE(wire.where);
        test::at_every_split(wire.input,
                             [&](std::span<const std::string_view> pieces) { EXPECT_EQ(read(pieces, small_limits()), wire.outcome); });
        if (testing::Test::HasFailure()) FAIL() << "stopped at the first case that failed";
    }
}

TEST(FtpReply, bounds_hold_to_the_octet_wherever_it_is_cut) {
    const Limits limits = small_limits();
    const auto outcome_at_every_split = [&](const std::string& text, std::string_view outcome) {
        test::at_every_split(text, [&](std::span<const std::string_view> pieces) { EXPECT_EQ(read(pieces, limits), outcome); });
    };
    const std::string longest(limits.ftp_line - 4, 'a');
    outcome_at_every_split("220 " + longest + "\r\n", "220 " + shown(longest) + ";");
    outcome_at_every_split("220 " + longest + "a\r\n", R"(error too large server "reply line too long")");
    // 120 octets in all: 58 + 2, 52 + 2, 4 + 2.
    const std::string first = "220-" + std::string(54, 'a') + "\r\n";
    const std::string inner(52, 'b');
    outcome_at_every_split(first + inner + "\r\n220 \r\n", "220 " + shown(std::string(54, 'a')) + " " + shown(inner) + " \"\";");
    outcome_at_every_split(first + inner + "\r\n220 c\r\n", R"(error too large server "reply too long")");
}

TEST(FtpReply, the_bound_is_of_one_reply) {
    std::string text;
    for (int i = 0; i < 100; ++i) text += "200 Fine\r\n";
    EXPECT_FALSE(read(text, small_limits()).contains("error"));
    EXPECT_EQ(Limits{}.ftp_reply, 256U * 1024U);
}

TEST(FtpReply, without_an_end_it_is_refused_before_more_is_kept_than_a_line) {
    const Limits limits = small_limits();
    ReplyReader reader(limits);
    const std::string line(limits.ftp_line + 1, '2');
    std::string_view in = line;
    EXPECT_TRUE(reader.next(in));
    const std::string more = line + "2";
    in = more;
    EXPECT_EQ(reader.next(in).error().code, Errc::too_large);
}

TEST(FtpReply, what_has_begun) {
    ReplyReader reader{Limits{}};
    EXPECT_FALSE(reader.has_begun());
    std::string_view in = "220-a\r\n";
    EXPECT_FALSE(*reader.next(in));
    EXPECT_TRUE(reader.has_begun());
    in = "220 b\r\n";
    EXPECT_TRUE(*reader.next(in));
    EXPECT_FALSE(reader.has_begun());
}

TEST(FtpReply, classes) {
    for (const int code : {100, 199, 200, 299, 300, 399, 400, 553, 599}) {
        const Reply reply{.code = code, .lines = {"a", "b"}};
        EXPECT_EQ(reply.is_preliminary(), code / 100 == 1);
        EXPECT_EQ(reply.is_success(), code / 100 == 2);
        EXPECT_EQ(reply.is_intermediate(), code / 100 == 3);
        EXPECT_EQ(reply.is_failure(), code >= 400);
        EXPECT_EQ(reply.text(), "b");
    }
}

TEST(FtpReply, is_written_so_that_nothing_in_it_is_a_reply) {
    using namespace std::string_literals;
    EXPECT_EQ(encode(550, "a\r\n226 b\nc\0d\xff"s), "550 a  226 b c d\xff\r\n");
    EXPECT_EQ(encode(Reply{.code = 200, .lines = {"Fine"}}), "200 Fine\r\n");
    EXPECT_EQ(encode(Reply{.code = 200, .lines = {}}), "200 \r\n");
    EXPECT_EQ(encode(Reply{.code = 211, .lines = {"a", "b"}}), "211-a\r\n211 b\r\n");
    const Reply reply{.code = 211, .lines = {"1", " MDTM", "", "211-x", "211 x", "226 x", "9", "\r\n211 x", "\xff", "2"}};
    EXPECT_EQ(encode(reply), "211-1\r\n MDTM\r\n\r\n211-x\r\n 211 x\r\n 226 x\r\n 9\r\n  211 x\r\n\xff\r\n211 2\r\n");
    EXPECT_EQ(read(encode(reply)), R"(211 "1" " MDTM" "" "211-x" " 211 x" " 226 x" " 9" "  211 x" "\xff" "2";)");
}

}  // namespace
}  // namespace sluice::ftp
