// SPDX-License-Identifier: Apache-2.0
#include "base/diagnostic.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(Diagnostic, says_where_and_shows_it) {
    EXPECT_EQ(to_string({{"rules.toml", 3, 8}, "unknown field", "when = nonsense"}),
              "rules.toml:3:8: unknown field\n    when = nonsense\n           ^\n");
}

TEST(Diagnostic, tabs_keep_the_caret_in_place) { EXPECT_EQ(to_string({{"f", 1, 3}, "m", "\tab"}), "f:1:3: m\n    \tab\n    \t ^\n"); }

TEST(Diagnostic, says_no_more_than_it_knows) {
    EXPECT_EQ(to_string({{}, "no rules", ""}), "no rules\n");
    EXPECT_EQ(to_string({{"f", 0, 0}, "cannot be read", ""}), "f: cannot be read\n");
    EXPECT_EQ(to_string({{"f", 2, 0}, "m", "line"}), "f:2: m\n    line\n");
    EXPECT_EQ(to_string({{"f", 2, 1}, "m", "", Diagnostic::Severity::warning}), "f:2:1: warning: m\n");
}

TEST(Diagnostic, warnings_are_no_errors) {
    EXPECT_FALSE(has_errors({}));
    EXPECT_FALSE(has_errors({{{}, "w", "", Diagnostic::Severity::warning}}));
    EXPECT_TRUE(has_errors({{{}, "w", "", Diagnostic::Severity::warning}, {{}, "e", ""}}));
}

}  // namespace
}  // namespace sluice
