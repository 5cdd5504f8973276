// SPDX-License-Identifier: Apache-2.0
// One transaction before the policy: what is known of it, what the rules said so far, and why it does not go on. Knows no protocol's words.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "audit/event.h"
#include "audit/metrics.h"
#include "base/ip.h"
#include "policy/policy.h"
#include "policy/rate_limits.h"
#include "sessions/transaction/settings.h"

namespace sluice::sessions {

// Checks of our own, as denials name them.
inline constexpr std::string_view protect_host_name = "protect-host";
inline constexpr std::string_view no_rule_allows = "No rule allows it.";

// Why something does not go on: a rule's decision, or a check of our own. Views live as long as the policy; those about a payload as long as it.
struct Denial {
    policy::Action action = policy::Action::block;  // block, reset, redirect, quarantine, limit, authenticate
    const policy::Rule* rule = nullptr;  // null: no rule's doing
    std::string_view name;  // the rule's, or the check's: "protect-host"; empty: `[policy] default`
    std::string_view reason;  // in the rule's words, or the check's
    std::int64_t retry_after_seconds = 0;  // of `limit`
    std::string_view other_name = {};  // of a payload that is denied under one of its other names: that name
};
// Of a decision that ends the transaction.
Denial denial_of(const policy::Decision& decision);
// As events have it.
audit::Action action_of(const Denial& denial);
std::string_view reason_of(const Denial& denial);

class Judgement {
public:
    // Of the worker; they outlive it.
    struct Parts {
        policy::Scratch& scratch;
        policy::RateLimits& rate_limits;
        audit::MetricsShard& metrics;
    };
    Judgement(policy::Protocol protocol, Parts parts) : protocol_(protocol), parts_(parts) {}

    // A new transaction; facts and effects are empty. `settings` and `rules` live until the next `begin`.
    void begin(const Settings& settings, const Rules& rules);

    policy::Facts facts;
    policy::Effects effects;
    bool trusted = false;  // no further rule, and no engine
    bool allowed = false;  // by a rule: `[policy] default` does not count
    bool excuses_server = false;  // a rule that reads tls.server.verified lets it through
    std::string_view rule;  // the name of the last that decided: rule.name
    std::string_view
        identity;  // who the client has proven to be; empty: nobody. A rule `authenticate` whose users have it goes on, in `judge`

    const policy::Policy& policy() const { return *rules_->policy; }
    bool has_rules(policy::Phase phase) const { return policy().has_rules(phase, protocol_); }
    // What a client is known by: client.*, network.*, listener, time.*. `protocol`: a literal.
    void set_client(const IpPort& client, std::string_view listener, std::string_view protocol, std::int64_t unix_ns);
    void set_server(const IpAddress& address);  // server.ip and its country

    policy::Decision evaluate(policy::Phase phase, std::uint32_t from = 0);
    // Counts the rule and takes `allow` and `trust` as they are. A decision that ends the transaction is returned. `intercept` and `tunnel` are the
    // caller's to handle before, and count as nothing here. So is `authenticate`; who does not handle it gets a denial.
    std::optional<Denial> settle(const policy::Decision& decision, policy::Phase phase);
    // evaluate and settle, if there is anything to ask; at the end of `request` the default too. For protocols where `identity` is proven before. Whether
    // TLS is decrypted is not asked here: rules go on behind `intercept` and `tunnel`.
    std::optional<Denial> judge(policy::Phase phase);
    // Of `[policy] default`, once the rules of `phase` have not decided: at the end of `request`.
    std::optional<Denial> denial_by_default(policy::Phase phase) const;
    void count_rule(const policy::Rule& counted);
    // Those that tagged, and those that would have decided.
    void count_rules(const policy::Effects& effects);

    // An address that may be dialled, and what the rules of `dial` said of it.
    struct DialEffects {
        policy::Effects rules;
        std::vector<std::string_view> tags;
    };
    struct Candidate {
        IpPort address;
        bool trusted = false;
        const policy::Rule* rule = nullptr;
        DialEffects effects{};
    };
    // Before the addresses of a connection are judged: what rules of `dial` said before is of no connection that is used.
    void begin_dial();
    // `protect-host` and the rules of phase `dial`, for one address, as if it were the only one. nullopt: why not is in `dial_denial`.
    std::optional<Candidate> may_dial(const IpAddress& client, const IpPort& address);
    // The connection is to this one: what was said of it holds, and of the others is forgotten.
    void take(const Candidate& candidate);
    // None is connected to: what was said of the first of `candidates`, or of the last that was refused, is what the record says.
    void keep_effects_of(const Candidate& candidate);
    void keep_effects_of_denied();
    const std::optional<Denial>& dial_denial() const { return dial_denial_; }
    // Whether it was trusted before any address was judged: what a rule of `dial` trusts is an address.
    bool was_trusted_before_dial() const { return before_dial_ ? before_dial_->trusted : trusted; }

    // For `connect`: here, so that what was allocated serves the next connection.
    std::vector<Candidate> candidates;
    std::vector<IpPort> candidate_addresses;

private:
    // How far effects and tags had come when the first address was judged.
    struct BeforeDial {
        std::size_t edits = 0;
        std::size_t shadows = 0;
        std::size_t tag_rules = 0;
        std::size_t tags = 0;
        std::size_t tokens = 0;
        std::size_t inspections = 0;
        bool trusted = false;
        std::string_view rule;
    };
    DialEffects dial_effects(std::size_t tokens_before) const;
    void forget_dial_effects();
    void keep_dial_effects(const DialEffects& dial);
    void settle_tokens(const Candidate& candidate);

    const policy::Protocol protocol_;
    Parts parts_;
    const Settings* settings_ = nullptr;
    const Rules* rules_ = nullptr;
    std::optional<Denial> dial_denial_;  // why the last address may not be dialled
    DialEffects dial_denial_effects_;
    std::optional<BeforeDial> before_dial_;
};

}  // namespace sluice::sessions
