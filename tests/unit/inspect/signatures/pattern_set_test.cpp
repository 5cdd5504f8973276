// SPDX-License-Identifier: Apache-2.0
#include "inspect/signatures/pattern_set.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <set>
#include <thread>

#include "inspect/signatures/content_hash.h"
#include "inspect/signatures/pattern_stream.h"
#include "inspect/signatures/signature_file.h"
#include "unit/support/splits.h"

namespace sluice::inspect {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

// In two pieces, as scanners would delete this file else.
const std::string eicar = std::string("X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STAN") + "DARD-ANTIVIRUS-TEST-FILE!$H+H*";

using Set = std::shared_ptr<const PatternSet>;

Set compile(const std::string& text, std::span<const RulePattern> rules = {}) {
    Diagnostics faults;
    const auto signatures = parse_signature_file("s.toml", text, Limits{}, faults);
    auto set = PatternSet::compile(signatures, rules, Limits{}, faults);
    for (const Diagnostic& fault : faults) ADD_FAILURE() << to_string(fault);
    return set;
}

std::string one(const std::string& keys) { return "[[signature]]\nname = \"Found\"\n" + keys + "\n"; }

RulePattern contains(std::string text, bool ignoring_case = false) {
    return {RulePattern::Kind::contains, Text{std::move(text), Place{"sluice.toml", 3, 9}, ""}, ignoring_case};
}
RulePattern matches(std::string text) { return {RulePattern::Kind::matches, Text{std::move(text), Place{"sluice.toml", 3, 9}, ""}, false}; }

PatternStream search(PatternScratch& scratch, const Set& set, std::span<const std::string_view> pieces) {
    auto stream = scratch.open(set);
    EXPECT_TRUE(stream);
    for (const std::string_view piece : pieces) EXPECT_TRUE(stream->feed(piece));
    EXPECT_TRUE(stream->finish());
    return std::move(*stream);
}

// The name found as infected, which must not depend on where the payload is cut.
void expect_infected(const Set& set, std::string_view payload, std::string_view name) {
    PatternScratch scratch{Limits{}};
    test::at_every_split(payload, [&](auto pieces) { EXPECT_EQ(search(scratch, set, pieces).infected(), name); });
}
void expect_matches(const Set& set, std::string_view payload, const std::vector<std::string_view>& names) {
    PatternScratch scratch{Limits{}};
    test::at_every_split(payload, [&](auto pieces) { EXPECT_EQ(search(scratch, set, pieces).matches(), names) << payload; });
}

TEST(PatternSet, eicar_is_found_anywhere) {
    ASSERT_EQ(eicar.size(), 68U);
    const Set set = compile("");
    ASSERT_NE(set, nullptr);
    EXPECT_EQ(set->signatures(), 1U);
    expect_infected(set, eicar, "EICAR-Test-File");
    expect_infected(set, eicar + std::string(100, 'x'), "EICAR-Test-File");
    expect_infected(set, std::string(100, 'x') + eicar + "\r\n", "EICAR-Test-File");
    expect_infected(set, std::string(100, 'X') + eicar, "EICAR-Test-File");
    expect_infected(set, eicar.substr(1), "");
    expect_infected(set, eicar.substr(0, 67), "");
}

TEST(PatternSet, eicar_over_three_pieces) {
    const Set set = compile("");
    PatternScratch scratch{Limits{}};
    const std::string payload = "ab" + eicar + "cd";
    for (std::size_t first = 1; first < payload.size(); first += 3)
        for (std::size_t second = first; second < payload.size(); second += 3) {
            const std::string_view whole = payload;
            const std::string_view pieces[] = {whole.substr(0, first), whole.substr(first, second - first), whole.substr(second)};
            EXPECT_EQ(search(scratch, set, pieces).infected(), "EICAR-Test-File");
        }
}

TEST(PatternSet, text_and_nocase) {
    expect_infected(compile(one("text = 'a.b*c'")), "xa.b*cx", "Found");
    expect_infected(compile(one("text = 'a.b*c'")), "xaxb*cx", "");
    expect_infected(compile(one("text = 'AbCd'")), "abcd", "");
    expect_infected(compile(one("text = 'AbCd'\nnocase = true")), "xxaBcDxx", "Found");
    expect_infected(compile(one("text = \"\\u0000\\n\\u00e9\\u0001\"")), std::string_view("x\0\n\xc3\xa9\x01", 6), "Found");
}

TEST(PatternSet, hex_with_any_bytes) {
    const Set set = compile(one("hex = '4D5A ?? 00 ff'"));
    expect_infected(set, std::string_view("xMZ\n\0\xff", 6), "Found");
    expect_infected(set, std::string_view("xMZ\0\0\xff", 6), "Found");
    expect_infected(set, std::string_view("xMZ\0\xff", 5), "");
}

TEST(PatternSet, regular_expressions) {
    const Set set = compile(one("regex = 'powershell(?:\\.exe)? +-enc'\nnocase = true"));
    expect_infected(set, "run PowerShell.exe   -Enc QUJD", "Found");
    expect_infected(set, "run PowerShell.exe-Enc QUJD", "");
    const Set ends = compile(one("regex = '^%PDF.*%%EOF$'"));
    expect_infected(ends, "%PDF abc %%EOF", "Found");
    expect_infected(ends, " %PDF abc %%EOF", "");
    expect_infected(ends, "%PDF abc %%EOF\n", "");
    const Set words = compile(one("regex = '\\bsecret\\b'"));
    expect_infected(words, "a secret.", "Found");
    expect_infected(words, "a secret", "Found");
    expect_infected(words, "secrets", "");
}

TEST(PatternSet, card_numbers) {
    const Set set = compile(one("regex = '\\b4\\d{3}[ -]?\\d{4}[ -]?\\d{4}[ -]?\\d{4}\\b'\ncheck = 'luhn'\neffect = 'match'"));
    expect_matches(set, "no 17 4111 1111 1111 1111, ok", {"Found"});
    expect_matches(set, "4111111111111111", {"Found"});
    expect_matches(set, "4111-1111-1111-1111\n", {"Found"});
    expect_matches(set, "4111-1111-1111-1112\n", {});
    expect_matches(set, "4111-1111-1111-1112 4111-1111-1111-1111 4111-1111-1111-1112", {"Found"});
    expect_matches(set, "94111111111111111", {});
    const Set open = compile(one("regex = '\\b\\d(?:[ -]?\\d){12,18}\\b'\ncheck = 'luhn'\neffect = 'match'"));
    expect_matches(open, "order 17 3782 822463 10005.", {"Found"});
    expect_matches(open, "order 17 3782 822463 10006.", {});
    const Set behind = compile(one("regex = 'card: \\d{16}[^0-9]{3}'\ncheck = 'luhn'\neffect = 'match'"));
    expect_matches(behind, std::string(200, '1') + "card: 4111111111111111 -- x", {"Found"});
    expect_matches(behind, std::string(200, '1') + "card: 4111111111111112 -- x", {});
}

TEST(PatternSet, the_match_that_ends_first_names_the_infection) {
    const Set set = compile(
        "[[signature]]\nname = 'B'\ntext = 'bbbb'\n"
        "[[signature]]\nname = 'A'\ntext = 'aaaa'\n"
        "[[signature]]\nname = 'C'\nregex = 'aaa[ac]'\n"
        "[[signature]]\nname = 'M2'\ntext = 'aaaa'\neffect = 'match'\n"
        "[[signature]]\nname = 'M1'\ntext = 'bbbb'\neffect = 'match'\n");
    expect_infected(set, "xaaaaxbbbb", "A");
    expect_infected(set, "xbbbbxaaaa", "B");
    expect_infected(set, "xaaacbbbb", "C");
    expect_matches(set, "bbbbaaaabbbb", {"M2", "M1"});
}

TEST(PatternSet, matches_are_bounded) {
    std::string text;
    for (int i = 0; i < 100; ++i) text += "[[signature]]\nname = 'M" + std::to_string(i) + "'\ntext = 'abcd'\neffect = 'match'\n";
    PatternScratch scratch{Limits{}};
    const std::string_view payload = "abcd";
    EXPECT_THAT(search(scratch, compile(text), {&payload, 1}).matches(), SizeIs(64));
}

TEST(PatternSet, rules_are_answered_by_their_index) {
    std::vector<RulePattern> rules{contains("x"), matches("^GIF8[79]a"), contains("ConFidential", true)};
    for (int i = 3; i < 70; ++i) rules.push_back(contains("pattern " + std::to_string(i) + "."));
    const Set set = compile("", rules);
    ASSERT_NE(set, nullptr);
    PatternScratch scratch{Limits{}};
    test::at_every_split("GIF87a, CONFIDENTIAL pattern 69.", [&](auto pieces) {
        const PatternStream stream = search(scratch, set, pieces);
        for (std::size_t i = 0; i < rules.size(); ++i) EXPECT_EQ(stream.holds(i), i == 1 || i == 2 || i == 69) << i;
        EXPECT_EQ(stream.infected(), "");
    });
}

TEST(PatternSet, a_reused_stream_remembers_nothing) {
    const RulePattern rule = contains("needle");
    const Set set = compile(one("regex = '\\d{16}'\ncheck = 'luhn'\neffect = 'match'"), {&rule, 1});
    PatternScratch scratch{Limits{}};
    const std::string full = "needle 4111111111111111 " + eicar;
    for (const bool finished : {true, false}) {
        {
            auto stream = scratch.open(set);
            ASSERT_TRUE(stream && stream->feed(full));
            if (finished) ASSERT_TRUE(stream->finish());
            EXPECT_EQ(stream->infected(), "EICAR-Test-File");
            EXPECT_THAT(stream->matches(), ElementsAre("Found"));
        }
        auto stream = scratch.open(set);
        EXPECT_EQ(stream->infected(), "");
        EXPECT_FALSE(stream->holds(0));
        EXPECT_TRUE(stream->feed("e 1111111111") && stream->finish());
        EXPECT_THAT(stream->matches(), SizeIs(0));
        EXPECT_FALSE(stream->holds(0));
    }
    {
        auto half = scratch.open(set);
        ASSERT_TRUE(half->feed(std::string_view(eicar).substr(0, 40)));
    }
    auto rest = scratch.open(set);
    ASSERT_TRUE(rest->feed(std::string_view(eicar).substr(40)) && rest->finish());
    EXPECT_EQ(rest->infected(), "");
}

TEST(PatternSet, streams_of_the_old_set_go_on_after_a_reload) {
    PatternScratch scratch{Limits{}};
    Set old_set = compile(one("text = 'old pattern'"));
    auto old_stream = scratch.open(old_set);
    ASSERT_TRUE(old_stream && old_stream->feed("old pa"));
    const Set new_set = compile(one("regex = 'new (?:pattern|one){1,3}'"));
    auto new_stream = scratch.open(new_set);
    ASSERT_TRUE(new_stream && new_stream->feed("old pattern, new pat"));
    old_set.reset();
    ASSERT_TRUE(old_stream->feed("ttern") && old_stream->finish());
    ASSERT_TRUE(new_stream->feed("tern") && new_stream->finish());
    EXPECT_EQ(old_stream->infected(), "Found");
    EXPECT_EQ(new_stream->infected(), "Found");
}

TEST(PatternSet, two_threads_share_a_set) {
    const Set set = compile(one("regex = '\\b\\d{16}\\b'\ncheck = 'luhn'\neffect = 'match'"));
    const auto work = [&set] {
        PatternScratch scratch{Limits{}};
        for (int i = 0; i < 500; ++i) {
            auto one_view = scratch.open(set);
            auto other_view = scratch.open(set);
            ASSERT_TRUE(one_view && other_view);
            ASSERT_TRUE(one_view->feed("card 4111111111") && other_view->feed(eicar) && one_view->feed("111111") && one_view->finish());
            EXPECT_THAT(one_view->matches(), ElementsAre("Found"));
            EXPECT_EQ(other_view->infected(), "EICAR-Test-File");
        }
    };
    std::thread one_thread(work);
    std::thread other_thread(work);
    one_thread.join();
    other_thread.join();
}

TEST(PatternSet, the_generation_is_of_everything_that_decides) {
    std::set<std::uint64_t> generations;
    const auto add = [&](const Set& set) { generations.insert(set->generation()); };
    const std::string base = one("regex = '\\d{16}'");
    add(compile(""));
    add(compile(base));
    add(compile(base));
    add(compile("# said differently\n\n" + base));
    EXPECT_EQ(generations.size(), 2U);
    add(compile(one("regex = '\\d{15}'")));
    add(compile(base + "effect = 'match'\n"));
    add(compile(base + "check = 'luhn'\n"));
    add(compile("[[signature]]\nname = 'Other'\nregex = '\\d{16}'\n"));
    add(compile(one("text = 'abcd'")));
    add(compile(one("text = 'abcd'\nnocase = true")));
    const RulePattern rules[] = {contains("abcd"), matches("abc")};
    add(compile("", {rules, 1}));
    add(compile("", rules));
    EXPECT_EQ(generations.size(), 10U);
}

std::string faults_of(std::span<const Signature> signatures, std::span<const RulePattern> rules) {
    Diagnostics faults;
    EXPECT_EQ(PatternSet::compile(signatures, rules, Limits{}, faults), nullptr);
    std::string out;
    for (const Diagnostic& fault : faults) out += to_string(fault);
    return out;
}

std::vector<Signature> parsed(const std::string& file, const std::string& text) {
    Diagnostics faults;
    auto out = parse_signature_file(file, text, Limits{}, faults);
    EXPECT_THAT(faults, SizeIs(0));
    return out;
}

TEST(PatternSet, names_are_taken_once_over_all_files) {
    auto all = parsed("one.toml", one("text = 'abcd'"));
    for (Signature& signature : parsed("two.toml", one("text = 'efgh'"))) all.push_back(std::move(signature));
    EXPECT_EQ(faults_of(all, {}),
              "two.toml:2:9: one.toml:2 has a signature of this name\n"
              "    name = \"Found\"\n"
              "            ^\n");
    EXPECT_THAT(faults_of(parsed("s.toml", "[[signature]]\nname = 'EICAR-Test-File'\ntext = 'abcd'\n"), {}),
                HasSubstr("s.toml:2:9: \"EICAR-Test-File\" is the name of a built-in signature\n"));
}

TEST(PatternSet, what_vectorscan_refuses_has_its_place_each) {
    const auto signatures = parsed("s.toml",
                                   "[[signature]]\nname = 'a'\nregex = 'abc^def'\n"
                                   "[[signature]]\nname = 'b'\ntext = 'good'\n"
                                   "[[signature]]\nname = 'c'\nregex = 'abc$def'\n"
                                   "[[signature]]\nname = 'd'\nregex = '(?:abc.{900}[xy].{900}){1,1}(?:a.{30}|b.{900}c.{900}){1,1}ghi'\n");
    const std::string text = faults_of(signatures, {});
    EXPECT_THAT(text, HasSubstr("s.toml:3:10: `^` can stand at the beginning only\n    regex = 'abc^def'\n             ^\n"));
    EXPECT_THAT(text, HasSubstr("s.toml:9:10: `$` can stand at the end only\n"));
}

TEST(PatternSet, faults_of_rules) {
    const RulePattern empty = contains("");
    EXPECT_THAT(faults_of({}, {&empty, 1}), HasSubstr("sluice.toml:3:9: an empty pattern is found in every payload\n"));
    const RulePattern reference = matches("ab(?=c)");
    EXPECT_THAT(faults_of({}, {&reference, 1}), HasSubstr("sluice.toml:3:11: look-around is not taken\n"));
}

TEST(PatternImage, is_the_same_set) {
    const std::vector<RulePattern> rules{contains("of a rule"), matches("ab+c")};
    const Set set = compile(
        one("text = \"bad thing\"") + "\n[[signature]]\nname = \"Card\"\nregex = '[0-9]{16}'\ncheck = \"luhn\"\neffect = \"match\"\n",
        rules);
    const auto image = set->to_image();
    ASSERT_TRUE(image);
    const auto back = PatternSet::from_image(*image);
    ASSERT_TRUE(back) << back.error().what;
    EXPECT_EQ((*back)->generation(), set->generation());
    EXPECT_EQ((*back)->rules_generation(), set->rules_generation());
    EXPECT_EQ((*back)->rules(), 2U);
    PatternScratch scratch{Limits{}};
    expect_infected(*back, "a bad thing", "Found");
    expect_infected(*back, eicar, PatternSet::eicar_name);
    expect_matches(*back, "4111111111111111", {"Card"});
    expect_matches(*back, "4111111111111112", {});
    const std::vector<std::string_view> pieces{"xabbbc of a ru"};
    const PatternStream stream = search(scratch, *back, pieces);
    EXPECT_FALSE(stream.holds(0));
    EXPECT_TRUE(stream.holds(1));
}

TEST(PatternImage, what_is_none_is_refused) {
    const std::string image = compile(one("text = \"bad thing\""))->to_image().value();
    for (std::size_t size = 0; size < image.size(); size = size < 300 ? size + 1 : size + 997)
        EXPECT_FALSE(PatternSet::from_image(std::string_view(image).substr(0, size))) << size;
    for (std::size_t at = 0; at < image.size(); at = at < 300 ? at + 1 : at + 997) {
        std::string changed = image;
        changed[at] = static_cast<char>(changed[at] ^ 1);
        EXPECT_FALSE(PatternSet::from_image(changed)) << at;
    }
    EXPECT_FALSE(PatternSet::from_image(image + "x"));
    for (std::size_t at = 40; at < 140; ++at) {  // counts, names, meanings, and a hash that fits: refused, or within its bounds
        std::string changed = image;
        changed[at] = static_cast<char>(changed[at] ^ 0xff);
        Sha256 hash;
        hash.feed(std::string_view(changed).substr(40));
        std::ranges::copy(hash.finish().value(), changed.begin() + 8);
        if (const auto set = PatternSet::from_image(changed)) {
            PatternScratch scratch{Limits{}};
            const std::vector<std::string_view> pieces{eicar};
            EXPECT_LE(search(scratch, *set, pieces).infected().size(), image.size());
        }
    }
}

TEST(PatternSet, a_zip_inside_is_noticed) {
    const Set set = compile("");
    PatternScratch scratch{Limits{}};
    const std::string local = "PK\3\4";
    const auto has = [&](std::string_view payload) {
        bool all = true;
        test::at_every_split(payload, [&](auto pieces) { all = all && search(scratch, set, pieces).has_archive(); });
        return all;
    };
    EXPECT_TRUE(has(local));
    EXPECT_TRUE(has("junk before " + local + " and behind"));
    EXPECT_FALSE(has("PK is a word"));
    EXPECT_FALSE(has("PK\1\2 and PK\5\6"));
    EXPECT_FALSE(has("PK\3"));
    const auto has_whole = [&](std::string_view payload) {
        const std::vector<std::string_view> pieces{payload};
        return search(scratch, set, pieces).has_whole_archive();
    };
    EXPECT_TRUE(has_whole("xPK\3\4xPK\1\2xPK\5\6x"));
    EXPECT_FALSE(has_whole("PK\3\4PK\1\2"));
    EXPECT_FALSE(has_whole("PK\1\2PK\5\6"));
    EXPECT_EQ(scratch.open(set)->infected(), "");
    EXPECT_FALSE(scratch.open(set)->has_archive());
}

}  // namespace
}  // namespace sluice::inspect
