// SPDX-License-Identifier: Apache-2.0
#include "app/terminal_text.h"

#include <gtest/gtest.h>
#include <boost/json.hpp>

namespace sluice::app {
namespace {

using std::literals::operator""sv;

TEST(TerminalText, what_can_be_read_stays) {
    for (const std::string_view text :
         {"", "report.pdf", "R\xc3\xa9sum\xc3\xa9 \xe2\x82\xac.docx", "\xe6\x97\xa5\xe6\x9c\xac.exe", "\xf0\x9f\x98\x80"})
        EXPECT_EQ(for_terminal(text), text);
}

TEST(TerminalText, nothing_drives_the_terminal) {
    EXPECT_EQ(for_terminal("a\x1b[2Jb\r\n\t\0\x7f"sv), "a\\x1b[2Jb\\x0d\\x0a\\x09\\x00\\x7f");
    EXPECT_EQ(for_terminal("\xc2\x9b"
                           "2J"),
              "\\u{9b}2J");                // C1's CSI
    EXPECT_EQ(for_terminal("\x9b"
                           "2J"),
              "\\x9b2J");                      // the same as a byte alone
    EXPECT_EQ(for_terminal("invoice\xe2\x80\xae"
                           "fdp.exe"),
              "invoice\\u{202e}fdp.exe");
    EXPECT_EQ(for_terminal("a\xe2\x80\x8b.\xef\xbb\xbf\xf3\xa0\x81\x81"), "a\\u{200b}.\\u{feff}\\u{e0041}");
    EXPECT_EQ(for_terminal("\\x1b"), "\\\\x1b");                         // one that only looks escaped
}

TEST(TerminalText, what_is_no_utf8_is_shown_byte_by_byte) {
    EXPECT_EQ(for_terminal("\xff\xc0\xaf"), "\\xff\\xc0\\xaf");
    EXPECT_EQ(for_terminal("\xe2\x82"), "\\xe2\\x82");
    EXPECT_EQ(for_terminal("\xed\xa0\x80"), "\\xed\\xa0\\x80");          // a surrogate
    EXPECT_EQ(for_terminal("\xe0\x80\x9b"), "\\xe0\\x80\\x9b");          // overlong
    EXPECT_EQ(for_terminal("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
}

TEST(TerminalText, every_control_is_escaped) {
    for (unsigned c = 0; c < 0xa0; ++c) {
        if (c >= 0x20 && c < 0x7f) continue;
        const std::string raw = c < 0x80 ? std::string(1, static_cast<char>(c)) : std::string("\xc2") + static_cast<char>(c);
        EXPECT_NE(for_terminal(raw), raw) << c;
        for (const char shown : for_terminal(raw)) EXPECT_TRUE(shown >= 0x20 && shown < 0x7f) << c;
    }
}

TEST(TerminalCell, has_its_width) {
    EXPECT_EQ(terminal_cell("ab", 4), "ab  ");
    EXPECT_EQ(terminal_cell("abcd", 4), "abcd");
    EXPECT_EQ(terminal_cell("abcde", 4), "abc\xe2\x80\xa6");
    EXPECT_EQ(terminal_cell("\xc3\xa9\xc3\xa9", 3), "\xc3\xa9\xc3\xa9 ");
    EXPECT_EQ(terminal_cell("\xe6\x97\xa5\xe6\x9c\xac", 4), "\xe6\x97\xa5\xe6\x9c\xac");     // two columns each
    EXPECT_EQ(terminal_cell("\xe6\x97\xa5\xe6\x9c\xac", 3), "\xe6\x97\xa5\xe2\x80\xa6");
    EXPECT_EQ(terminal_cell("\xe6\x97\xa5\xe6\x9c\xac", 2), "\xe2\x80\xa6 ");
    EXPECT_EQ(terminal_cell("e\xcc\x81x", 2), "e\xcc\x81x");             // an accent has none of its own
    EXPECT_EQ(terminal_cell("ab\x1b", 5), "ab\xe2\x80\xa6  ");           // not in the middle of an escape
    EXPECT_EQ(terminal_cell("xyz", 1), "\xe2\x80\xa6");
    EXPECT_EQ(terminal_width("ab\x1b"), 6U);
}

TEST(TerminalJson, says_the_same) {
    const std::string text = "\x7f \xc2\x9b \xe2\x80\xae \xf3\xa0\x81\x81 \xc3\xa9 \" \\ \n";
    const std::string shown = json_for_terminal(boost::json::serialize(boost::json::value(text)));
    EXPECT_EQ(shown, "\"\\u007f \\u009b \\u202e \\udb40\\udc41 \xc3\xa9 \\\" \\\\ \\n\"");
    EXPECT_EQ(boost::json::parse(shown).as_string(), text);
    EXPECT_EQ(json_for_terminal("\"\xff\""), "\"\\ufffd\"");
}

}  // namespace
}  // namespace sluice::app
