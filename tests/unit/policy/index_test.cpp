// SPDX-License-Identifier: Apache-2.0
// The indexes against the plain way of asking, on random values from small alphabets, where everything meets.
#include <gmock/gmock.h>

#include <optional>
#include <random>
#include <set>

#include "base/text.h"
#include "policy/equality_index.h"
#include "policy/gram_index.h"
#include "policy/interval_index.h"

namespace sluice::policy {
namespace {

std::string random_text(std::mt19937& random, std::size_t longest, std::string_view alphabet) {
    std::string out(random() % (longest + 1), 'a');
    for (char& c : out) c = alphabet[random() % alphabet.size()];
    return out;
}

TEST(GramIndex, finds_what_stands_in_the_text_and_nothing_else) {
    std::mt19937 random(1);
    for (int round = 0; round < 60; ++round) {
        GramIndex index;
        struct Literal {
            std::string text;
            GramIndex::Anchor anchor;
            bool ignoring_case;
        };
        std::vector<Literal> literals;
        for (int i = 0; i < 40; ++i) {
            Literal literal{random_text(random, 7, "abA/"), static_cast<GramIndex::Anchor>(random() % 3), random() % 3 == 0};
            if (literal.text.size() < 2) continue;
            if (literal.ignoring_case) literal.text = lower(literal.text);
            index.add(literal.text, literal.anchor, literal.ignoring_case, static_cast<std::uint32_t>(literals.size()));
            literals.push_back(literal);
        }
        index.build();
        for (int k = 0; k < 200; ++k) {
            const std::string text = random_text(random, 14, "abAB/");
            std::set<std::uint32_t> found, expected;
            index.search(text, [&](std::uint32_t id) { found.insert(id); });
            for (std::uint32_t id = 0; id < literals.size(); ++id) {
                const auto& [literal, anchor, ignoring_case] = literals[id];
                const std::string subject = ignoring_case ? lower(text) : text;
                const bool stands = anchor == GramIndex::Anchor::anywhere ? subject.contains(literal)
                                    : anchor == GramIndex::Anchor::start  ? subject.starts_with(literal)
                                                                          : subject.ends_with(literal);
                if (stands) expected.insert(id);
            }
            ASSERT_EQ(found, expected) << text;
        }
    }
}

TEST(GramIndex, of_nothing_finds_nothing) {
    GramIndex index;
    index.build();
    EXPECT_TRUE(index.empty());
    index.search("abcdef", [](std::uint32_t) { FAIL(); });
    index.add("abcd", GramIndex::Anchor::anywhere, false, 1);
    index.build();
    for (const std::string_view text : {"", "a", "abc"}) index.search(text, [](std::uint32_t) { FAIL(); });
}

TEST(EqualityIndex, finds_equal_values_and_nothing_else) {
    std::mt19937 random(2);
    EqualityIndex index;
    std::map<std::string, std::set<std::uint32_t>> expected;
    for (std::uint32_t id = 0; id < 500; ++id) {
        const std::string value =
            random_text(random, 9, "abc") + (id % 50 == 0 ? std::string(300, 'x') + random_text(random, 3, "ab") : "");
        if (expected[value].insert(id).second) index.add(value, id);
    }
    index.build();
    for (int k = 0; k < 20'000; ++k) {
        const std::string text = random_text(random, 9, "abc");
        const auto ids = index.lookup(text);
        const auto found = expected.find(text);
        ASSERT_EQ(std::set<std::uint32_t>(ids.begin(), ids.end()), found == expected.end() ? std::set<std::uint32_t>{} : found->second)
            << text;
    }
    for (const auto& [value, ids] : expected) ASSERT_EQ(index.lookup(value).size(), ids.size());
}

TEST(IntervalIndex, finds_the_ranges_that_hold_the_value) {
    std::mt19937 random(3);
    for (int round = 0; round < 100; ++round) {
        IntervalIndex<int> index;
        struct Range {
            int low;
            std::optional<int> after;
            std::uint32_t id;
        };
        std::vector<Range> ranges;
        for (int i = 0; i < 12; ++i) {
            Range range{static_cast<int>(random() % 30), {}, static_cast<std::uint32_t>(random() % 6)};
            if (random() % 5 != 0) range.after = range.low + 1 + static_cast<int>(random() % 8);
            index.add(range.low, range.after ? &*range.after : nullptr, range.id);
            ranges.push_back(range);
        }
        index.build();
        for (int value = -2; value < 45; ++value) {
            std::set<std::uint32_t> expected;
            for (const Range& range : ranges)
                if (range.low <= value && (!range.after || value < *range.after)) expected.insert(range.id);
            const auto found = index.lookup(value);
            ASSERT_EQ(std::set<std::uint32_t>(found.begin(), found.end()), expected);
            ASSERT_EQ(found.size(), expected.size()) << "each once";
        }
    }
}

}  // namespace
}  // namespace sluice::policy
