// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/encoded_word.h"

#include "protocols/mime/charset.h"

#include <gtest/gtest.h>

namespace sluice::mime {
namespace {

TEST(EncodedWord, is_undone) {
    const auto text = [](std::string_view in) {
        const DecodedWords got = decode_words(in);
        EXPECT_FALSE(got.is_broken) << in;
        return got.text;
    };
    EXPECT_EQ(text("plain"), "plain");
    EXPECT_EQ(text("=?utf-8?Q?a_b=3D?= c"), "a b= c");
    EXPECT_EQ(text("=?UTF-8?b?w7w=?="), "\xc3\xbc");
    EXPECT_EQ(text("x =?iso-8859-1?q?=FC?= y"), "x \xc3\xbc y");
    EXPECT_EQ(text("=?utf-8?Q?a?= \r\n =?utf-8?Q?b?="), "ab");
    EXPECT_EQ(text("=?utf-8?Q?=C3?= =?utf-8?Q?=BC?="), "\xc3\xbc") << "a character cut in two";
    EXPECT_EQ(text("=?utf-8*en?Q?a?="), "a");
    EXPECT_EQ(text("=?utf-8?Q?with blanks?="), "with blanks");
    EXPECT_EQ(text("=?utf-8?Q?\?="), "");
    EXPECT_EQ(text("(=?utf-8?Q?a?=)"), "(a)");
    EXPECT_EQ(text("=?x-unknown?Q?a.exe=E9?="), "a.exe\xef\xbf\xbd");
    EXPECT_EQ(text("raw \xfc"), "raw \xc3\xbc");
}

TEST(EncodedWord, that_is_none_stays) {
    for (const char* broken :
         {"=?", "=?utf-8", "=?utf-8?B", "=?utf-8?B?", "=?utf-8?B?QQ==", "=?utf-8?X?QQ==?=", "=?\?Q?a?=", "a =?b c?Q?d?="}) {
        const DecodedWords got = decode_words(broken);
        EXPECT_EQ(got.text, broken);
        EXPECT_TRUE(got.is_broken) << broken;
        EXPECT_FALSE(got.has_words);
    }
    EXPECT_TRUE(decode_words("=?utf-8?B?QQ.=?=").is_broken);
    EXPECT_TRUE(decode_words("=?utf-8?Q?=4?=").is_broken);
}

TEST(EncodedWord, many_beginnings_take_no_longer) {
    std::string text;
    while (text.size() < (1U << 20U)) text += "=?a?Q?x";
    EXPECT_TRUE(decode_words(text).text == text);
    EXPECT_FALSE(decode_words(text + "?=").text.empty());
}

TEST(Charset, to_utf8) {
    EXPECT_EQ(to_utf8("a\xc3\xbc", "utf-8"), "a\xc3\xbc");
    EXPECT_EQ(to_utf8("a\xc3", "utf-8"), "a\xef\xbf\xbd");
    EXPECT_EQ(to_utf8("\xed\xa0\x80", "utf-8"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd") << "a surrogate";
    EXPECT_EQ(to_utf8("\xc0\xae", "utf-8"), "\xef\xbf\xbd\xef\xbf\xbd") << "an overlong dot";
    EXPECT_EQ(to_utf8("\x80", "windows-1252"), "\xe2\x82\xac");
    EXPECT_EQ(to_utf8("+AC4-exe +-", "utf-7"), ".exe +");
    EXPECT_EQ(to_utf8(std::string_view("a\0.\0", 4), "utf-16le"), "a.");
    EXPECT_EQ(to_utf8(std::string_view("\xfe\xff\0a\xd8\x3d\xde\0\xd8", 9), "utf-16"), "a\xf0\x9f\x98\x80");
    EXPECT_EQ(to_utf8("\xf4\xc5", "KOI8-R"), "\xd0\xa2\xd0\xb5");
    EXPECT_EQ(to_utf8("\xd2\xe5", "windows-1251"), "\xd0\xa2\xd0\xb5");
    EXPECT_EQ(to_utf8("\xa4\x80", "iso-8859-15"), "\xe2\x82\xac\xc2\x80");
    EXPECT_EQ(to_utf8("\x83"
                      "a.exe",
                      "shift_jis"),
              "\xef\xbf\xbd"
              "a.exe");
    EXPECT_EQ(to_utf8("a\x1b(Jb\x1b$)C\x0e\x0f"
                      "c\x1b(B\x1b",
                      "ISO_2022-JP"),
              "abc");
    EXPECT_EQ(to_utf8("a~{~}b~~~", "hz-gb-2312"), "ab~~");
    EXPECT_EQ(to_utf8("+AC4-exe", "csUTF7"), ".exe");
    EXPECT_EQ(to_utf8(std::string_view("\0\0\0a\0\x11\0\0", 8), "utf-32"), "a\xef\xbf\xbd");
    EXPECT_EQ(to_utf8(std::string_view("a\0.\0", 4), "utf-16", CharsetReading::turned), "a.");
    EXPECT_EQ(to_utf8(std::string_view("\xfe\xff\0a", 4), "utf-16le"), "a");
    EXPECT_EQ(to_utf8("a.exe", "utf-16", CharsetReading::unknown), "a.exe");
    std::string text = "a\xe2\x82\xac";
    cut_utf8(text, 3);
    EXPECT_EQ(text, "a");
}

TEST(Charset, that_may_hide_ascii) {
    for (const char* known :
         {"", "utf-8", "us-ascii", "ISO_8859-15:1999", "windows-1251", "cp850", "IBM437", "GB18030", "x-gbk", "big5", "euc-kr", "Shift_JIS",
          "ks_c_5601-1987", "iso-2022-jp", "hz-gb-2312", "UTF-16", "unknown-8bit", "x-unknown", "csISOLatin1"})
        EXPECT_TRUE(keeps_ascii(known)) << known;
    for (const char* other : {"cp037", "IBM037", "ibm-1047", "cp500", "cp1140", "ebcdic-cp-us", "x-secret"})
        EXPECT_FALSE(keeps_ascii(other)) << other;
    EXPECT_TRUE(decode_words("=?cp037?b?goGE?=").is_broken);
    EXPECT_EQ(decode_words("=?iso-2022-jp?q?for=1B(Jbidden=1B(B?=").text, "forbidden");
    EXPECT_EQ(decode_words("=?utf-16?b?YQAuAA==?= =?utf-8?q?b?=").others.at(0), "a.b");
    EXPECT_TRUE(decode_words("=?utf-8?q?b?=").others.empty());
}

}  // namespace
}  // namespace sluice::mime
