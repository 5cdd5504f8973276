// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/head_guess.h"

#include "unit/support/splits.h"

#include <gtest/gtest.h>

namespace sluice::mime {
namespace {

using Answer = HeadGuess::Answer;

Answer guess(std::string_view text, bool is_expected = false, std::size_t skipped = 0) {
    Answer out = Answer::open;
    test::at_every_split(text, [&](std::span<const std::string_view> pieces) {
        HeadGuess guess(is_expected ? HeadGuess::Expected::by_place : HeadGuess::Expected::no);
        for (const std::string_view piece : pieces) guess.feed(piece);
        const Answer now = guess.finish();
        if (pieces.size() > 1) ASSERT_EQ(now, out);
        EXPECT_EQ(guess.skipped(), skipped);
        out = now;
    });
    return out;
}

TEST(HeadGuess, fields_that_say_how_to_read) {
    EXPECT_EQ(guess("MIME-Version: 1.0\r\n"), Answer::yes);
    EXPECT_EQ(guess("From: a@b\r\nX-Folded: c\r\n d\r\nContent-type : x/y"), Answer::yes);
    EXPECT_EQ(guess("From ann Mon\r\nSubject: x\nCONTENT-TRANSFER-ENCODING:base64"), Answer::yes);
    EXPECT_EQ(guess("\xef\xbb\xbf\r\n\nContent-Type:", false, 6), Answer::yes);
}

TEST(HeadGuess, what_is_none) {
    EXPECT_EQ(guess(""), Answer::no);
    EXPECT_EQ(guess("Hello,\r\nContent-Type: x/y\r\n"), Answer::no);
    EXPECT_EQ(guess("From: a@b\r\nSubject: x\r\n\r\nContent-Type: x/y\r\n"), Answer::no);
    EXPECT_EQ(guess("Content-Type\r\n: x"), Answer::no);
    EXPECT_EQ(guess(": x\r\nContent-Type: x"), Answer::no);
    EXPECT_EQ(guess("See Content-Type: x"), Answer::no);
}

TEST(HeadGuess, where_one_is_expected) {
    EXPECT_EQ(guess("Subject: x\r\n", true), Answer::yes);
    EXPECT_EQ(guess("no field\r\nSubject: x\r\n", true), Answer::yes);
    EXPECT_EQ(guess("no field\r\n\r\nSubject: x\r\n", true), Answer::no);
    EXPECT_EQ(guess("\r\nNote: no head\r\n", true, 2), Answer::no);
    EXPECT_EQ(guess("<?xml version=\"1.0\"?>", true), Answer::no);
}

TEST(HeadGuess, it_is_bounded) {
    std::string fields;
    while (fields.size() < 2 * HeadGuess::looked_at) fields += "name: value\r\n";
    HeadGuess list(HeadGuess::Expected::no);
    EXPECT_EQ(list.feed(fields), Answer::no);
    HeadGuess passed(HeadGuess::Expected::no);
    EXPECT_EQ(passed.feed("Received: x\r\n" + fields), Answer::yes);
    HeadGuess blank(HeadGuess::Expected::no);
    EXPECT_EQ(blank.feed(std::string(2 * HeadGuess::looked_at, '\n')), Answer::no);
}

TEST(HeadGuess, of_a_file_that_is_called_mail) {
    const auto by_name = [](std::string_view text) {
        HeadGuess guess(HeadGuess::Expected::by_name);
        return guess.feed(text);
    };
    EXPECT_EQ(by_name("\r\nSubject: x\r\n"), Answer::yes) << "an empty line before it";
    EXPECT_EQ(by_name("\r\njunk\r\nSubject:"), Answer::yes);
    EXPECT_EQ(by_name("junk\r\n"), Answer::open);
    EXPECT_EQ(by_name(std::string(5000, 'x')), Answer::yes) << "whatever is in it is opened as mail";
}

}  // namespace
}  // namespace sluice::mime
