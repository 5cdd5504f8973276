// SPDX-License-Identifier: Apache-2.0
// YARA over whole objects (libyara). Rules are compiled once, in the supervisor; the scanners inherit them by fork, each with a scanner of its own.
//
// A rule that matches makes the object infected, as `YARA.<rule>`, unless its author says that it only tells something: by the tag `info`, or by a
// meta `effect = "match"` (the word that signature files use). Such a rule's name goes to scan.match. Private rules are never told, as in YARA.
//
// Each file is a namespace: two files may have a rule of the same name, and a global rule is global in its own file.
// External variables that rule packs expect are defined: `filename` (the last segment of the object's name), `filepath` (all of it), `extension`
// (".exe": with the dot, lower case), `filetype` and `owner` (always empty).
#pragma once

#include "base/diagnostic.h"
#include "inspect/verdict.h"

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct YR_RULES;
struct YR_SCAN_CONTEXT;

namespace sluice::inspect {

// Compiled rules; immutable.
class YaraRules {
public:
    // Reads and compiles the files, and what they include. Null where a file has a fault; all faulty files are told, each with its first faults.
    // Warnings are told too, and are no reason to refuse.
    static std::unique_ptr<YaraRules> compile(const std::vector<std::string>& files, Diagnostics& diagnostics);
    ~YaraRules();
    YaraRules(const YaraRules&) = delete;
    YaraRules& operator=(const YaraRules&) = delete;

    std::size_t size() const;  // rules

private:
    friend class YaraEngine;
    explicit YaraRules(YR_RULES* rules) : rules_(rules) {}
    YR_RULES* rules_;
};

// Scans with the rules, which outlive it. One scan at a time.
class YaraEngine {
public:
    explicit YaraEngine(const YaraRules& rules);  // throws std::bad_alloc
    ~YaraEngine();
    YaraEngine(const YaraEngine&) = delete;
    YaraEngine& operator=(const YaraEngine&) = delete;

    // `timeout` where it is not done by then, checked about every megabyte and in loops; clean; infected.
    Outcome scan(std::string_view object, std::string_view name, std::chrono::steady_clock::time_point deadline);

private:
    YR_SCAN_CONTEXT* scanner_ = nullptr;
};

}  // namespace sluice::inspect
