// SPDX-License-Identifier: Apache-2.0
#include "inspect/verdict.h"

#include <gtest/gtest.h>

namespace sluice::inspect {
namespace {

TEST(Outcome, the_worse_stands) {
    Outcome outcome;
    EXPECT_EQ(outcome.verdict, Verdict::skipped);
    outcome.add(Outcome::clean());
    EXPECT_EQ(outcome.verdict, Verdict::clean);
    outcome.add(Outcome::unscannable(Reason::encrypted, "archive"));
    outcome.add(Outcome::clean());
    EXPECT_EQ(outcome.reason, Reason::encrypted);
    outcome.add(Outcome::infected("a", "yara"));
    outcome.add(Outcome::infected("b", "clamav"));
    outcome.add(Outcome::unscannable(Reason::bomb));
    EXPECT_EQ(outcome.verdict, Verdict::infected);
    EXPECT_EQ(outcome.threat, "a") << "the first of two that are as bad";
    EXPECT_EQ(outcome.reason, Reason::none);
}

// Else an attacker who sends half of a bomb would have it pass as half of a file.
TEST(Outcome, a_failure_is_worse_than_what_ordinary_files_have) {
    for (const Reason ordinary : {Reason::encrypted, Reason::corrupt, Reason::undecodable, Reason::truncated}) {
        for (const Reason failure :
             {Reason::timeout, Reason::crashed, Reason::overloaded, Reason::no_space, Reason::engine_down, Reason::bomb}) {
            Outcome outcome = Outcome::unscannable(ordinary);
            outcome.add(Outcome::unscannable(failure));
            EXPECT_EQ(outcome.reason, failure);
            outcome.add(Outcome::unscannable(ordinary));
            EXPECT_EQ(outcome.reason, failure);
        }
    }
}

TEST(Outcome, hidden_parts_are_worse_than_what_ordinary_files_have) {
    Outcome outcome = Outcome::unscannable(Reason::corrupt, "archive");
    outcome.add(Outcome::unscannable(Reason::undecodable, multipart_engine));
    outcome.add(Outcome::unscannable(Reason::encrypted, "archive"));
    EXPECT_EQ(outcome.engine, multipart_engine);
    outcome.add(Outcome::unscannable(Reason::bomb, "archive"));
    outcome.add(Outcome::unscannable(Reason::undecodable, multipart_engine));
    EXPECT_EQ(outcome.reason, Reason::bomb);
}

TEST(Outcome, matches_of_both_are_kept_each_once) {
    Outcome outcome = Outcome::clean();
    outcome.matches = {"a", "b"};
    Outcome other = Outcome::clean();
    other.matches = {"b", "c"};
    outcome.add(other);
    EXPECT_EQ(outcome.matches, (std::vector<std::string>{"a", "b", "c"}));
}

}  // namespace
}  // namespace sluice::inspect
