// SPDX-License-Identifier: Apache-2.0
#include "audit/json.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <memory>
#include <random>
#include <string>

namespace sluice::audit {
namespace {

using namespace std::string_literals;

// Exactly the room that is promised to be enough, so that the sanitizer sees a byte too much; the input too is exactly as long as it says.
std::string escaped(std::string_view text) {
    const auto input = std::make_unique<char[]>(text.size());
    text.copy(input.get(), text.size());
    const std::size_t room = escaped_size(text.size()) + json_slack;
    const auto out = std::make_unique<char[]>(room);
    const char* end = put_escaped(out.get(), {input.get(), text.size()});
    return {static_cast<const char*>(out.get()), end};
}

TEST(Json, controls_quotes_and_backslashes_are_escaped) {
    EXPECT_EQ(escaped("a\"b\\c"), R"(a\"b\\c)");
    EXPECT_EQ(escaped("\n\r\t\x01\x1f\0"s), R"(\n\r\t\u0001\u001f\u0000)");
    EXPECT_EQ(escaped("\x7f/'<>"), "\x7f/'<>");
}

TEST(Json, c1_controls_cannot_drive_a_terminal) {
    EXPECT_EQ(escaped("\xc2\x9b"
                      "31m \xc2\xa0"),
              "\\u009b31m \xc2\xa0");
}

TEST(Json, utf8_passes) {
    for (const std::string_view text : {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x99\x82", "\xed\x9f\xbf", "\xee\x80\x80", "\xf4\x8f\xbf\xbf"})
        EXPECT_EQ(escaped(text), text);
}

TEST(Json, what_is_not_utf8_becomes_replacement_characters) {
    const std::string bad = "\xef\xbf\xbd";
    EXPECT_EQ(escaped("\x80"), bad);
    EXPECT_EQ(escaped("\xff"
                      "a"),
              bad + "a");
    EXPECT_EQ(escaped("\xc0\xaf"), bad + bad);                      // overlong "/"
    EXPECT_EQ(escaped("\xe0\x80\xaf"), bad + bad + bad);
    EXPECT_EQ(escaped("\xed\xa0\x80"), bad + bad + bad);            // a surrogate
    EXPECT_EQ(escaped("\xf4\x90\x80\x80"), bad + bad + bad + bad);  // beyond U+10FFFF
    EXPECT_EQ(escaped("\xe2\x82"), bad + bad);                      // cut
    EXPECT_EQ(escaped("\xe2\x82\""), bad + bad + "\\\"");          // cut by a quote, which must not be eaten
    EXPECT_EQ(escaped("\xf0\x9f\x99"), bad + bad + bad);
}

// The fast path looks at blocks: every special character at every place of texts of every length up to some blocks.
TEST(Json, every_special_at_every_position) {
    const std::pair<std::string, std::string> specials[] = {{"\"", "\\\""},         {"\\", "\\\\"},           {"\x1f", "\\u001f"},
                                                            {"\n", "\\n"},          {"\xc3\xa9", "\xc3\xa9"}, {"\xff", "\xef\xbf\xbd"},
                                                            {"\xc2\x85", "\\u0085"}};
    std::string plain;
    for (int i = 0; i < 70; ++i) plain += static_cast<char>('a' + i % 26);
    for (std::size_t size = 0; size <= plain.size(); ++size) {
        const std::string text = plain.substr(0, size);
        ASSERT_EQ(escaped(text), text);
        for (const auto& [special, shown] : specials) {
            for (std::size_t at = 0; at <= size; ++at) {
                ASSERT_EQ(escaped(text.substr(0, at) + special + text.substr(at)), text.substr(0, at) + shown + text.substr(at))
                    << size << " " << at;
                ASSERT_EQ(escaped(special + text.substr(0, at) + special + text.substr(at)),
                          shown + text.substr(0, at) + shown + text.substr(at));
            }
        }
    }
}

TEST(Json, random_bytes_are_valid_json_and_plain_ones_come_back) {
    std::mt19937 random(1);
    for (int round = 0; round < 20'000; ++round) {
        std::string text(random() % 80, '\0');
        const bool any_byte = round % 2 == 0;
        for (char& c : text) c = static_cast<char>(any_byte ? random() % 256 : random() % 128);
        const auto parsed = nlohmann::json::parse("\"" + escaped(text) + "\"");
        if (!any_byte) ASSERT_EQ(parsed.get<std::string>(), text);
    }
}

TEST(Json, numbers) {
    char room[number_size];
    EXPECT_EQ(std::string_view(room, put_number(room, std::uint64_t{18446744073709551615U})), "18446744073709551615");
    EXPECT_EQ(std::string_view(room, put_number(room, std::int64_t{INT64_MIN})), "-9223372036854775808");
    EXPECT_EQ(std::string_view(room, put_number(room, 0)), "0");
}

}  // namespace
}  // namespace sluice::audit
