// SPDX-License-Identifier: Apache-2.0
#include "inspect/verdict.h"

#include <gtest/gtest.h>

#include <vector>

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

// The built-in rules refuse all payloads for the first two, and let others pass for the rest.
TEST(Outcome, of_what_cannot_be_scanned_the_gravest_stands) {
    const std::vector<Outcome> by_gravity{Outcome::unscannable(Reason::bomb, "archive"),
                                          Outcome::unscannable(Reason::undecodable, structure_engine),
                                          Outcome::unscannable(Reason::too_deep), Outcome::unscannable(Reason::encrypted, "archive")};
    for (std::size_t graver = 0; graver < by_gravity.size(); ++graver)
        for (std::size_t lesser = graver + 1; lesser < by_gravity.size(); ++lesser) {
            Outcome outcome = by_gravity[lesser];
            outcome.add(by_gravity[graver]);
            EXPECT_EQ(outcome, by_gravity[graver]);
            outcome.add(by_gravity[lesser]);
            EXPECT_EQ(outcome, by_gravity[graver]);
        }
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
