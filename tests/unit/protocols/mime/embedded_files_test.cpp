// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/embedded_files.h"

#include "unit/support/binhex.h"
#include "unit/support/mail.h"
#include "unit/support/splits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::mime {
namespace {

// What is found besides the text: "[name] content", those that are another reading with "or".
std::vector<std::string> found(std::span<const std::string_view> pieces) {
    std::vector<std::string> out;
    for (const test::ReadPart& one : test::read_mail(pieces).parts) {
        if (one.part.id == 0) continue;
        EXPECT_TRUE(one.has_ended && one.part.is_attachment && one.part.content_type == "application/octet-stream");
        out.push_back((one.part.is_alternative ? "or " : "") +
                      (one.part.names.empty() ? std::string() : '[' + one.part.names.front() + "] ") + one.data);
    }
    return out;
}

void expect(std::string_view text, const std::vector<std::string>& wanted) {
    SCOPED_TRACE(text);
    test::at_every_split("Subject: x\r\n\r\n" + std::string(text),
                         [&](std::span<const std::string_view> pieces) { ASSERT_EQ(found(pieces), wanted); });
}

TEST(EmbeddedFiles, uuencode) {
    expect("hello\r\nbegin 644 a.txt\r\n%:&5L;&\\\r\n`\r\nend\r\nbye\r\n", {"[a.txt] hello"});
    expect("begin 644 a b.txt\n%:&5L;&\\\n`\nend", {"[a b.txt] hello"});
    expect("begin 644 a\n#86)C\nbegin 644 b\n#86)C\nend\n", {"[a] abc", "[b] abc"});
    expect("begin 0755 /tmp/x.exe\n#86)C", {"[x.exe] abc"});
    expect("begin 644\n#86)C\n", {"abc"});
    expect("BEGIN 644 a\n#86)C\n\n#86)C\n", {"[a] abcabc"});
    expect("begin-base64 644 a\nQUJD\nRA==\n====\nx", {"[a] ABCD"});
}

TEST(EmbeddedFiles, lines_before_the_first_of_a_file) {
    expect("begin 644 a\nsome prose here that is none\nZZ\n\n#86)C\n`\nend\n", {"[a] abc"});
    expect("begin 644 a\nprose\nbegin 644 b\nprose\n#86)C\nend\n", {"[b] abc"});
    std::string prose;
    for (int i = 0; i < 9; ++i) prose += "more words\n";
    expect("begin 644 a\n" + prose + "#86)C\nend\n", {});
    EXPECT_TRUE(test::read_mail("\r\nbegin 644 a\n" + prose).ambiguities.empty());
}

TEST(EmbeddedFiles, uuencode_that_is_said_and_not_there) {
    const std::string head = "MIME-Version: 1.0\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\n";
    const test::ReadMail without = test::read_mail(head + "#86)C\r\n`\r\nend\r\n");
    EXPECT_TRUE(without.has(Ambiguity::bad_transfer_encoding));
    EXPECT_FALSE(without.other_readings.empty());
    EXPECT_FALSE(test::read_mail(head + "begin 644 a\r\n#86)C\r\n`\r\nend\r\n").has(Ambiguity::bad_transfer_encoding));
}

TEST(EmbeddedFiles, its_like) {
    expect("begin 644 x.com\n3O4JgP4w+\nend\n", {"[x.com] hello"});
    expect("=ybegin line=128 size=4 name=a b.bin\r\n\x8b\x8c=\x7d\x8d\r\n=yend size=4\r\n", {"[a b.bin] ab\x13"
                                                                                             "c"});
}

TEST(EmbeddedFiles, binhex) {
    const std::string line = "(This file must be converted with BinHex 4.0)\r\n";
    expect("hello\r\n" + line + test::binhex("a.txt", "content") + "bye\r\n", {"[a.txt] content"});
    expect(line + "\r\nwords\r\n" + test::binhex("a.txt", "", "fork"), {"[a.txt] fork"});
    expect(line + test::binhex("a", "data", "fork") + line + test::binhex("b", "more"), {"[a] data", "[a] fork", "[b] more"});
    expect(test::binhex("a.txt", "content"), {});  // nothing says that it is
    const test::ReadMail said = test::read_mail("Content-Type: application/mac-binhex40\r\n\r\n" + test::binhex("a.txt", "content"));
    ASSERT_EQ(said.parts.size(), 2U);
    EXPECT_EQ(said.parts[1].data, "content");
    EXPECT_TRUE(said.has(Ambiguity::uuencoded));
    EXPECT_TRUE(test::read_mail("\r\n" + line + "It is that simple.\r\n").ambiguities.empty());
}

TEST(EmbeddedFiles, binhex_becomes_no_more_than_it_may) {
    Limits limits;
    limits.mail_expanded = 100'000;
    const std::string line = "(This file must be converted with BinHex 4.0)\r\n";
    const std::string file = line + test::binhex("a", std::string(60'000, 'x'));
    const test::ReadMail one = test::read_mail("\r\n" + file, Reading::usual, limits);
    EXPECT_FALSE(one.has(Ambiguity::too_many));
    const test::ReadMail two = test::read_mail("\r\n" + file + file, Reading::usual, limits);
    EXPECT_TRUE(two.has(Ambiguity::too_many)) << "all of a message together";
    EXPECT_EQ(two.parts[1].data.size(), 60'000U);
    // Readings of one part that are open at once take from one bound.
    const test::ReadMail at_once = test::read_mail(
        "MIME-Version: 1.0\r\nContent-Transfer-Encoding: x\r\nContent-Type: text/plain\r\n\r\n" + file + file, Reading::usual, limits);
    std::size_t size = 0;
    for (const test::ReadPart& part : at_once.parts)
        if (part.part.names == std::vector<std::string>{"a"}) size += part.data.size();
    EXPECT_LE(size, 100'000U);
    EXPECT_TRUE(at_once.has(Ambiguity::too_many));
}

TEST(EmbeddedFiles, prose_is_none) {
    for (const char* text : {"begin 644 words and more\nthis is prose, and no more than that\n", "begin the day\n", "begin 12 x\n#86)C\n",
                             "xbegin 644 a\n#86)C\n", "begin 644 a\n"}) {
        expect(text, {});
        EXPECT_TRUE(test::read_mail("\r\n" + std::string(text)).ambiguities.empty());
    }
}

TEST(EmbeddedFiles, long_lines_are_bounded) {
    const std::string text = "\r\n" + std::string(1U << 20U, 'b') + "\nbegin 644 a\n#86)C\n" + std::string(1U << 20U, 'M') + "\nend\n";
    EXPECT_EQ(test::read_mail(text).parts.size(), 2U);
}

}  // namespace
}  // namespace sluice::mime
