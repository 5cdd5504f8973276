// SPDX-License-Identifier: Apache-2.0
#include "inspect/signatures/regular_expression.h"

#include <gmock/gmock.h>
#include <re2/re2.h>

#include <optional>
#include <random>
#include <string>
#include <vector>

#include "inspect/signatures/pattern_stream.h"

namespace sluice::inspect {
namespace {

using testing::HasSubstr;

RegularExpression parse(std::string_view text, bool ignoring_case = false) {
    const auto parsed = parse_regular_expression(text, ignoring_case, Limits{});
    EXPECT_TRUE(parsed) << text << ": " << (parsed ? "" : parsed.error().message);
    return parsed.value_or(RegularExpression{});
}

std::string refusal(std::string_view text, bool ignoring_case = false) {
    const auto parsed = parse_regular_expression(text, ignoring_case, Limits{});
    return parsed ? "taken as " + parsed->vectorscan : std::to_string(parsed.error().position) + " " + parsed.error().message;
}

TEST(RegularExpression, is_written_anew) {
    EXPECT_EQ(parse("ab.c").vectorscan, "ab[\\x00-\\x09\\x0b-\\xff]c");
    EXPECT_EQ(parse("(?s)a.").vectorscan, "a[\\x00-\\xff]");
    EXPECT_EQ(parse("a\\s").vectorscan, "a[\\x09\\x0a\\x0c\\x0d\\x20]");
    EXPECT_EQ(parse("(?P<name>ab)+?c$").vectorscan, "(?:ab)+c\\z");
    EXPECT_EQ(parse("[]a-c^-]").vectorscan, "[\\x2d\\x5d\\x5ea-c]");
    EXPECT_EQ(parse("(?i)ab(?-i)c").vectorscan, "[Aa][Bb]c");
    EXPECT_EQ(parse("a1", true).vectorscan, "[Aa]1");
    EXPECT_EQ(parse("[^a]", true).vectorscan, "[\\x00-\\x40B-\\x60b-\\xff]");
    EXPECT_EQ(parse("[[:^lower:]]", true).vectorscan, "[\\x00-\\x40\\x5b-\\x60\\x7b-\\xff]");
    EXPECT_EQ(parse("\xc3\xa9!").vectorscan, "\\xc3\\xa9\\x21");
}

TEST(RegularExpression, what_is_known_of_its_matches) {
    const auto card = parse("\\b\\d{4}[ -]?\\d{12,15}");
    EXPECT_EQ(card.shortest, 16U);
    EXPECT_EQ(card.longest, 20U);
    EXPECT_EQ(card.fewest_digits, 16U);
    EXPECT_EQ(card.most_digits, 19U);
    EXPECT_EQ(parse("ab+").longest, RegularExpression::unbounded);
    EXPECT_EQ(parse("abcd").bits, 32);
    EXPECT_EQ(parse("abcd", true).bits, 32);
    EXPECT_EQ(parse("abc.").bits < 25, true);
    EXPECT_EQ(parse("(?:abcd|e)[0-9a-f]{2}").bits, 16);
}

TEST(RegularExpression, what_is_refused_and_why) {
    EXPECT_EQ(refusal("(a)\\1"), "3 back references are not taken");
    EXPECT_EQ(refusal("ab(?=c)"), "2 look-around is not taken");
    EXPECT_EQ(refusal("ab(?<!c)"), "2 look-around is not taken");
    EXPECT_EQ(refusal("(?>ab)"), "0 atomic groups are not taken");
    EXPECT_THAT(refusal("(?m)^a"), HasSubstr("0 of the kinds of groups only"));
    EXPECT_THAT(refusal("(?<n>a)"), HasSubstr("0 of the kinds of groups only"));
    EXPECT_THAT(refusal("(?-)a"), HasSubstr("0 of the kinds of groups only"));
    EXPECT_EQ(refusal("(?P<n"), "0 this group's name has no end");
    EXPECT_EQ(refusal("(?P<n->a)"), "0 a group's name has letters, digits and `_`");
    EXPECT_EQ(refusal("ab++"), "3 possessive repeats are not taken");
    EXPECT_EQ(refusal("ab**"), "3 a repeat of a repeat needs a group: `(?:…)`");
    EXPECT_EQ(refusal("*a"), "0 there is nothing here to repeat");
    EXPECT_EQ(refusal("a|*"), "2 there is nothing here to repeat");
    EXPECT_EQ(refusal("\\b*a"), "2 there is nothing here to repeat");
    EXPECT_EQ(refusal("(?i)*a"), "4 there is nothing here to repeat");
    EXPECT_EQ(refusal("()*a"), "2 there is nothing here to repeat");
    EXPECT_EQ(refusal("a{,3}"), "1 this is no repeat: it is written {n}, {n,} or {n,m}, and a literal brace `\\{`");
    EXPECT_EQ(refusal("a{x}"), "1 this is no repeat: it is written {n}, {n,} or {n,m}, and a literal brace `\\{`");
    EXPECT_EQ(refusal("{a"), "0 a literal brace is written `\\{`");
    EXPECT_EQ(refusal("a{3,2}"), "1 the smaller count comes first");
    EXPECT_EQ(refusal("ba{0}"), "2 repeating at most 0 times matches nothing: leave it out");
    EXPECT_EQ(refusal("a{1001}"), "1 repeats more than 1000 times; nested repeats are multiplied");
    EXPECT_EQ(refusal("(?:a{40}){30}"), "9 repeats more than 1000 times; nested repeats are multiplied");
    EXPECT_EQ(refusal("(?:a|bc|def){500}x"),
              "12 this makes the expression too large: written out, the group has 3000 positions, and 1000 are possible");
    EXPECT_EQ(refusal("a)"), "1 `)` without its `(`; a literal one is `\\)`");
    EXPECT_EQ(refusal("x(a"), "1 `(` without its `)`; a literal one is `\\(`");
    EXPECT_EQ(refusal("x[a"), "1 `[` without its `]`; a literal one is `\\[`");
    EXPECT_EQ(refusal("x[a-"), "1 `[` without its `]`; a literal one is `\\[`");
    EXPECT_EQ(refusal("[a-\\d]"), "1 a range goes from one byte to another; a literal dash is `\\-`");
    EXPECT_EQ(refusal("[z-a]"), "1 the smaller end of a range comes first");
    EXPECT_EQ(refusal("[[:foo:]]"), "1 no such class; a literal `[` is `\\[`");
    EXPECT_EQ(refusal("[^\\x00-\\xff]"), "11 no byte is in this class");
    EXPECT_EQ(refusal("a\\"), "1 a backslash at the end; a literal one is `\\\\`");
    EXPECT_EQ(refusal("a\\Qb\\E"), "1 the escape `\\Q` is not taken");
    EXPECT_EQ(refusal("a\\pL"), "1 the escape `\\p` is not taken");
    EXPECT_EQ(refusal("a\\01"), "1 the escape `\\0` is not taken");
    EXPECT_EQ(refusal("a\\x1"), "1 a byte is written with two hexadecimal digits: `\\x0a` or `\\x{0a}`");
    EXPECT_EQ(refusal("a\\x{123}"), "1 a byte is written with two hexadecimal digits: `\\x0a` or `\\x{0a}`");
    EXPECT_EQ(refusal("b\xc3\xa9+"), "2 a character beyond ASCII is several bytes: put it in a group, `(?:…)`, to repeat it");
    EXPECT_EQ(refusal("[\xc3\xa9]"), "0 a class holds bytes, and a character beyond ASCII is several: `(?:ä|ö)`");
    EXPECT_EQ(refusal("\\xe9", true), "0 case can be ignored in ASCII only: put what is beyond it into `(?-i:…)`");
    EXPECT_EQ(refusal("(?i)\xc3\xa9"), "4 case can be ignored in ASCII only: put what is beyond it into `(?-i:…)`");
    EXPECT_EQ(refusal("a*"), "0 this expression matches the empty string, and so every payload");
    EXPECT_EQ(refusal("^$"), "0 this expression matches the empty string, and so every payload");
    EXPECT_EQ(refusal(std::string(33, '(') + "a" + std::string(33, ')')), "32 groups are nested more than 32 deep");
    EXPECT_EQ(refusal(std::string(5000, 'a')), "0 an expression has at most 4096 bytes");
}

// A random expression of the subset, over the few bytes that the texts consist of.
class Grammar {
public:
    explicit Grammar(unsigned seed) : random_(seed) {}

    std::string expression(int depth = 3) {
        std::string out;
        for (unsigned n = 1 + pick(4); n > 0; --n) out += part(depth);
        if (pick(4) == 0) out += "|" + part(depth) + part(depth);
        return out;
    }
    std::string text() {
        std::string out;
        for (unsigned n = pick(14); n > 0; --n) out += one_of({"a", "b", "A", "B", "c", "1", " ", "_", "\n", "\x0b", "\xe9", "-"});
        return out;
    }

private:
    unsigned pick(unsigned count) { return static_cast<unsigned>(random_() % count); }
    std::string one_of(std::vector<std::string> words) { return words[pick(static_cast<unsigned>(words.size()))]; }

    std::string part(int depth) {
        std::string out =
            depth > 0 && pick(4) == 0
                ? one_of({"(", "(?:", "(?i:", "(?s:", "(?-i:", "(?P<g" + std::to_string(++groups_) + ">"}) + expression(depth - 1) + ")"
            : pick(12) == 0 ? one_of({"(?i)", "(?s)", "(?-s)", "(?-i)", "\\b", "\\B"})
                            : one_of({"a",   "b",     "A",   "c",    "1",           ".",      "\\d",         "\\D",           "\\s",
                                      "\\S", "\\w",   "\\W", "[ab]", "[^a]",        "[^\\s]", "[[:upper:]]", "[[:^lower:]1]", "[a-c_-]",
                                      "\\-", "\\x0b", "\\n", "-",    "[[:space:]]", "[\\W_]"});
        if (pick(4) == 0 && out != "\\b" && out != "\\B" && !(out.starts_with("(?") && out.ends_with(")") && out.size() < 6))
            out += one_of({"*", "+", "?", "*?", "{2}", "{1,3}", "{2,}"});
        return out;
    }

    std::mt19937 random_;
    int groups_ = 0;
};

TEST(RegularExpression, means_the_same_as_in_re2) {
    const Limits limits;
    PatternScratch scratch(limits);
    std::size_t compared = 0;
    std::size_t held = 0;
    std::size_t refused_by_vectorscan = 0;
    for (unsigned seed = 0; seed < 400; ++seed) {
        Grammar grammar(seed);
        std::string text = grammar.expression();
        if (seed % 7 == 0) text = "^(?:" + text + ")";
        if (seed % 5 == 0) text = "(?:" + text + ")$";
        const auto parsed = parse_regular_expression(text, false, limits);
        if (!parsed) continue;
        RE2::Options options(RE2::Latin1);
        options.set_log_errors(false);
        const RE2 expected(text, options);
        ASSERT_TRUE(expected.ok()) << text << ": " << expected.error();
        const RulePattern rule{RulePattern::Kind::matches, Text{text, {}, ""}, false};
        Diagnostics faults;
        const auto set = PatternSet::compile({}, {&rule, 1}, limits, faults);
        if (!set) {
            ++refused_by_vectorscan;
            continue;
        }
        for (int i = 0; i < 40; ++i) {
            const std::string payload = grammar.text();
            auto stream = scratch.open(set);
            ASSERT_TRUE(stream && stream->feed(payload) && stream->finish());
            const bool holds = RE2::PartialMatch(payload, expected);
            EXPECT_EQ(stream->holds(0), holds) << text << "\n" << testing::PrintToString(payload) << "\n" << parsed->vectorscan;
            ++compared;
            held += holds ? 1 : 0;
        }
    }
    EXPECT_GT(compared, 8'000U);
    EXPECT_GT(held, compared / 10);
    EXPECT_LT(refused_by_vectorscan, 60U);
}

}  // namespace
}  // namespace sluice::inspect
