// SPDX-License-Identifier: Apache-2.0
#include "inspect/signatures/signature_file.h"

#include <gmock/gmock.h>

#include <fstream>
#include <iterator>
#include <string>

#include "inspect/signatures/pattern_stream.h"

namespace sluice::inspect {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

std::string faults_of(const std::string& text, const Limits& limits = {}) {
    Diagnostics faults;
    parse_signature_file("s.toml", text, limits, faults);
    std::string out;
    for (const Diagnostic& fault : faults) out += to_string(fault);
    return out;
}

// A signature of one line after the name.
std::string fault_of(const std::string& line) { return faults_of("[[signature]]\nname = \"a\"\n" + line + "\n"); }

std::vector<Signature> good(const std::string& text) {
    Diagnostics faults;
    auto out = parse_signature_file("s.toml", text, Limits{}, faults);
    for (const Diagnostic& fault : faults) ADD_FAILURE() << to_string(fault);
    return out;
}

TEST(SignatureFile, each_kind_with_its_keys) {
    const auto all = good(R"(
[[signature]]
name = "Test.Text"
text = "cmd /c\tcopy"
nocase = true

[[signature]]
name   = "Test Hex"
hex    = """4D5A ?? 00
            e8 9f"""
effect = "match"

[[signature]]
name  = "Card"
regex = '\b\d{16}\b'
check = "luhn"
)");
    ASSERT_THAT(all, SizeIs(3));
    EXPECT_EQ(all[0].name.value, "Test.Text");
    EXPECT_EQ(all[0].kind, Signature::Kind::text);
    EXPECT_EQ(all[0].pattern.value, "cmd /c\tcopy");
    EXPECT_TRUE(all[0].ignoring_case);
    EXPECT_EQ(all[0].effect, Signature::Effect::infected);
    EXPECT_EQ(all[0].pattern.place.line, 4U);
    EXPECT_EQ(all[1].kind, Signature::Kind::hex);
    EXPECT_EQ(all[1].pattern.value, "4d5a??00e89f");
    EXPECT_EQ(all[1].effect, Signature::Effect::match);
    EXPECT_EQ(all[2].kind, Signature::Kind::regex);
    EXPECT_EQ(all[2].pattern.value, R"(\b\d{16}\b)");
    EXPECT_EQ(all[2].check, Signature::Check::luhn);
    EXPECT_EQ(all[2].pattern.place.file, "s.toml");
}

TEST(SignatureFile, an_empty_file_is_valid) {
    EXPECT_THAT(good(""), SizeIs(0));
    EXPECT_THAT(good("# nothing\n"), SizeIs(0));
}

TEST(SignatureFile, a_fault_has_its_line_and_a_caret) {
    EXPECT_EQ(faults_of("[[signature]]\nname = \"a\"\nregex = 'abcd(?=e)'\n"),
              "s.toml:3:14: look-around is not taken\n"
              "    regex = 'abcd(?=e)'\n"
              "                 ^\n");
    EXPECT_EQ(faults_of("[[signature]]\nname = \"a\"\nhex = \"4d5a 9 00\"\n"),
              "s.toml:3:13: a pair of hexadecimal digits is expected, or ?? for any byte\n"
              "    hex = \"4d5a 9 00\"\n"
              "                ^\n");
    EXPECT_EQ(faults_of("[[signature]]\nname = \"a\"\ntext = \"abcd\"\n  nocace = true\n"),
              "s.toml:4:3: unknown key \"nocace\" in [[signature]]; did you mean \"nocase\"?\n"
              "      nocace = true\n"
              "      ^\n");
}

TEST(SignatureFile, faults_of_the_file) {
    EXPECT_THAT(faults_of("[[signature\n"), HasSubstr("s.toml:1:"));
    EXPECT_THAT(faults_of("[signatures]\n"),
                HasSubstr("s.toml:1:2: unknown key \"signatures\": a signature file has [[signature]] only\n"));
    EXPECT_THAT(faults_of("[signature]\nname = \"a\"\n"),
                HasSubstr("s.toml:1:1: signatures are written as [[signature]], each under its own\n"));
    EXPECT_THAT(faults_of("signature = [1]\n"), HasSubstr("s.toml:1:14: signatures are written as [[signature]], each under its own\n"));
    EXPECT_EQ(faults_of("# \xc3\xa4\n[[signature]]\nname = 'a'\ntext = \"\"\"\xc3\xa4\\\"\xc3\xa4\"\"\"\"\"  \xc3\xa4\n"),
              "s.toml:4:22: a character beyond ASCII can stand in strings and comments only\n"
              "    text = \"\"\"\xc3\xa4\\\"\xc3\xa4\"\"\"\"\"  \xc3\xa4\n"
              "                         ^\n");
    EXPECT_THAT(faults_of("a\xef\xba\xbf = 1\n"), HasSubstr("s.toml:1:2: a character beyond ASCII"));
    EXPECT_THAT(faults_of("a = \"\"\"\\\n  \xc3\xa4\"\"\"\n"), HasSubstr("s.toml:2:3: a character beyond ASCII"));
    EXPECT_THAT(good("\xef\xbb\xbf[[signature]]\nname = 'a'\ntext = '\xc3\xa4\xc3\xa4' # \xc3\xa4\n"), SizeIs(1));
    Limits limits;
    limits.signatures = 1;
    const std::string two = "[[signature]]\nname = \"a\"\ntext = \"abcd\"\n[[signature]]\nname = \"b\"\ntext = \"abcd\"\n";
    EXPECT_THAT(faults_of(two, limits), HasSubstr("there are more than 1 signatures\n"));
}

TEST(SignatureFile, faults_of_names) {
    EXPECT_THAT(faults_of("[[signature]]\ntext = \"abcd\"\n"), HasSubstr("s.toml:1:1: this signature has no `name`\n"));
    EXPECT_THAT(faults_of("[[signature]]\nname = 1\ntext = \"abcd\"\n"), HasSubstr("s.toml:2:8: a string is expected\n"));
    EXPECT_THAT(faults_of("[[signature]]\nname = \"\"\ntext = \"abcd\"\n"), HasSubstr("s.toml:2:8: a name has 1 to 128 characters\n"));
    EXPECT_THAT(faults_of("[[signature]]\nname = \"" + std::string(129, 'n') + "\"\ntext = \"abcd\"\n"),
                HasSubstr("a name has 1 to 128 characters\n"));
    EXPECT_THAT(faults_of("[[signature]]\nname = \"a\xc3\xa4\"\ntext = \"abcd\"\n"),
                HasSubstr("s.toml:2:10: a name has printable ASCII characters only\n"));
    EXPECT_THAT(faults_of("[[signature]]\nname = \"a\\nb\"\ntext = \"abcd\"\n"), HasSubstr("a name has printable ASCII characters only\n"));
    EXPECT_THAT(faults_of("[[signature]]\nname = \" a\"\ntext = \"abcd\"\n"), HasSubstr("a name neither begins nor ends with a blank\n"));
    EXPECT_EQ(faults_of("[[signature]]\nname = \"a\"\ntext = \"abcd\"\n\n[[signature]]\nname = \"a\"\ntext = \"efgh\"\n"),
              "s.toml:6:9: line 2 has a signature of this name\n"
              "    name = \"a\"\n"
              "            ^\n");
}

TEST(SignatureFile, faults_of_patterns) {
    EXPECT_THAT(fault_of(""), HasSubstr("s.toml:1:1: this signature has none of `text`, `hex` and `regex`\n"));
    EXPECT_THAT(fault_of("text = \"abcd\"\nhex = \"00\""),
                HasSubstr("s.toml:4:7: a signature has only one of `text`, `hex` and `regex`\n"));
    EXPECT_THAT(fault_of("text = true"), HasSubstr("s.toml:3:8: a string is expected\n"));
    EXPECT_THAT(fault_of("text = \"\""), HasSubstr("an empty pattern is found in every payload\n"));
    EXPECT_THAT(fault_of("text = \"abc\""), HasSubstr("this is found in too much: a match must hold at least 4 literal bytes"));
    EXPECT_THAT(fault_of("text = \"" + std::string(4097, 'x') + "\""), HasSubstr("a pattern has at most 4096 bytes\n"));
    EXPECT_THAT(fault_of("hex = \"  \""), HasSubstr("an empty pattern is found in every payload\n"));
    EXPECT_THAT(fault_of("hex = \"00 11 ?? 22\""), HasSubstr("this is found in too much"));
    EXPECT_THAT(fault_of("hex = \"0011223\""), HasSubstr("s.toml:3:14: a pair of hexadecimal digits is expected"));
    EXPECT_THAT(fault_of("hex = \"0? 112233\""), HasSubstr("a pair of hexadecimal digits is expected"));
    EXPECT_THAT(fault_of("regex = '(abcd)?'"), HasSubstr("s.toml:3:10: this expression matches the empty string, and so every payload\n"));
    EXPECT_THAT(fault_of("regex = '.{4,}'"), HasSubstr("this is found in too much"));
    EXPECT_THAT(fault_of("regex = 'abcde|fgh'"), HasSubstr("this is found in too much"));
    EXPECT_EQ(fault_of("regex = 'abc[de]'"), "");
    EXPECT_EQ(fault_of("regex = '\\d{3}-\\d{2}-\\d{4}'"), "");
    EXPECT_EQ(fault_of("hex = \"00 11 ?? 22 33\""), "");
}

TEST(SignatureFile, faults_of_the_other_keys) {
    EXPECT_THAT(fault_of("text = \"abcd\"\nnocase = 1"), HasSubstr("s.toml:4:10: true or false is expected\n"));
    EXPECT_THAT(fault_of("hex = \"00112233\"\nnocase = true"), HasSubstr("`nocase` is for `text` and `regex`: hex gives the very bytes\n"));
    EXPECT_THAT(fault_of("text = \"abcd\"\neffect = \"block\""), HasSubstr("s.toml:4:10: there is only \"match\" here\n"));
    EXPECT_THAT(fault_of("regex = '\\d{16}'\ncheck = \"crc\""), HasSubstr("s.toml:4:9: there is only \"luhn\" here\n"));
    EXPECT_THAT(fault_of("text = \"4111111111111111\"\ncheck = \"luhn\""), HasSubstr("`check` is for `regex`"));
    EXPECT_THAT(fault_of("regex = '\\d{13,}'\ncheck = \"luhn\""),
                HasSubstr("with `check`, a match has at most 120 bytes: give the repeats an end\n"));
    EXPECT_THAT(fault_of("regex = 'abcdefg'\ncheck = \"luhn\""), HasSubstr("with `check`, a match has at least 2 digits\n"));
}

TEST(SignatureFile, all_faults_are_told_in_the_files_order) {
    const std::string text = faults_of("[[signature]]\nz = 1\ntext = \"a\"\n[[signature]]\nname = \"b\"\nhex = \"0\"\n");
    EXPECT_LT(text.find("no `name`"), text.find("unknown key \"z\""));
    EXPECT_LT(text.find("unknown key \"z\""), text.find("a pair of hexadecimal"));
}

// The examples that are installed: they load, and find what they are about.
TEST(SignatureFile, the_file_of_examples) {
    std::ifstream in(SLUICE_SOURCE_DIR "/share/signatures.d/example.toml", std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(in)), {});
    ASSERT_FALSE(text.empty());
    const auto signatures = good(text);
    Diagnostics faults;
    const auto set = PatternSet::compile(signatures, {}, Limits{}, faults);
    for (const Diagnostic& fault : faults) ADD_FAILURE() << to_string(fault);
    ASSERT_NE(set, nullptr);
    PatternScratch scratch(Limits{});
    const auto found = [&](std::string_view payload) {
        auto stream = scratch.open(set);
        EXPECT_TRUE(stream && stream->feed(payload) && stream->finish());
        auto names = stream->matches();
        if (!stream->infected().empty()) names.push_back(stream->infected());
        return names;
    };
    EXPECT_THAT(found("pay with 4111 1111 1111 1111, please"), ElementsAre("Card.Visa"));
    EXPECT_THAT(found("pay with 4111 1111 1111 1112, please"), ElementsAre());
    EXPECT_THAT(found("3782-822463-10005"), ElementsAre("Card.AmericanExpress"));
    EXPECT_THAT(found("5555555555554444"), ElementsAre("Card.Mastercard"));
    EXPECT_THAT(found("-----BEGIN OPENSSH PRIVATE KEY-----\n"), ElementsAre("Secret.PrivateKey"));
    EXPECT_THAT(found("xx SLUICE-signature-TEST xx"), ElementsAre("Example.Text"));
    EXPECT_THAT(found("an ordinary letter of 1999 to 4111 people"), ElementsAre());
}

}  // namespace
}  // namespace sluice::inspect
