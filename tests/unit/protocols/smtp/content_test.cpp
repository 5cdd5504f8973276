// SPDX-License-Identifier: Apache-2.0
#include "protocols/smtp/content.h"

#include <gtest/gtest.h>

#include <array>

#include "shown.h"
#include "unit/support/splits.h"

namespace sluice::smtp {
namespace {

using namespace std::string_literals;
using Pieces = std::span<const std::string_view>;

constexpr auto data = ContentReader::Source::data;
constexpr auto bdat = ContentReader::Source::bdat;

struct Read {
    std::string content;
    std::string left;  // behind the end
    bool has_ended = false;
    ContentFault fault = ContentFault::none;
};

void join(const Views& views, std::string& out) {
    for (const std::string_view view : views) out += view;
}

// Each piece in memory of its own, which is gone when the next is fed.
Read read(Pieces pieces, ContentReader::Source source, bool normalises = false, bool is_binary = false) {
    ContentReader reader(source, normalises, is_binary);
    Read out;
    for (const std::string_view piece : pieces) {
        const std::string own(piece);
        std::string_view in = own;
        Views views;
        reader.feed(in, views);
        EXPECT_LE(views.size(), 2 * piece.size());
        join(views, out.content);
        if (!reader.has_ended()) EXPECT_TRUE(in.empty());
        out.left += in;
    }
    if (source == bdat) reader.finish();
    out.has_ended = reader.has_ended();
    out.fault = reader.fault();
    return out;
}

Read read(std::string_view text, ContentReader::Source source, bool normalises = false, bool is_binary = false) {
    return read(Pieces(&text, 1), source, normalises, is_binary);
}

std::string stuff(Pieces pieces) {
    DotStuffer stuffer;
    std::string out;
    for (const std::string_view piece : pieces) {
        const std::string own(piece);
        Views views;
        stuffer.feed(own, views);
        join(views, out);
    }
    return out += stuffer.end();
}

std::string stuff(std::string_view text) { return stuff(Pieces(&text, 1)); }

std::string render(const Read& got) {
    std::string out = shown(got.content);
    switch (got.fault) {
        case ContentFault::none: break;
        case ContentFault::bare_cr: out += " bare_cr"; break;
        case ContentFault::bare_lf: out += " bare_lf"; break;
        case ContentFault::nul: out += " nul"; break;
    }
    if (got.has_ended) out += " ended";
    if (!got.left.empty()) out += " left " + shown(got.left);
    return out;
}

// The end that a server sees is the one at the end, to servers too that take other sequences for it.
void expect_one_end(std::string_view sent) {
    const std::string all = "\r\n" + std::string(sent);  // of the line "DATA"
    EXPECT_EQ(all.find("\r\n.\r\n"), all.size() - 5) << shown(sent);
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (all[i] == '\r') EXPECT_EQ(all.substr(i + 1, 1), "\n") << shown(sent);
        if (all[i] == '\n') EXPECT_TRUE(i > 0 && all[i - 1] == '\r') << shown(sent);
    }
}

// What is stuffed at every cut is the same, ends once, and reads the same again.
void expect_good_on_the_wire(const std::string& content) {
    const std::string sent = stuff(content);
    expect_one_end(sent);
    test::at_every_split(content, [&](Pieces pieces) { EXPECT_EQ(stuff(pieces), sent); });
    const std::string whole = content.empty() || content.ends_with("\r\n") ? content : content + "\r\n";
    for (const bool normalises : {false, true}) {
        const Read again = read(sent, data, normalises);
        EXPECT_EQ(render(again), shown(whole) + " ended");
    }
}

TEST(SmtpContent, wire_cases_at_every_split) {
    const auto cases = wire_cases("content.wire");
    ASSERT_FALSE(cases.empty());
    for (const test::WireCase& wire : cases) {
        SCOPED_TRACE(wire.where);
        std::string normalised = wire.outcome, chunked;
        for (const std::string_view detail : wire.details) {
            if (detail.starts_with("normalised ")) normalised = detail.substr(11);
            if (detail.starts_with("bdat ")) chunked = detail.substr(5);
        }
        test::at_every_split(wire.input, [&](Pieces pieces) {
            EXPECT_EQ(render(read(pieces, data)), wire.outcome);
            EXPECT_EQ(render(read(pieces, data, true)), normalised);
            if (!chunked.empty()) EXPECT_EQ(render(read(pieces, bdat)), chunked);
        });
        for (const bool normalises : {false, true})
            if (const Read got = read(wire.input, data, normalises); got.fault == ContentFault::none && got.has_ended)
                expect_good_on_the_wire(got.content);
        if (testing::Test::HasFailure()) FAIL() << "stopped at the first case that failed";
    }
}

constexpr std::array<std::string_view, 19> smuggling{{
    "\n.\n",
    "\r.\r",
    "\r.\n",
    "\n.\r",
    "\n.\r\n",
    "\r\n.\n",
    "\r.\r\n",
    "\r\n.\r",
    {"\r\n\0.\r\n", 6},
    {"\r\n.\0\r\n", 6},
    "\r\n.\r\r\n",
    "\r\r\n.\r\r\n",
    "\n\n.\r\n",
    "\n.\n\r\n",
    "\r\r.\r\n",
    "\n\r.\r\n",
    "\r\n.\n\r\n",
    {"\r\0\n.\r\n", 6},
    {"\r\n.\r\0\n", 6},
}};
constexpr std::string_view smuggled = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx";

TEST(SmtpContent, nothing_is_smuggled_in) {
    for (const std::string_view sequence : smuggling) {
        const std::string text = "a" + std::string(sequence) + std::string(smuggled) + "\r\n.\r\nQUIT\r\n";
        SCOPED_TRACE(shown(sequence));
        test::at_every_split(text, [&](Pieces pieces) {
            for (const bool normalises : {false, true}) {
                const Read got = read(pieces, data, normalises);
                EXPECT_TRUE(got.has_ended);
                EXPECT_EQ(got.left, "QUIT\r\n");
                if (!normalises) EXPECT_NE(got.fault, ContentFault::none);
                // What came before the fault is all that came out.
                if (got.fault != ContentFault::none) EXPECT_FALSE(got.content.contains("MAIL"));
                else EXPECT_TRUE(got.content.ends_with(std::string(smuggled) + "\r\n"));
            }
        });
    }
}

TEST(SmtpContent, nothing_is_smuggled_in_behind_chunks) {
    for (const std::string_view sequence : smuggling) {
        const std::string text = "a" + std::string(sequence) + std::string(smuggled) + "\r\n.\r\n";
        test::at_every_split(text, [&](Pieces pieces) { EXPECT_NE(read(pieces, bdat).fault, ContentFault::none); });
    }
}

TEST(SmtpContent, nothing_is_smuggled_out) {
    for (const std::string_view first : smuggling) {
        for (const std::string_view second : smuggling) {
            const std::string text = std::string(first) + std::string(second) + std::string(smuggled);
            SCOPED_TRACE(shown(text));
            for (const auto source : {data, bdat}) {
                const Read got = read(source == data ? text + "\r\n.\r\n" : text, source, true);
                if (got.fault == ContentFault::none) expect_good_on_the_wire(got.content);
            }
        }
    }
}

// Every text of six octets out of those that matter, through either verb, as it is and normalised.
TEST(SmtpContent, all_short_texts) {
    constexpr std::array octets{'\r', '\n', '.', 'a', '\0'};
    std::size_t sent = 0;
    for (std::size_t number = 0; number < 5 * 5 * 5 * 5 * 5 * 5; ++number) {
        std::string text;
        for (std::size_t rest = number, i = 0; i < 6; ++i, rest /= 5) text += octets[rest % 5];
        for (const bool normalises : {false, true}) {
            const std::string wire = text + "\r\n.\r\nQUIT\r\n";
            const std::string all = "\r\n" + wire;
            const Read got = read(wire, data, normalises);
            ASSERT_TRUE(got.has_ended);
            ASSERT_EQ(got.left, all.substr(all.find("\r\n.\r\n") + 5)) << shown(text);
            if (!normalises && text.contains('\0')) ASSERT_TRUE(got.fault != ContentFault::none || got.left.contains('\0'));
            const Read chunk = read(text, bdat, normalises);
            for (const Read* content : {&got, &chunk}) {
                if (content->fault != ContentFault::none) continue;
                ++sent;
                const std::string out = stuff(content->content);
                expect_one_end(out);
                ASSERT_EQ(read(out, data).content,
                          content->content + (content->content.empty() || content->content.ends_with("\r\n") ? "" : "\r\n"));
            }
            if (!normalises && chunk.fault == ContentFault::none) ASSERT_EQ(chunk.content, text);
        }
        if (testing::Test::HasFailure()) FAIL() << shown(text);
    }
    EXPECT_GT(sent, 1000U);
}

TEST(SmtpContent, long_texts_with_something_odd_anywhere) {
    const std::string line(70, 'a');
    std::string text;
    for (int i = 0; i < 3; ++i) text += line + "\r\n";
    for (std::size_t at = 0; at <= text.size(); ++at) {
        for (const char odd : {'\r', '\n', '\0'}) {
            std::string broken = text;
            broken.insert(at, 1, odd);
            const Read got = read(broken + "b\r\n.\r\n", data);
            EXPECT_NE(got.fault, ContentFault::none) << at;
            EXPECT_TRUE(got.has_ended);
            EXPECT_TRUE(text.starts_with(got.content)) << at;
        }
    }
    EXPECT_EQ(read(text + ".\r\n", data).content, text);
}

TEST(SmtpContent, views_are_few_and_of_what_was_fed) {
    std::string text;
    for (int i = 0; i < 1000; ++i) text += std::string(76, 'a') + "\r\n";
    ContentReader reader(data, false, false);
    std::string_view in = text;
    Views views;
    reader.feed(in, views);
    ASSERT_EQ(views.size(), 1U);
    EXPECT_EQ(views.front().data(), text.data());
    DotStuffer stuffer;
    Views out;
    stuffer.feed(text, out);
    ASSERT_EQ(out.size(), 1U);
    EXPECT_EQ(out.front().data(), text.data());
}

TEST(SmtpContent, binary_is_of_chunks_alone) {
    const std::string text = "\r\n.\r\n\0\r\r\n\n.\xff"s;
    test::at_every_split(text, [&](Pieces pieces) {
        const Read got = read(pieces, bdat, true, true);
        EXPECT_EQ(got.content, text);
        EXPECT_EQ(got.fault, ContentFault::none);
        EXPECT_FALSE(got.has_ended);
    });
    EXPECT_TRUE(read("a\r\n.\r\n", data, false, true).has_ended);
}

TEST(SmtpContent, stuffing) {
    EXPECT_EQ(stuff(""), ".\r\n");
    EXPECT_EQ(stuff("a"), "a\r\n.\r\n");
    EXPECT_EQ(stuff("."), "..\r\n.\r\n");
    EXPECT_EQ(stuff(".\r\n"), "..\r\n.\r\n");
    EXPECT_EQ(stuff("\r\n.\r\n"), "\r\n..\r\n.\r\n");
    EXPECT_EQ(stuff("a.\r\n.b\r\n..\r\nc"), "a.\r\n..b\r\n...\r\nc\r\n.\r\n");
}

TEST(SmtpChunk, arguments) {
    const auto shown_chunk = [](std::string_view argument) -> std::string {
        const auto chunk = parse_chunk(argument);
        return chunk ? std::to_string(chunk->size) + (chunk->is_last ? " LAST" : "") : "none";
    };
    for (const std::string_view good : {"0", "1", "86", "0 LAST", "1000000 LAST", "18446744073709551615", "18446744073709551615 LAST"})
        EXPECT_EQ(shown_chunk(good), good);
    EXPECT_EQ(shown_chunk("5 last"), "5 LAST");
    EXPECT_EQ(shown_chunk("5   Last"), "5 LAST");
    EXPECT_EQ(shown_chunk("0005"), "5");
    EXPECT_EQ(shown_chunk("00000000000000000005"), "5");
    for (const std::string_view bad : {"",
                                       " ",
                                       "LAST",
                                       "-1",
                                       "+1",
                                       "1x",
                                       "0x10",
                                       "1e3",
                                       "1.0",
                                       "1,0",
                                       "18446744073709551616",
                                       "18446744073709551616 LAST",
                                       "99999999999999999999",
                                       "36893488147419103237",
                                       "000000000000000000005",
                                       "5 LASTX",
                                       "5 LA",
                                       "5LAST",
                                       "5 6",
                                       "5 LAST LAST",
                                       "5\tLAST",
                                       " 5",
                                       "5 ",
                                       "\xd9\xa1"})
        EXPECT_EQ(shown_chunk(bad), "none") << bad;
    EXPECT_FALSE(parse_chunk("5\0"s));
    EXPECT_FALSE(parse_chunk("5 LAST\0"s));
}

}  // namespace
}  // namespace sluice::smtp
