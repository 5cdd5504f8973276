// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/tnef_reader.h"

#include "unit/support/mail.h"
#include "unit/support/splits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::mime {
namespace {

using testing::ElementsAre;

std::string number(std::uint32_t value, std::size_t octets = 4) {
    std::string out;
    for (std::size_t i = 0; i < octets; ++i) out += static_cast<char>(value >> (8 * i));
    return out;
}
std::string padded(std::string text) {
    text.resize((text.size() + 3) / 4 * 4);
    return text;
}
std::string property(std::uint32_t type, std::uint32_t id, const std::string& value) {
    return number(type, 2) + number(id, 2) + number(1) + number(static_cast<std::uint32_t>(value.size())) + padded(value);
}
std::string attribute(char level, std::uint32_t id, const std::string& value) {
    return level + number(id) + number(static_cast<std::uint32_t>(value.size())) + value;
}
std::string attribute_of(std::uint32_t id, const std::string& value) { return attribute('\2', id, value) + std::string(2, '\0'); }
const std::string begin = std::string(TnefReader::signature) + "\1" + std::string(1, '\0');
const std::string rendering = attribute_of(0x00069002, std::string(14, '\1'));

std::string utf16(std::string_view text) {
    std::string out;
    for (const char c : text) out.append(1, c).append(1, '\0');
    return out;
}

const std::string long_name = number(3) + number(3, 2) + number(0x3705, 2) + number(1) +
                              property(0x1f, 0x3707, utf16("long name.exe") + std::string(2, '\0')) + number(0x1e, 2) + number(0x8001, 2) +
                              std::string(16, 'g') + number(1) + number(6) + padded("a\1b\1c\1") + number(1) + number(3) + padded("abc");

std::string one_file() {
    return begin + attribute_of(0x00089006, number(0x10000)) + rendering + attribute_of(0x0006800f, "MZ content") +
           attribute_of(0x00018010, "LONGN~1.EXE" + std::string(1, '\0')) + attribute_of(0x00069005, long_name);
}

std::string message(const std::string& tnef, std::string_view type = "application/ms-tnef") {
    return "MIME-Version: 1.0\r\nContent-Type: " + std::string(type) + "\r\nContent-Transfer-Encoding: binary\r\n\r\n" + tnef;
}

TEST(TnefReader, an_attachment) {
    test::at_every_split(message(one_file()), [](std::span<const std::string_view> pieces) {
        const test::ReadMail got = test::read_mail(pieces);
        ASSERT_EQ(got.parts.size(), 2U);
        EXPECT_EQ(got.parts[0].data, one_file());
        EXPECT_EQ(got.parts[1].data, "MZ content");
        EXPECT_THAT(got.parts[1].part.names, ElementsAre("long name.exe", "LONGN~1.EXE"));
        EXPECT_TRUE(got.parts[1].part.is_attachment);
        EXPECT_TRUE(got.ambiguities.empty());
    });
}

TEST(TnefReader, by_its_signature_alone) {
    EXPECT_EQ(test::read_mail(message(one_file(), "application/octet-stream")).parts.size(), 2U);
    EXPECT_EQ(test::read_mail(message(one_file(), "text/plain")).parts.size(), 2U);
}

TEST(TnefReader, several_and_one_within_another) {
    const std::string two = one_file() + rendering + attribute_of(0x0006800f, "second") + attribute_of(0x00018010, "b.txt");
    EXPECT_EQ(test::read_mail(message(two)).parts.size(), 3U);
    const std::string object = number(1) + property(0x0d, 0x3701, std::string(16, 'i') + one_file());
    const test::ReadMail nested = test::read_mail(message(begin + rendering + attribute_of(0x00069005, object)));
    ASSERT_EQ(nested.parts.size(), 3U);
    EXPECT_EQ(nested.parts[1].data, one_file());
    EXPECT_EQ(nested.parts[2].data, "MZ content");
}

std::string with_properties(const std::vector<std::string>& properties, std::string_view title = "good.txt") {
    std::string all = number(static_cast<std::uint32_t>(properties.size()));
    for (const std::string& one : properties) all += one;
    return begin + rendering + attribute_of(0x0006800f, "x") + attribute_of(0x00018010, std::string(title) + '\0') +
           attribute_of(0x00069005, all);
}

std::vector<std::string> names_of(const std::string& tnef) {
    const test::ReadMail got = test::read_mail(message(tnef));
    EXPECT_EQ(got.parts.size(), 2U);
    EXPECT_TRUE(got.ambiguities.empty());
    return got.parts.back().part.names;
}

TEST(TnefReader, every_name) {
    const auto text = [](std::uint32_t id, const std::string& value) { return property(0x1e, id, value + '\0'); };
    EXPECT_THAT(names_of(with_properties({text(0x3001, "bad.exe")})), ElementsAre("good.txt", "bad.exe"));
    EXPECT_THAT(names_of(with_properties({text(0x3704, "bad.exe"), text(0x3001, "c")})), ElementsAre("good.txt", "bad.exe", "c"));
    EXPECT_THAT(names_of(with_properties({text(0x3703, ".exe")})), ElementsAre("good.txt", "good.exe"));
    EXPECT_THAT(names_of(with_properties({text(0x3703, ".TXT")})), ElementsAre("good.txt"));
    EXPECT_THAT(names_of(with_properties({text(0x3707, "bad.exe"), text(0x3707, "b.txt")})), ElementsAre("bad.exe", "b.txt", "good.txt"));
    const std::string several =
        number(0x101f, 2) + number(0x3707, 2) + number(2) + number(2) + padded(utf16("a")) + number(6) + padded(utf16("b.c"));
    EXPECT_THAT(names_of(with_properties({several})), ElementsAre("a", "b.c", "good.txt"));
    std::vector<std::string> many;
    for (int i = 0; i < 100; ++i) many.push_back(text(0x3707, std::to_string(i)));
    EXPECT_LE(names_of(with_properties(many)).size(), Limits().header_parameters);
}

TEST(TnefReader, a_property_without_a_value) {
    const std::string null = number(1, 2) + number(0x3001, 2);
    EXPECT_THAT(names_of(with_properties({null, property(0x1e, 0x3707, "bad.exe")})), ElementsAre("bad.exe", "good.txt"));
}

TEST(TnefReader, an_object_and_what_shows_it) {
    const std::string object = property(0x0d, 0x3701, std::string(16, 'i') + "object");
    const test::ReadMail got = test::read_mail(message(with_properties({object, property(0x1e, 0x3707, "a.doc")})));
    ASSERT_EQ(got.parts.size(), 3U);
    EXPECT_EQ(got.parts[1].data, "x");
    EXPECT_EQ(got.parts[2].data, "object");
    for (const std::size_t i : {1U, 2U}) EXPECT_THAT(got.parts[i].part.names, ElementsAre("a.doc", "good.txt"));
    EXPECT_TRUE(got.ambiguities.empty());
    EXPECT_TRUE(test::read_mail(message(with_properties({object, object}))).has(Ambiguity::bad_tnef));
}

TEST(TnefReader, too_deep) {
    std::string tnef = one_file();
    for (int i = 0; i < 40; ++i) tnef = begin + rendering + attribute_of(0x0006800f, tnef);
    EXPECT_TRUE(test::read_mail(message(tnef)).has(Ambiguity::too_deep));
}

TEST(TnefReader, what_is_broken) {
    const auto is_bad = [](const std::string& tnef) { return test::read_mail(message(tnef)).has(Ambiguity::bad_tnef); };
    EXPECT_FALSE(is_bad(one_file()));
    EXPECT_FALSE(is_bad(begin));
    EXPECT_TRUE(is_bad("no TNEF"));
    EXPECT_TRUE(is_bad(begin + attribute('\3', 0x00018010, "x")));
    EXPECT_TRUE(is_bad(begin + rendering + attribute_of(0x00069005, number(1) + number(0x77, 2) + number(1, 2))))
        << "a type without a size";
    EXPECT_TRUE(is_bad(begin + rendering + attribute_of(0x0006800f, "a") + attribute_of(0x0006800f, "b"))) << "two contents";
    for (std::size_t cut = begin.size() + 1; cut < one_file().size() - 1; cut += 7) test::read_mail(message(one_file().substr(0, cut)));
    EXPECT_TRUE(is_bad(one_file().substr(0, one_file().size() - 5)));
}

}  // namespace
}  // namespace sluice::mime
