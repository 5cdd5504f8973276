// SPDX-License-Identifier: Apache-2.0
// Policies in a few words, for tests.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "policy/policy.h"

namespace sluice::policy::testing {

// A value as if it stood in rules.toml at `line`, after `when = '`.
inline Text text(std::string_view value, std::size_t line = 1) {
    return Text{std::string(value), Place{"rules.toml", line, 9}, "when = '" + std::string(value) + "'"};
}

inline RuleSource rule(std::string_view name, std::string_view when, std::string_view action) {
    RuleSource source;
    source.place = {"rules.toml", 1, 1};
    source.name = text(name);
    if (!when.empty()) source.when = text(when);
    source.action = text(action);
    return source;
}

inline ListSource list(std::string_view name, std::string_view type, std::vector<std::string_view> values) {
    ListSource source{.name = text(name), .type = text(type), .file = {}, .values = {}, .place = {"rules.toml", 1, 1}, .source_line = {}};
    for (const std::string_view value : values) source.values.push_back(text(value));
    return source;
}

inline std::string said(const Diagnostics& diagnostics) {
    std::string out;
    for (const Diagnostic& diagnostic : diagnostics) out += to_string(diagnostic);
    return out;
}

inline std::shared_ptr<const Policy> compile(std::vector<RuleSource> rules, std::vector<ListSource> lists = {}) {
    PolicySource source;
    source.rules = std::move(rules);
    source.lists = std::move(lists);
    Diagnostics diagnostics;
    auto policy = Policy::compile(source, diagnostics, nullptr);
    EXPECT_TRUE(policy) << said(diagnostics);
    return policy;
}

// What compiling says: faults and warnings as a person reads them.
inline std::string faults(std::vector<RuleSource> rules, std::vector<ListSource> lists = {}) {
    PolicySource source;
    source.rules = std::move(rules);
    source.lists = std::move(lists);
    Diagnostics diagnostics;
    const auto policy = Policy::compile(source, diagnostics, nullptr);
    EXPECT_EQ(policy == nullptr, has_errors(diagnostics));
    return said(diagnostics);
}

inline std::string faults(std::string_view when, std::vector<ListSource> lists = {}) {
    return faults({rule("r", when, "block")}, std::move(lists));
}

// One transaction against a policy.
struct Trial {
    explicit Trial(std::shared_ptr<const Policy> p) : policy(std::move(p)) {}
    Trial(std::shared_ptr<const Policy> p, std::string_view path) : policy(std::move(p)) { facts.set(Field::url_path, path); }

    Decision judge(Phase phase, std::uint32_t from = 0, Protocol protocol = Protocol::http) {
        return policy->evaluate(phase, protocol, facts, scratch, effects, limits, now, from);
    }
    // The name of the rule that decided, or "".
    std::string decided(Phase phase, std::uint32_t from = 0) {
        const Decision decision = judge(phase, from);
        EXPECT_EQ(decision.rule == nullptr, decision.action == Action::none);
        return decision.rule == nullptr ? "" : decision.rule->name;
    }

    std::shared_ptr<const Policy> policy;
    Facts facts;
    Scratch scratch;
    Effects effects;
    RateLimits limits;
    std::int64_t now = 0;
};

// Whether one condition holds for facts that `fill` sets, in phase `request` or, where it belongs elsewhere, in its own.
template <class F>
bool holds(std::string_view when, F&& fill, std::vector<ListSource> lists = {}) {
    Trial trial(compile({rule("r", when, "block")}, std::move(lists)));
    if (!trial.policy) return false;
    fill(trial.facts);
    return trial.judge(*trial.policy->rules()[0].phase(Protocol::http)).rule == trial.policy->rules().data();
}

}  // namespace sluice::policy::testing
