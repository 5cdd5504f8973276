// SPDX-License-Identifier: Apache-2.0
// Phase `dial`: each address is judged as if it were the only one, and what was said of it stays beside it until one is connected to.
#include <algorithm>
#include <span>

#include "sessions/transaction/judgement.h"

namespace sluice::sessions {

using policy::Action;
using policy::Field;
using policy::Phase;

void Judgement::begin_dial() {
    dial_denial_.reset();
    dial_denial_effects_ = {};
    candidates.clear();
    candidate_addresses.clear();
    if (before_dial_) forget_dial_effects();
}

std::optional<Judgement::Candidate> Judgement::may_dial(const IpAddress& client, const IpPort& address) {
    if (settings_->protect_host) {
        if (const auto why = settings_->protect_host->refuses(client, address)) {
            dial_denial_ = Denial{.name = protect_host_name, .reason = *why};
            dial_denial_effects_ = {};
            return std::nullopt;
        }
    }
    if (trusted || !has_rules(Phase::dial)) return Candidate{.address = address};
    forget_dial_effects();
    const std::size_t tokens_before = effects.tokens.size();
    set_server(address.address);
    const policy::Decision decision = evaluate(Phase::dial);
    facts.clear(Field::server_ip);
    facts.clear(Field::server_country);
    DialEffects said = dial_effects(tokens_before);
    forget_dial_effects();
    if (decision.action == Action::none || decision.action == Action::allow || decision.action == Action::trust)
        return Candidate{address, decision.action == Action::trust, decision.rule, std::move(said)};
    if (decision.rule) count_rule(*decision.rule);
    dial_denial_ = denial_of(decision);
    dial_denial_effects_ = std::move(said);
    return std::nullopt;
}

// What came since `before_dial_`.
Judgement::DialEffects Judgement::dial_effects(std::size_t tokens_before) const {
    DialEffects dial;
    const auto take_beyond = [](auto& to, const auto& all, std::size_t first) {
        const auto beyond = std::span(all).subspan(first);
        to.assign(beyond.begin(), beyond.end());
    };
    take_beyond(dial.rules.header_edits, effects.header_edits, before_dial_->edits);
    take_beyond(dial.rules.tags, effects.tags, before_dial_->tag_rules);
    take_beyond(dial.rules.shadows, effects.shadows, before_dial_->shadows);
    take_beyond(dial.rules.tokens, effects.tokens, tokens_before);
    take_beyond(dial.rules.inspections, effects.inspections, before_dial_->inspections);
    take_beyond(dial.tags, facts.tags(), before_dial_->tags);
    return dial;
}

// Tokens stay: those of a transaction that comes to nothing are spent.
void Judgement::forget_dial_effects() {
    if (!before_dial_) {
        before_dial_ = {effects.header_edits.size(),
                        effects.shadows.size(),
                        effects.tags.size(),
                        facts.tags().size(),
                        effects.tokens.size(),
                        effects.inspections.size(),
                        trusted,
                        rule};
        return;
    }
    effects.header_edits.resize(before_dial_->edits);
    effects.shadows.resize(before_dial_->shadows);
    effects.tags.resize(before_dial_->tag_rules);
    effects.inspections.resize(before_dial_->inspections);
    facts.keep_tags(before_dial_->tags);
    trusted = before_dial_->trusted;
    rule = before_dial_->rule;
}

void Judgement::keep_dial_effects(const DialEffects& dial) {
    if (!before_dial_) return;
    forget_dial_effects();
    const auto append = [](auto& to, const auto& from) { to.insert(to.end(), from.begin(), from.end()); };
    append(effects.header_edits, dial.rules.header_edits);
    append(effects.shadows, dial.rules.shadows);
    append(effects.tags, dial.rules.tags);
    append(effects.inspections, dial.rules.inspections);
    for (const std::string_view tag : dial.tags) facts.add_tag(tag);
}

// What was taken for addresses that are not connected to goes back, unless this one wanted it as well.
void Judgement::settle_tokens(const Candidate& candidate) {
    if (!before_dial_) return;
    auto& tokens = effects.tokens;
    std::size_t kept = before_dial_->tokens;
    for (std::size_t i = kept; i < tokens.size(); ++i) {
        if (!tokens[i].taken) continue;
        const auto wanted = [&](const policy::RateLimits::Token& asked) { return asked.is_of_bucket_of(tokens[i]); };
        if (std::ranges::any_of(candidate.effects.rules.tokens, wanted)) tokens[kept++] = tokens[i];
        else parts_.rate_limits.give_back(tokens[i]);
    }
    tokens.resize(kept);
}

void Judgement::take(const Candidate& candidate) {
    keep_dial_effects(candidate.effects);
    settle_tokens(candidate);
    trusted = trusted || candidate.trusted;
    if (candidate.rule) {
        rule = candidate.rule->name;
        count_rule(*candidate.rule);
    }
    set_server(candidate.address.address);
}

void Judgement::keep_effects_of(const Candidate& candidate) { keep_dial_effects(candidate.effects); }

void Judgement::keep_effects_of_denied() { keep_dial_effects(dial_denial_effects_); }

}  // namespace sluice::sessions
