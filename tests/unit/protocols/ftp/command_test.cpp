// SPDX-License-Identifier: Apache-2.0
#include "protocols/ftp/command.h"

#include <gtest/gtest.h>

#include "shown.h"
#include "unit/support/splits.h"

namespace sluice::ftp {
namespace {

using Fault = Command::Fault;

Limits small_limits() {
    Limits out;
    out.ftp_line = 40;
    return out;
}

std::string render(const Command& command) {
    std::string out;
    const auto say = [&out](std::string_view word) { out.append(out.empty() ? "" : " ").append(word); };
    switch (command.fault) {
        case Fault::none: break;
        case Fault::too_long: say("too_long"); break;
        case Fault::bad_octet: say("bad_octet"); break;
        case Fault::no_verb: say("no_verb"); break;
    }
    if (!command.verb.empty()) say(command.verb);
    if (command.has_argument) say(shown(command.argument));
    if (command.is_urgent) say("urgent");
    return out + "; ";
}

// As a session does it: what is not taken stays in front of what comes next.
std::string read(std::span<const std::string_view> pieces, const Limits& limits) {
    CommandReader reader(limits);
    std::string unread, out;
    for (const std::string_view piece : pieces) {
        unread += piece;
        std::string_view in = unread;
        while (const auto command = reader.next(in)) out += render(*command);
        unread = std::string(in);
        if (pieces.size() > 2) EXPECT_LE(unread.size(), limits.ftp_line + 1);
    }
    if (!unread.empty()) out += "left " + shown(unread);
    return std::string(trim(out));
}

std::string read(std::string_view text, const Limits& limits = small_limits()) {
    return read(std::span<const std::string_view>(&text, 1), limits);
}

TEST(FtpCommand, wire_cases_at_every_split) {
    const auto cases = wire_cases("command.wire");
    ASSERT_FALSE(cases.empty());
    for (const test::WireCase& wire : cases) {
        SCOPED_TRACE(wire.where);
        test::at_every_split(wire.input,
                             [&](std::span<const std::string_view> pieces) { EXPECT_EQ(read(pieces, small_limits()), wire.outcome); });
        if (testing::Test::HasFailure()) FAIL() << "stopped at the first case that failed";
    }
}

TEST(FtpCommand, an_urgent_abort_however_the_system_cut_it) {
    for (const std::string_view mark :
         {"\xff\xf4\xff\xf2", "\xff\xf4\xf2", "\xff\xf4\xff", "\xf4\xf2", "\xf4\xff\xf2", "\xf2", "\xff\xf2", "\xff"}) {
        const std::string text = "RETR a\r\n" + std::string(mark) + "ABOR\r\nNOOP\r\n";
        SCOPED_TRACE(shown(text));
        test::at_every_split(text, [](std::span<const std::string_view> pieces) {
            EXPECT_EQ(read(pieces, small_limits()), "RETR \"a\"; ABOR urgent; NOOP;");
        });
    }
}

TEST(FtpCommand, all_two_octet_sequences_vanish_and_two_are_urgent) {
    for (int octet = 0; octet < 256; ++octet) {
        if (octet == '\r' || octet == '\n' || octet == 250) continue;
        const auto c = static_cast<char>(octet);
        const std::string got = read(std::string("STOR a\xff") + c + "b\r\n");
        SCOPED_TRACE(octet);
        if (octet == 0) EXPECT_EQ(got, "bad_octet STOR;");
        else if (octet < 0xec) EXPECT_TRUE(got.starts_with("STOR \"a\\xff")) << got;
        else if (octet == 0xf2 || octet == 0xf4) EXPECT_EQ(got, "STOR \"ab\" urgent;");
        else if (octet == 0xff) EXPECT_EQ(got, "STOR \"a\\xffb\";");
        else if (octet >= 0xfb) EXPECT_EQ(got, "STOR \"a\";");
        else EXPECT_EQ(got, "STOR \"ab\";");
    }
}

TEST(FtpCommand, a_line_of_the_bound_is_read_and_one_octet_more_is_not) {
    const Limits limits = small_limits();
    const std::string longest = "RETR " + std::string(limits.ftp_line - 5, 'a');
    test::at_every_split(longest + "\r\nNOOP\r\n", [&](std::span<const std::string_view> pieces) {
        EXPECT_EQ(read(pieces, limits), "RETR " + shown(longest.substr(5)) + "; NOOP;");
    });
    for (const std::string_view more : {"a", "\r", "\ra", "ab", "a\r", "\n", "\r\r"}) {
        SCOPED_TRACE(shown(more));
        test::at_every_split(longest + std::string(more) + "\r\nNOOP\r\n",
                             [&](std::span<const std::string_view> pieces) { EXPECT_EQ(read(pieces, limits), "too_long; NOOP;"); });
    }
    EXPECT_EQ(Limits{}.ftp_line, 4096U);
    EXPECT_EQ(read("RETR " + std::string(4091, 'a') + "\r\n", Limits{}), "RETR \"" + std::string(4091, 'a') + "\";");
    EXPECT_EQ(read("RETR " + std::string(4092, 'a') + "\r\n", Limits{}), "too_long;");
}

TEST(FtpCommand, a_line_without_an_end_is_thrown_away_as_it_comes) {
    const Limits limits = small_limits();
    CommandReader reader(limits);
    std::string unread;
    for (int i = 0; i < 10'000; ++i) {
        unread += i % 3 == 0 ? "\r" : "aa";
        std::string_view in = unread;
        ASSERT_FALSE(reader.next(in));
        unread = std::string(in);
        ASSERT_LE(unread.size(), limits.ftp_line + 1);
    }
    unread += "\r\nQUIT\r\n";
    std::string_view in = unread;
    EXPECT_EQ(render(*reader.next(in)), "too_long; ");
    EXPECT_EQ(render(*reader.next(in)), "QUIT; ");
    EXPECT_TRUE(in.empty());
}

TEST(FtpCommand, is_written_as_it_reads) {
    EXPECT_EQ(encode("NOOP"), "NOOP\r\n");
    EXPECT_EQ(encode("RETR", " a\xff "), "RETR  a\xff \r\n");
    EXPECT_EQ(encode("RETR", "a\xff\xff\xf4"), "RETR a\xff\xff\xff\xff\xf4\r\n");
    EXPECT_EQ(encode("CWD", ""), "CWD \r\n");
    EXPECT_EQ(read(encode("RETR", " a\xff\xff\xf4 ")), R"(RETR " a\xff\xff\xf4 ";)");
}

}  // namespace
}  // namespace sluice::ftp
