// SPDX-License-Identifier: Apache-2.0
#include "inspect/scanner/yara_engine.h"

#include "unit/inspect/scanner/support.h"
#include "unit/support/corpora.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

namespace sluice::inspect {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

Outcome scan_with(std::string_view rules, std::string_view object, std::string_view name = {}, steady_clock::duration time = 60s) {
    const TemporaryFile file(rules);
    Diagnostics diagnostics;
    const auto compiled = YaraRules::compile({file.path()}, diagnostics);
    EXPECT_TRUE(compiled) << (diagnostics.empty() ? "" : to_string(diagnostics[0]));
    return compiled ? YaraEngine(*compiled).scan(object, name, steady_clock::now() + time) : Outcome{};
}

TEST(YaraEngine, a_rule_that_matches_infects) {
    constexpr std::string_view rules = "rule Bad { strings: $a = \"evil\" condition: $a }";
    const Outcome hit = scan_with(rules, "something evil here");
    EXPECT_EQ(hit.verdict, Verdict::infected);
    EXPECT_EQ(hit.threat, "YARA.Bad");
    EXPECT_EQ(hit.engine, "yara");
    EXPECT_EQ(scan_with(rules, "nothing here").verdict, Verdict::clean);
    EXPECT_EQ(scan_with(rules, "").verdict, Verdict::clean);
}

TEST(YaraEngine, a_rule_that_only_tells_does_not_infect) {
    const Outcome outcome = scan_with(
        "rule Tagged : office info { condition: true }\n"
        "rule Meant { meta: effect = \"match\" condition: true }\n"
        "private rule Hidden { condition: true }",
        "x");
    EXPECT_EQ(outcome.verdict, Verdict::clean);
    EXPECT_EQ(outcome.matches, (std::vector<std::string>{"YARA.Tagged", "YARA.Meant"}));
}

TEST(YaraEngine, rules_read_the_objects_name) {
    constexpr std::string_view rules =
        "rule Name { condition: filename == \"b.EXE\" and filepath == \"a/b.EXE\" and extension == \".exe\" and owner == \"\" and filetype "
        "== \"\" }";
    EXPECT_EQ(scan_with(rules, "x", "a/b.EXE").verdict, Verdict::infected);
    EXPECT_EQ(scan_with(rules, "x", "").verdict, Verdict::clean);
}

TEST(YaraEngine, files_with_faults_are_named_with_their_lines) {
    const TemporaryFile good("rule Same { condition: true }");
    const TemporaryFile syntax("rule One { condition: true }\nrule Two { condition: tru }\n");
    const TemporaryFile again("rule Same { condition: true }\nrule Same { condition: true }\n");
    Diagnostics diagnostics;
    EXPECT_FALSE(YaraRules::compile({good.path(), syntax.path(), "/nonexistent.yar", again.path()}, diagnostics));
    ASSERT_EQ(diagnostics.size(), 3U);
    EXPECT_EQ(diagnostics[0].place.file, syntax.path());
    EXPECT_EQ(diagnostics[0].place.line, 2U);
    EXPECT_EQ(diagnostics[0].source_line, "rule Two { condition: tru }");
    EXPECT_EQ(diagnostics[1].place.file, "/nonexistent.yar");
    EXPECT_EQ(diagnostics[2].place.file, again.path());
    EXPECT_EQ(diagnostics[2].place.line, 2U);
    diagnostics.clear();
    const TemporaryFile twin("rule Same { condition: true }");
    EXPECT_TRUE(YaraRules::compile({good.path(), twin.path()}, diagnostics)) << "each file is a namespace";
    EXPECT_TRUE(YaraRules::compile({}, diagnostics));
}

TEST(YaraEngine, gives_up_in_time) {
    constexpr std::string_view rules = "rule Slow { condition: for all i in (0..1000000000) : ( uint8(i % 7) < 256 ) }";
    const auto began = steady_clock::now();
    const Outcome outcome = scan_with(rules, "0123456789", {}, 100ms);
    EXPECT_EQ(outcome.verdict, Verdict::unscannable);
    EXPECT_EQ(outcome.reason, Reason::timeout);
    EXPECT_LT(steady_clock::now() - began, 20s);
    EXPECT_EQ(scan_with(rules, "0123456789", {}, -1ms).reason, Reason::timeout);
}

std::size_t resident_kib() {
    std::ifstream status("/proc/self/status");
    std::string word;
    while (status >> word)
        if (word == "VmRSS:") {
            std::size_t kib = 0;
            status >> kib;
            return kib;
        }
    return 0;
}

TEST(YaraEngine, corpora_compile) {
    const auto corpus = test::corpus("yara");
    if (corpus.empty()) GTEST_SKIP() << "no corpora here";
    const std::size_t memory = resident_kib();
    const auto began = steady_clock::now();
    Diagnostics diagnostics;
    const auto rules = YaraRules::compile({corpus / "reversinglabs.yar", corpus / "bartblaze.yar"}, diagnostics);
    ASSERT_TRUE(rules) << to_string(diagnostics[0]);
    const auto compiled = steady_clock::now();
    EXPECT_FALSE(has_errors(diagnostics));
    YaraEngine engine(*rules);
    const std::string object(1 << 20, 'x');
    EXPECT_EQ(engine.scan(object, "x.bin", steady_clock::now() + 60s).verdict, Verdict::clean);
    const auto scanned = steady_clock::now();
    std::printf("%zu rules, %zu warnings: compiled in %.0f ms, %zu KiB; 1 MiB scanned in %.1f ms\n", rules->size(), diagnostics.size(),
                std::chrono::duration<double, std::milli>(compiled - began).count(), resident_kib() - memory,
                std::chrono::duration<double, std::milli>(scanned - compiled).count());
}

}  // namespace
}  // namespace sluice::inspect
