// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>

namespace sluice {
namespace {

using testing::ElementsAre;

TEST(Text, ascii_alone_has_case) {
    EXPECT_EQ(lower("AbZ[@\xc4"), "abz[@\xc4");
    EXPECT_TRUE(equals_ignoring_case("Host", "hOST"));
    EXPECT_FALSE(equals_ignoring_case("a", "ab"));
    EXPECT_FALSE(equals_ignoring_case("[", "{"));
    EXPECT_TRUE(equals_ignoring_case("", ""));
}

TEST(Text, file_extensions) {
    EXPECT_EQ(file_extension("a.b.EXE"), "exe");
    EXPECT_EQ(file_extension("a.exe. ."), "exe") << "as Windows has it";
    EXPECT_EQ(file_extension("a.exe "), "exe");
    for (const std::string_view none : {"", "a", "a.", ".a", "...", " "}) EXPECT_EQ(file_extension(none), "") << none;
}

TEST(Text, hexadecimal_digits) {
    for (int c = 0; c < 256; ++c) {
        const std::size_t at = std::string_view("0123456789abcdefABCDEF").find(static_cast<char>(c));
        const int value = at == std::string_view::npos ? -1 : static_cast<int>(at < 16 ? at : at - 6);
        EXPECT_EQ(hex_value(static_cast<char>(c)), value) << c;
    }
}

TEST(Text, trims_spaces_and_tabs) {
    EXPECT_EQ(trim(" \t a b\t "), "a b");
    EXPECT_EQ(trim(" \t "), "");
    EXPECT_EQ(trim("\ra\n"), "\ra\n");
}

TEST(Text, splits) {
    EXPECT_THAT(split("a,,b,", ','), ElementsAre("a", "", "b", ""));
    EXPECT_THAT(split("", ','), ElementsAre(""));
}

TEST(Text, decimals) {
    EXPECT_EQ(parse_decimal<std::uint16_t>("65535"), 65535);
    EXPECT_EQ(parse_decimal<int>("007"), 7);
    EXPECT_EQ(parse_decimal<std::int64_t>("9223372036854775807"), INT64_MAX);
    for (const std::string_view bad : {"", "-1", "+1", " 1", "1 ", "1.0", "0x1", "a"})
        EXPECT_EQ(parse_decimal<int>(bad), std::nullopt) << bad;
    EXPECT_EQ(parse_decimal<std::uint16_t>("65536"), std::nullopt);
    EXPECT_EQ(parse_decimal<std::int64_t>("9223372036854775808"), std::nullopt);
}

TEST(Text, list_elements) {
    const auto elements = [](std::string_view list) {
        std::vector<std::string> out;
        for_each_list_element(list, [&](std::string_view each) { out.emplace_back(each); });
        return out;
    };
    EXPECT_THAT(elements("a, b ,c"), ElementsAre("a", "b", "c"));
    EXPECT_THAT(elements(",, a ,,\t,"), ElementsAre("a"));
    EXPECT_THAT(elements(R"(a="x,y", b)"), ElementsAre(R"(a="x,y")", "b"));
    EXPECT_THAT(elements(R"("\",", b)"), ElementsAre(R"("\",")", "b"));
    EXPECT_THAT(elements(R"(a, "b\)"), ElementsAre("a", R"("b\)"));
    EXPECT_THAT(elements(R"(a, "b, c)"), ElementsAre("a", R"("b, c)"));
    EXPECT_THAT(elements(""), ElementsAre());
}

TEST(Text, the_nearest_name) {
    const std::string_view names[] = {"url.domain", "url.path", "client.ip"};
    EXPECT_EQ(nearest_name("url.domian", names), "url.domain");
    EXPECT_EQ(nearest_name("client.IP", names), "client.ip");
    EXPECT_EQ(nearest_name("something.else", names), "");
}

}  // namespace
}  // namespace sluice
