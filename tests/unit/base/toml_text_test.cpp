// SPDX-License-Identifier: Apache-2.0
#include "base/toml_text.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(TomlText, beyond_ascii_is_for_strings_and_comments) {
    for (const std::string_view text :
         {"", "a = 1", "a = \"ü\"", "a = 'ü'", "a = \"\"\"ü\n\"ü\" \"\"\"", "a = '''ü\n'ü' '''", "# ü\na = 1", "\xef\xbb\xbf# a mark first",
          "a = \"\\\"ü\"", "a = \"\"\"ends in quotes\"\"\"\"\" # ü", "a = \"\"\"b \\\n   ü\"\"\"  # ü"})
        EXPECT_EQ(stray_character(text), text.find("\\\n   ü") == std::string_view::npos ? std::nullopt : std::optional(text.find("ü")))
            << text;
    for (const std::string_view text : {"ü = 1", "a = ü", "a = “b”", "a = 1 ü", "a = 'b' ü", "a = \"\\\\\" ü", "a = '\\' ü",
                                        "\xc2\xa0"
                                        "a = 1",
                                        "# c\nü"})
        EXPECT_EQ(stray_character(text), text.find_first_of("\xc3\xe2\xc2")) << text;
}

TEST(TomlText, a_string_that_does_not_end_is_left_to_the_parser) {
    for (const std::string_view text : {"a = \"b\nü", "a = \"", "a = '''b", "a = \"\\", "a = \"\"\"\\"})
        EXPECT_EQ(stray_character(text), std::nullopt) << text;
}

}  // namespace
}  // namespace sluice
