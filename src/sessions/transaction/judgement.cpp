// SPDX-License-Identifier: Apache-2.0
#include "sessions/transaction/judgement.h"

#include "base/clock.h"
#include "policy/users.h"

namespace sluice::sessions {

using policy::Action;
using policy::Field;
using policy::Phase;

Denial denial_of(const policy::Decision& decision) {
    Denial denial{.action = decision.action, .rule = decision.rule, .name = {}, .reason = {}};
    denial.retry_after_seconds = decision.retry_after_seconds;
    if (!decision.rule) return denial;
    denial.name = decision.rule->name;
    denial.reason = decision.rule->reason;
    return denial;
}

audit::Action action_of(const Denial& denial) {
    switch (denial.action) {
        case Action::reset: return audit::Action::reset;
        case Action::limit: return audit::Action::limited;
        case Action::quarantine: return audit::Action::quarantined;
        default: return audit::Action::blocked;
    }
}

std::string_view reason_of(const Denial& denial) { return denial.reason.empty() && denial.name.empty() ? no_rule_allows : denial.reason; }

void Judgement::begin(const Settings& settings, const Rules& rules) {
    settings_ = &settings;
    rules_ = &rules;
    facts.clear();
    effects.clear();
    trusted = allowed = excuses_server = false;
    rule = identity = {};
    dial_denial_.reset();
    before_dial_.reset();
}

void Judgement::set_client(const IpPort& client, std::string_view listener, std::string_view protocol, std::int64_t unix_ns) {
    facts.set(Field::client_ip, client.address);
    facts.set(Field::client_port, client.port);
    facts.set(Field::listener, listener);
    facts.set(Field::network_protocol, protocol);
    facts.set(Field::network_transport, std::string_view("tcp"));
    if (policy().reads(Field::client_country))
        if (const std::string_view country = settings_->country_of(client.address); !country.empty())
            facts.set(Field::client_country, country);
    policy().set_time(facts, parts_.scratch, unix_ns / 1'000'000'000);
}

void Judgement::set_server(const IpAddress& address) {
    facts.set(Field::server_ip, address);
    if (!policy().reads(Field::server_country)) return;
    const std::string_view country = settings_->country_of(address);
    if (country.empty()) facts.clear(Field::server_country);
    else facts.set(Field::server_country, country);
}

policy::Decision Judgement::evaluate(Phase phase, std::uint32_t from) {
    return policy().evaluate(phase, protocol_, facts, parts_.scratch, effects, parts_.rate_limits, steady_ns(), from);
}

std::optional<Denial> Judgement::settle(const policy::Decision& decision, Phase phase) {
    switch (decision.action) {
        case Action::none:
        case Action::intercept:
        case Action::tunnel: return std::nullopt;
        default: break;
    }
    if (decision.rule) {
        count_rule(*decision.rule);
        rule = decision.rule->name;
    }
    switch (decision.action) {
        case Action::trust:                              // of the rules and the engines; who the server is, is another question
            trusted = true;
            excuses_server = excuses_server || decision.rule->reads_verification;
            return std::nullopt;
        case Action::allow:
            allowed = allowed || phase <= Phase::request;
            excuses_server = excuses_server || decision.rule->reads_verification;
            return std::nullopt;
        default: return denial_of(decision);
    }
}

std::optional<Denial> Judgement::judge(Phase phase) {
    if (trusted) return std::nullopt;
    if (has_rules(phase)) {
        policy::Decision decision = evaluate(phase);
        const auto is_proven = [&] {
            return decision.action == Action::authenticate && !identity.empty() && decision.rule->users->has(identity);
        };
        while (decision.action == Action::intercept || decision.action == Action::tunnel || is_proven()) {
            if (decision.action == Action::authenticate) {
                count_rule(*decision.rule);
                facts.set(policy::Field::user_name, identity);
            }
            decision = evaluate(phase, decision.next);
        }
        if (auto denial = settle(decision, phase)) return denial;
        if (trusted || decision.action == Action::allow) return std::nullopt;
    }
    return denial_by_default(phase);
}

std::optional<Denial> Judgement::denial_by_default(Phase phase) const {
    if (phase != Phase::request || allowed || policy().default_action() != Action::block) return std::nullopt;
    return Denial{.name = {}, .reason = no_rule_allows};
}

void Judgement::count_rules(const policy::Effects& counted) {
    for (const policy::Rule* tagging : counted.tags) count_rule(*tagging);
    for (const policy::Rule* shadow : counted.shadows) count_rule(*shadow);
}

void Judgement::count_rule(const policy::Rule& counted) {
    const auto index = static_cast<std::size_t>(&counted - policy().all_rules().data());
    if (index < rules_->slots.size()) parts_.metrics.rule_matched(rules_->slots[index]);
}

}  // namespace sluice::sessions
