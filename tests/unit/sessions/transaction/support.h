// SPDX-License-Identifier: Apache-2.0
// A judgement with what it needs around it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "audit/metrics.h"
#include "sessions/transaction/judgement.h"
#include "unit/policy/rules.h"

namespace sluice::sessions::testing {

using policy::testing::rule;
using policy::testing::text;

inline IpAddress address(std::string_view written) { return IpAddress::parse(written).value(); }

struct Court {
    explicit Court(std::vector<policy::RuleSource> sources, std::string_view default_action = "allow",
                   policy::Protocol protocol = policy::Protocol::ftp)
        : judgement(protocol, {scratch, limits, metrics.worker(0)}) {
        policy::PolicySource source;
        source.rules = std::move(sources);
        source.default_action = text(default_action);
        Diagnostics diagnostics;
        rules.policy = policy::Policy::compile(source, diagnostics, nullptr);
        EXPECT_TRUE(rules.policy) << policy::testing::said(diagnostics);
        std::vector<std::string_view> names;
        for (const policy::Rule& each : rules.policy->all_rules()) names.push_back(each.name);
        rules.slots = metrics.rule_slots(names);
        begin();
    }

    // A transaction of a client at 192.0.2.1.
    void begin() {
        judgement.begin(settings, rules);
        judgement.set_client({address("192.0.2.1"), 1}, "127.0.0.1:2121", "ftp", 0);
    }
    // The name of what denies, "-" for what is let through.
    static std::string_view name_of(const std::optional<Denial>& denial) { return denial ? denial->name : "-"; }
    std::optional<Judgement::Candidate> may_dial(std::string_view server) {
        return judgement.may_dial(address("192.0.2.1"), {address(server), 21});
    }
    std::vector<std::string> tags() const { return {judgement.facts.tags().begin(), judgement.facts.tags().end()}; }
    std::uint64_t matches(std::string_view name) const {
        for (const auto& [known, count] : metrics.snapshot().rules)
            if (known == name) return count;
        return 0;
    }

    policy::Scratch scratch;
    policy::RateLimits limits;
    audit::Metrics metrics{1};
    Settings settings;
    Rules rules;
    Judgement judgement;
};

}  // namespace sluice::sessions::testing
