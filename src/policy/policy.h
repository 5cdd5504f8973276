// SPDX-License-Identifier: Apache-2.0
// The compiled policy: immutable, shared by all workers, swapped whole. Evaluating looks nothing up by name and allocates nothing.
//
// How a session asks (HTTP): at accept, phase `connect` with the client's facts. For each request: a CONNECT sets url.domain, url.port and
// the method and asks `connect` again, then `request`; any other request asks `request`. Then `dial` for each address with server.ip, then
// `response`. `evaluate` sees from the facts which occurrence it is – `connect` with url.domain known is the CONNECT's, `request` with the
// method CONNECT is its second half – and judges each rule once per transaction. `trust` ends all later phases; `block`, `reset`, `redirect`,
// `quarantine` and `limit` end the transaction; `allow` and none go on. Where nothing decided by the end of `request`, the caller applies
// default_action().
//
// SMTP: `connect` at accept and, with smtp.helo, at each HELO; `dial`; for each message `request` without smtp.rcpt_to for its sender, then `request` with
// one recipient there for each of them (the facts' tags being those of the sender again, `Facts::keep_tags`: what was said of one recipient is not said of
// the next; the message has them all). Rules that read smtp.rcpt_to, or tags that hang on it, judge recipients alone. The others judge the sender, and for
// each recipient they stand in their places once more: what an `allow` of them lets through no rule below refuses. But a `limit` of them has counted at the
// sender, once a message. default_action() is asked for at recipients, not at the sender. `payload` and `verdict` come for each part and then once for the
// message; a `limit` takes no second token of a bucket there. So effects are cleared with each message.
//
// Payloads: for each direction `payload` (with payload.direction, file.* and nothing released), then inspect_options(); at the end `verdict`,
// with scan.* and Facts::set_body_found, once for each member of an archive and once for the whole. The facts of one payload are cleared
// before the next one's are set. `verdict` is asked whatever rules there are: `malware` and `unscanned` are judged there too.
#pragma once

#include <bitset>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostic.h"
#include "policy/body_pattern.h"
#include "policy/facts.h"
#include "policy/field.h"
#include "policy/lists/lists.h"
#include "policy/rate_limits.h"
#include "policy/rule.h"
#include "policy/source.h"

namespace sluice::policy {

// A forgotten assignment fails closed.
struct [[nodiscard]] Decision {
    Action action = Action::block;  // none: no rule decided
    const Rule* rule = nullptr;  // lives as long as the policy; null for none
    std::uint32_t next = 0;  // after `authenticate` with good credentials: evaluate again `from` here
    std::int64_t retry_after_seconds = 0;  // of `limit`, at least 1
};

// What rules did that do not decide, over all phases of one transaction; reused for the next one. In the order of the rules.
struct Effects {
    std::vector<const Rule*> header_edits;  // set_… and remove_…, of both directions, to be applied in order
    std::vector<const Rule*> tags;  // `tag` rules that held (the tags themselves are in Facts::tags)
    std::vector<const Rule*> shadows;  // rules in shadow mode that would have acted
    RateLimits::Tokens
        tokens;  // that `limit` rules asked for where one transaction is judged more than once: `dial`; SMTP's HELO and payloads
    struct Inspection {  // an `inspect` rule that held
        const Rule* rule = nullptr;
        Direction direction = Direction::either;  // of the payloads that it is about
    };
    std::vector<Inspection> inspections;  // inspect_options() makes sense of them
    void clear() {
        header_edits.clear();
        tags.clear();
        shadows.clear();
        tokens.clear();
        inspections.clear();
    }
};

// How one rule came out, for `sluice explain`.
struct RuleTrace {
    enum class Outcome : std::uint8_t {
        decided,  // this one
        effect,  // held, and does not decide
        shadow,  // held, in shadow mode
        no_match,  // false; `missing` names a field it reads that is not known, if any
        not_reached,  // an earlier rule had decided
        other_protocol,  // does not apply to this protocol
    };
    const Rule* rule = nullptr;
    Outcome outcome = Outcome::no_match;
    std::string_view missing;  // a field's name, or empty
};
std::string_view to_string(RuleTrace::Outcome outcome);

// One of the checks that are always there unless turned off by name.
struct Builtin {
    std::string name;
    std::string when;  // in words, or as a rule would say it
    std::string_view phase;
    bool on = true;
};

class Program;  // policy/program.h: conditions and their indexes

// A worker's memory for evaluating. Works with any policy, one call at a time; grows to what a policy needs at the first use.
class Scratch {
public:
    Scratch();
    ~Scratch();
    Scratch(Scratch&&) noexcept;
    Scratch& operator=(Scratch&&) noexcept;

    struct State;
    State& state() { return *state_; }

private:
    std::unique_ptr<State> state_;
};

class Policy {
public:
    // Null where `diagnostics` got an error; every fault of the source is reported, warnings too. `previous`: lists that did not change are
    // shared with it, and a list that came out bad or shrunk keeps its content.
    static std::shared_ptr<const Policy> compile(const PolicySource& source, Diagnostics& diagnostics, const Policy* previous);
    ~Policy();
    Policy(const Policy&) = delete;
    Policy& operator=(const Policy&) = delete;

    // Judges one occurrence of `phase`: rules in file order, from index `from` on, up to the first that decides. `tag` rules add to `facts`.
    // `now_ns`: of a steady clock, for rate limits.
    Decision evaluate(Phase phase, Protocol protocol, Facts& facts, Scratch& scratch, Effects& effects, RateLimits& limits,
                      std::int64_t now_ns, std::uint32_t from = 0) const;
    // Whether any rule is judged in that phase (in `connect`: at accept or for a CONNECT), so that a session may leave facts unset.
    bool has_rules(Phase phase, Protocol protocol) const;
    // The same without the built-in ones, which read what a verdict says and nothing else.
    bool has_own_rules(Phase phase, Protocol protocol) const;
    // Whether a rule of `inspect` that is judged in that protocol may have something wait as a whole.
    bool may_hold(Protocol protocol) const;
    // Whether any rule that is judged in that protocol may edit a message's header, or add its tags to it.
    bool may_add_header(Protocol protocol) const;
    // Whether any rule reads the field in any way: what is costly to know need not be set otherwise.
    bool reads(Field field) const { return reads_.test(static_cast<std::size_t>(field)); }
    // Sets time.hour and time.weekday in local time (TZ), if a rule reads them.
    void set_time(Facts& facts, Scratch& scratch, std::int64_t unix_seconds) const;

    Action default_action() const { return default_action_; }  // allow or block
    std::span<const Rule> rules() const { return std::span(rules_).first(own_rules_); }  // the user's, in file order
    // Those and, behind them, `malware` and `unscanned` as far as they are on: every rule that a decision may name.
    std::span<const Rule> all_rules() const { return rules_; }
    // What payloads are to be searched for, each once; a pattern's place is its number in Facts::set_body_found.
    std::span<const BodyPattern> body_patterns() const;
    std::span<const Builtin> builtins() const { return builtins_; }
    bool protect_host() const { return builtins_[0].on; }
    const Lists& lists() const { return *lists_; }  // with a report for each: entries, bad lines, whether it was kept

    // Every rule of the phase and how it comes out; nothing is counted against a limit. Adds tags to `facts` as `evaluate` does.
    // `authenticate` lets pass where user.name is set.
    std::vector<RuleTrace> trace(Phase phase, Protocol protocol, Facts& facts) const;

private:
    Policy();

    // A built-in rule for payloads.
    struct PayloadCheck {
        std::uint32_t rule = 0;  // in rules_
        bool (*holds)(const Facts& facts) = nullptr;
    };

    Decision evaluate_own(Phase phase, Protocol protocol, Facts& facts, Scratch& scratch, Effects& effects, RateLimits& limits,
                          std::int64_t now_ns, std::uint32_t from) const;

    std::vector<Rule> rules_;  // the user's, and behind them the built-in ones
    std::size_t own_rules_ = 0;
    std::vector<PayloadCheck> payload_checks_;
    std::vector<Builtin> builtins_;
    std::shared_ptr<const Lists> lists_;
    std::unique_ptr<const Program> program_;
    std::bitset<field_count> reads_;
    Action default_action_ = Action::allow;
};

}  // namespace sluice::policy
