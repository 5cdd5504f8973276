// SPDX-License-Identifier: Apache-2.0
#include "protocols/smtp/command.h"

#include <gtest/gtest.h>

#include "shown.h"
#include "unit/support/splits.h"

namespace sluice::smtp {
namespace {

using Fault = Command::Fault;

Limits small_limits() {
    Limits out;
    out.smtp_command_line = 40;
    out.smtp_auth_line = 60;
    return out;
}

std::string render(const Command& command) {
    switch (command.fault) {
        case Fault::none: break;
        case Fault::too_long: return "too_long; ";
        case Fault::bad_octet: return "bad_octet; ";
        case Fault::no_verb: return "no_verb; ";
    }
    std::string out = command.verb;
    if (!command.argument.empty()) out += (out.empty() ? "" : " ") + shown(command.argument);
    return out + "; ";
}

// As a session does it: what is not taken stays in front of what comes next; AUTH begins answers, which end with "=" or "*".
std::string read(std::span<const std::string_view> pieces, const Limits& limits) {
    CommandReader reader(limits);
    std::string unread, out;
    bool is_answer = false;
    for (const std::string_view piece : pieces) {
        unread += piece;
        std::string_view in = unread;
        while (const auto command = is_answer ? reader.next_answer(in) : reader.next(in)) {
            out += render(*command);
            is_answer = command->verb == "AUTH" || (is_answer && command->argument != "=" && command->argument != "*");
        }
        EXPECT_TRUE(unread.ends_with(in));
        unread = std::string(in);
        EXPECT_LE(unread.size(), limits.smtp_auth_line + 1);
    }
    if (!unread.empty()) out += "left " + shown(unread);
    return std::string(trim(out));
}

std::string read(std::string_view text, const Limits& limits = small_limits()) {
    return read(std::span<const std::string_view>(&text, 1), limits);
}

void expect_at_every_split(std::string_view text, std::string_view outcome, const Limits& limits = small_limits()) {
    SCOPED_TRACE(shown(text));
    test::at_every_split(text, [&](std::span<const std::string_view> pieces) { EXPECT_EQ(read(pieces, limits), outcome); });
}

TEST(SmtpCommand, wire_cases_at_every_split) {
    const auto cases = wire_cases("command.wire");
    ASSERT_FALSE(cases.empty());
    for (const test::WireCase& wire : cases) {
        SCOPED_TRACE(wire.where);
        expect_at_every_split(wire.input, wire.outcome);
        if (testing::Test::HasFailure()) FAIL() << "stopped at the first case that failed";
    }
}

TEST(SmtpCommand, a_line_of_the_bound_is_read_and_one_octet_more_is_not) {
    const Limits limits = small_limits();
    const std::string noop = "NOOP " + std::string(limits.smtp_command_line - 5, 'a');
    const std::string auth = "AUTH " + std::string(limits.smtp_auth_line - 5, 'a');
    const std::string answer(limits.smtp_auth_line, 'a');
    expect_at_every_split(noop + "\r\nNOOP\r\n", "NOOP " + shown(noop.substr(5)) + "; NOOP;");
    expect_at_every_split(auth + "\r\n" + answer + "\r\n*\r\n", "AUTH " + shown(auth.substr(5)) + "; " + shown(answer) + "; \"*\";");
    for (const std::string_view more : {"a", "\r", "\ra", "ab", "a\r", "\r\r"}) {
        expect_at_every_split(noop + std::string(more) + "\r\nNOOP\r\n", more.contains('\r') ? "bad_octet; NOOP;" : "too_long; NOOP;");
        expect_at_every_split(auth + std::string(more) + "\r\nNOOP\r\n", "too_long; NOOP;");
        expect_at_every_split("AUTH A\r\n" + answer + std::string(more) + "\r\n=\r\nNOOP\r\n", "AUTH \"A\"; too_long; \"=\"; NOOP;");
    }
    EXPECT_EQ(Limits{}.smtp_command_line, 4096U);
    EXPECT_EQ(Limits{}.smtp_auth_line, 12288U);
    EXPECT_EQ(read("NOOP " + std::string(4092, 'a') + "\r\n", Limits{}), "too_long;");
}

TEST(SmtpCommand, a_bound_for_auth_below_that_of_commands) {
    Limits limits = small_limits();
    limits.smtp_auth_line = 10;
    const std::string line = "NOOP " + std::string(35, 'a') + "\r\n";
    test::at_every_split(line, [&](std::span<const std::string_view> pieces) {
        CommandReader reader(limits);
        std::string unread;
        std::optional<Command> got;
        for (const std::string_view piece : pieces) {
            unread += piece;
            std::string_view in = unread;
            got = reader.next(in);
            unread = std::string(in);
        }
        ASSERT_TRUE(got);
        EXPECT_EQ(got->argument.size(), 35U);
    });
}

TEST(SmtpCommand, a_line_without_an_end_is_thrown_away_as_it_comes) {
    const Limits limits = small_limits();
    for (const std::string_view begun : {"", "NOOP\n"}) {
        CommandReader reader(limits);
        std::string_view first = begun;
        if (!begun.empty()) EXPECT_EQ(render(reader.next(first).value()), "bad_octet; ");
        std::string unread;
        for (int i = 0; i < 10'000; ++i) {
            unread += i % 3 == 0 ? "\r" : "aa";
            std::string_view in = unread;
            ASSERT_FALSE(reader.next(in));
            unread = std::string(in);
            ASSERT_LE(unread.size(), limits.smtp_auth_line + 1);
        }
        unread += "\r\nQUIT\r\n";
        std::string_view in = unread;
        if (begun.empty()) EXPECT_EQ(render(reader.next(in).value()), "too_long; ");
        EXPECT_EQ(render(reader.next(in).value()), "QUIT; ");
        EXPECT_TRUE(in.empty());
    }
}

TEST(SmtpCommand, every_octet_in_an_argument) {
    for (int octet = 0; octet < 256; ++octet) {
        const auto c = static_cast<char>(octet);
        const std::string text = std::string("NOOP a") + c + "b\r\n";
        const bool is_bad = c == '\0' || c == '\r' || c == '\n';
        EXPECT_EQ(read(text), is_bad ? "bad_octet;" : "NOOP " + shown(std::string("a") + c + "b") + ";");
    }
}

TEST(SmtpCommand, every_octet_in_a_verb) {
    for (int octet = 0; octet < 256; ++octet) {
        const auto c = static_cast<char>(octet);
        if (c == '\0' || c == '\r' || c == '\n' || c == ' ') continue;
        const std::string text = std::string("MA") + c + "IL\r\n";
        EXPECT_EQ(read(text), is_alpha(c) ? "MA" + std::string(1, to_upper(c)) + "IL;" : "no_verb;");
    }
}

TEST(SmtpCommand, is_written_as_it_reads) {
    EXPECT_EQ(encode("NOOP"), "NOOP\r\n");
    EXPECT_EQ(encode("MAIL", "FROM:<a@b> SIZE=1"), "MAIL FROM:<a@b> SIZE=1\r\n");
    EXPECT_EQ(encode("EHLO", ""), "EHLO\r\n");
    EXPECT_EQ(read(encode("MAIL", "FROM:<a@b>")), "MAIL \"FROM:<a@b>\";");
}

}  // namespace
}  // namespace sluice::smtp
