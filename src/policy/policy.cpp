// SPDX-License-Identifier: Apache-2.0
#include "policy/policy.h"

#include <algorithm>
#include <ctime>
#include <tuple>

#include <fmt/format.h>

#include "base/text.h"
#include "policy/builtin.h"
#include "policy/placement.h"
#include "policy/program.h"
#include "policy/rule_compiler.h"

namespace sluice::policy {
namespace {

constexpr std::int64_t nanoseconds = 1'000'000'000;

// Lists as the loader wants them, and the names that rules may use – those with a fault of their own too.
struct ListNames {
    std::vector<ListSpec> specs;
    std::vector<ListName> names;
};

ListNames name_lists(const PolicySource& source, Diagnostics& diagnostics) {
    ListNames out;
    for (const ListSource& list : source.lists) {
        ListName name{list.name.value, find_list_type(list.type.value), 0};
        const bool twice = std::ranges::find(out.names, name.name, &ListName::name) != out.names.end();
        if (twice) diagnostics.push_back(at(list.name, 0, fmt::format("there are two lists of the name `{}`", name.name)));
        if (!name.type) {
            constexpr std::array<std::string_view, 5> types{"domain", "ip", "sha256", "url", "string"};
            const std::string_view nearest = nearest_name(list.type.value, types);
            diagnostics.push_back(at(list.type, 0,
                                     fmt::format("unknown type of list `{}`{}", list.type.value,
                                                 nearest.empty() ? "; there are domain, ip, sha256, url and string"
                                                                 : fmt::format("; did you mean `{}`?", nearest))));
        }
        if (name.type && !twice) {
            ListSpec spec{.name = name.name,
                          .type = *name.type,
                          .file = list.file ? list.file->value : "",
                          .values = {},
                          .place = list.place,
                          .source_line = list.source_line};
            for (const Text& value : list.values) spec.values.push_back(value.value);
            out.specs.push_back(std::move(spec));
        }
        out.names.push_back(std::move(name));
    }
    return out;
}

void report(const PlacementFault& fault, const RuleSource& source, Diagnostics& diagnostics) {
    const auto severity = fault.warning ? Diagnostic::Severity::warning : Diagnostic::Severity::error;
    const std::optional<Text>* text = &source.name;
    if (fault.key == PlacementFault::Key::when) text = &source.when;
    if (fault.key == PlacementFault::Key::phase) text = &source.phase;
    if (fault.key == PlacementFault::Key::action) text = &source.action;
    if (fault.key == PlacementFault::Key::ranges) text = &source.ranges;
    if (*text) diagnostics.push_back(at(**text, 0, fault.message, severity));
    else diagnostics.push_back({source.place, fault.message, source.source_line, severity});
}

Action default_action(const PolicySource& source, Diagnostics& diagnostics) {
    if (!source.default_action || source.default_action->value == "allow") return Action::allow;
    if (source.default_action->value != "block")
        diagnostics.push_back(at(*source.default_action, 0, "the default is \"allow\" or \"block\""));
    return Action::block;
}

// A session, like a browser, takes a wait in whole seconds, at least one.
std::int64_t seconds_until(std::int64_t wait_ns) { return (wait_ns + nanoseconds - 1) / nanoseconds; }

void note(std::vector<const Rule*>& rules, const Rule& rule) {
    if (std::ranges::find(rules, &rule) == rules.end()) rules.push_back(&rule);
}

// A rule that was judged for one payload is about that one; another is about those that its fields are pinned to.
void note_inspection(Effects& effects, const Rule& rule, Phase phase, const Facts& facts) {
    Direction direction = rule.direction;
    if (phase == Phase::payload && facts.has(Field::payload_direction))
        direction = facts.text(Field::payload_direction) == "upload" ? Direction::upload : Direction::download;
    const auto same = [&](const Effects::Inspection& other) { return other.rule == &rule && other.direction == direction; };
    if (std::ranges::none_of(effects.inspections, same)) effects.inspections.push_back({&rule, direction});
}

// Whether a phase may come more than once in what is to be counted once: each address of a server; HELO again after STARTTLS; each part of a message.
bool is_counted_once(Phase phase, Protocol protocol) {
    return phase == Phase::dial || (protocol == Protocol::smtp && (phase == Phase::connect || phase >= Phase::payload));
}

// A field of one direction pins the rule to it (it matters where a payload goes one way or the other).
bool goes_its_way(const Rule& rule, Phase phase, const Facts& facts) {
    if (rule.direction == Direction::either || phase < Phase::payload) return true;
    return facts.has(Field::payload_direction) &&
           facts.text(Field::payload_direction) == (rule.direction == Direction::upload ? "upload" : "download");
}

}  // namespace

struct Scratch::State {
    Workspace space;
    std::int64_t minute = -1;  // since 1970, of the two below
    std::int64_t minute_of_day = 0;
    std::int64_t weekday = 1;
};

Scratch::Scratch() : state_(std::make_unique<State>()) {}
Scratch::~Scratch() = default;
Scratch::Scratch(Scratch&&) noexcept = default;
Scratch& Scratch::operator=(Scratch&&) noexcept = default;

Policy::Policy() = default;
Policy::~Policy() = default;

std::shared_ptr<const Policy> Policy::compile(const PolicySource& source, Diagnostics& diagnostics, const Policy* previous) {
    const auto errors = [&] { return std::ranges::count(diagnostics, Diagnostic::Severity::error, &Diagnostic::severity); };
    const auto before = errors();
    std::shared_ptr<Policy> policy(new Policy);
    policy->default_action_ = sluice::policy::default_action(source, diagnostics);
    Rule malware = malware_rule();
    Rule unscanned = unscanned_rule();
    policy->builtins_ = {
        {"protect-host", "the address is this machine, its networks' own, cloud metadata, multicast or a listener of Sluice",
         "dial, before your rules", source.protect_host},
        {malware.name, malware.when, "verdict, after your rules", source.malware},
        {unscanned.name, unscanned.when, "verdict, after your rules", source.unscanned}};

    ListNames lists = name_lists(source, diagnostics);
    policy->lists_ = Lists::load(lists.specs, diagnostics, previous == nullptr ? nullptr : &previous->lists());
    for (ListName& name : lists.names) name.id = policy->lists_->find(name.name).value_or(0);

    AtomTable table;
    std::vector<CompiledRule> compiled;
    for (const RuleSource& rule : source.rules) { compiled.push_back(compile_rule(rule, lists.names, table, diagnostics)); }
    std::vector<std::string_view> names;
    for (std::size_t i = 0; i < compiled.size(); ++i) { names.push_back(compiled[i].rule.name); }
    std::ranges::sort(names);
    for (std::size_t i = 0; i < compiled.size(); ++i) {
        const std::string& name = compiled[i].rule.name;
        if (name.empty() || std::ranges::upper_bound(names, name) - std::ranges::lower_bound(names, name) < 2) continue;
        const bool first = std::ranges::find(compiled, name, [](const CompiledRule& rule) { return std::string_view(rule.rule.name); }) ==
                           compiled.begin() + static_cast<std::ptrdiff_t>(i);
        if (!first) diagnostics.push_back(at(*source.rules[i].name, 0, fmt::format("there is a rule of the name `{}` above", name)));
    }

    // Rules with a fault of their own have no place; the others' faults are said all the same.
    std::vector<PlacementInput> inputs;
    std::vector<std::size_t> origins;
    for (std::size_t i = 0; i < compiled.size(); ++i) {
        if (!compiled[i].good) continue;
        inputs.push_back({&compiled[i].rule, &compiled[i].condition, compiled[i].asked_phase});
        origins.push_back(i);
    }
    std::vector<PlacementFault> faults;
    const std::vector<Moments> moments = place_rules(inputs, faults);
    warn_of_unknown_fields(inputs, moments, source.knows_countries, faults);
    warn_of_overtaking(inputs, moments, faults);
    std::ranges::sort(faults, {}, [](const PlacementFault& fault) { return std::tuple(fault.rule, fault.warning, fault.key); });
    for (const PlacementFault& fault : faults) report(fault, source.rules[origins[fault.rule]], diagnostics);
    if (errors() != before) return nullptr;

    std::vector<Condition> conditions;
    for (std::size_t i = 0; i < compiled.size(); ++i) {
        Rule& rule = compiled[i].rule;
        for (std::size_t p = 0; p < protocol_count; ++p)
            if (moments[i][p] != Moment::never) rule.phases[p] = phase_of(moments[i][p]);
        if (moments[i][0] == Moment::named) {
            rule.connect_judges_connect = true;
            rule.phases[0] = Phase::request;
        }
        rule.judges_recipients = moments[i][static_cast<std::size_t>(Protocol::smtp)] == Moment::recipient;
        policy->reads_ |= compiled[i].condition.reads;
        for (const RateLimit::Key& key : rule.limit.per) policy->reads_.set(static_cast<std::size_t>(key.field));
        policy->rules_.push_back(std::move(rule));
        conditions.push_back(std::move(compiled[i].condition));
    }
    policy->own_rules_ = policy->rules_.size();
    const auto add_check = [&](Rule rule, bool (*holds)(const Facts&)) {
        policy->payload_checks_.push_back({static_cast<std::uint32_t>(policy->rules_.size()), holds});
        policy->rules_.push_back(std::move(rule));
        for (const Field field : {Field::scan_verdict, Field::scan_reason}) policy->reads_.set(static_cast<std::size_t>(field));
    };
    if (source.malware) add_check(std::move(malware), is_malware);
    if (source.unscanned) add_check(std::move(unscanned), is_unscanned);
    policy->program_ = std::make_unique<const Program>(std::move(table), std::move(conditions), moments, policy->lists_);
    return policy;
}

Decision Policy::evaluate(Phase phase, Protocol protocol, Facts& facts, Scratch& scratch, Effects& effects, RateLimits& limits,
                          std::int64_t now_ns, std::uint32_t from) const {
    const Decision own = evaluate_own(phase, protocol, facts, scratch, effects, limits, now_ns, from);
    const bool goes_on = own.action == Action::none || (own.action == Action::allow && !own.rule->reads_scan);
    if (phase != Phase::verdict || !goes_on) return own;
    for (const PayloadCheck& check : payload_checks_)
        if (check.holds(facts)) return {.action = rules_[check.rule].action, .rule = &rules_[check.rule], .next = check.rule + 1};
    return own;
}

Decision Policy::evaluate_own(Phase phase, Protocol protocol, Facts& facts, Scratch& scratch, Effects& effects, RateLimits& limits,
                              std::int64_t now_ns, std::uint32_t from) const {
    const Occasion occasion = occasion_of(phase, protocol, facts);
    const Program::Judged& judged = program_->judged(protocol, occasion);
    if (judged.rules.empty()) return {.action = Action::none};
    Program::Run run(*program_, judged, facts, scratch.state().space);
    while (const auto index = run.next(from)) {
        from = *index + 1;
        const Rule& rule = rules_[*index];
        if (!goes_its_way(rule, phase, facts)) continue;
        std::int64_t wait = 0;
        if (rule.action == Action::limit) {
            if (occasion == Occasion::recipient && !rule.judges_recipients) continue;  // it has counted the sender
            wait = limits.take(rule.limit, facts, now_ns, is_counted_once(phase, protocol) ? &effects.tokens : nullptr);
            if (wait == 0) continue;
        }
        if (rule.shadow) {
            note(effects.shadows, rule);
            continue;
        }
        if (rule.action == Action::tag) {
            note(effects.tags, rule);
            bool changed = false;
            for (const std::string& tag : rule.tags) changed |= facts.add_tag(tag);
            if (changed) run.tags_changed();
            continue;
        }
        if (is_edit(rule.action)) {
            note(effects.header_edits, rule);
            continue;
        }
        if (rule.action == Action::inspect) {
            note_inspection(effects, rule, phase, facts);
            continue;
        }
        return {.action = rule.action, .rule = &rule, .next = from, .retry_after_seconds = seconds_until(wait)};
    }
    return {.action = Action::none};
}

bool Policy::has_rules(Phase phase, Protocol protocol) const {
    return has_own_rules(phase, protocol) || (phase == Phase::verdict && !payload_checks_.empty());
}

bool Policy::has_own_rules(Phase phase, Protocol protocol) const {
    const auto any = [&](Occasion occasion) { return !program_->judged(protocol, occasion).rules.empty(); };
    switch (phase) {
        case Phase::connect: return any(Occasion::accept) || any(Occasion::named);
        case Phase::tls: return any(Occasion::tls);
        case Phase::request: return any(Occasion::request) || any(Occasion::connected) || any(Occasion::recipient);
        case Phase::dial: return any(Occasion::dial);
        case Phase::response: return any(Occasion::response);
        case Phase::payload: return any(Occasion::payload);
        case Phase::verdict: return any(Occasion::verdict);
    }
    return true;
}

bool Policy::may_hold(Protocol protocol) const {
    return std::ranges::any_of(rules(), [&](const Rule& rule) {
        return rule.action == Action::inspect && !rule.shadow && rule.phase(protocol) && rule.inspect.deliver == Deliver::hold;
    });
}

bool Policy::may_add_header(Protocol protocol) const {
    return std::ranges::any_of(rules(), [&](const Rule& rule) { return policy::may_add_header(rule, protocol); });
}

std::span<const BodyPattern> Policy::body_patterns() const { return program_->body_patterns(); }

void Policy::set_time(Facts& facts, Scratch& scratch, std::int64_t unix_seconds) const {
    if (!reads(Field::time_hour) && !reads(Field::time_weekday)) return;
    Scratch::State& state = scratch.state();
    if (state.minute != unix_seconds / 60) {  // the C library locks and may read a file: once a minute
        state.minute = unix_seconds / 60;
        const std::time_t seconds = unix_seconds;
        std::tm local{};
        localtime_r(&seconds, &local);
        state.minute_of_day = local.tm_hour * 60 + local.tm_min;
        state.weekday = local.tm_wday == 0 ? 7 : local.tm_wday;
    }
    facts.set(Field::time_hour, state.minute_of_day);
    facts.set(Field::time_weekday, state.weekday);
}

std::vector<RuleTrace> Policy::trace(Phase phase, Protocol protocol, Facts& facts) const {
    using Outcome = RuleTrace::Outcome;
    const Occasion occasion = occasion_of(phase, protocol, facts);
    const Program::Judged& judged = program_->judged(protocol, occasion);
    Workspace space;
    Program::Run run(*program_, judged, facts, space);
    std::vector<RuleTrace> out;
    bool decided = false;
    bool lifted = false;  // the built-in rules are
    for (std::uint32_t i = 0; i < own_rules_; ++i) {
        const Rule& rule = rules_[i];
        RuleTrace trace{.rule = &rule, .outcome = Outcome::no_match, .missing = {}};
        if (!std::ranges::binary_search(judged.rules, i)) {
            // One of other protocols is told of once, where it could have been asked first.
            if (rule.phase(protocol) || (occasion != Occasion::request && occasion != Occasion::connected)) continue;
            trace.outcome = Outcome::other_protocol;
        } else if (rule.action == Action::limit && occasion == Occasion::recipient && !rule.judges_recipients) {
            continue;  // told of with the sender
        } else if (decided) {
            trace.outcome = Outcome::not_reached;
        } else if (!run.holds(i) || !goes_its_way(rule, phase, facts)) {
            trace.missing = program_->missing_field(i, facts);
        } else if (rule.shadow) {
            trace.outcome = Outcome::shadow;
        } else if (rule.action == Action::tag) {
            trace.outcome = Outcome::effect;
            for (const std::string& tag : rule.tags) facts.add_tag(tag);
            run.tags_changed();
        } else if (is_edit(rule.action) || rule.action == Action::limit || rule.action == Action::inspect ||
                   (rule.action == Action::authenticate && facts.has(Field::user_name))) {
            trace.outcome = Outcome::effect;
        } else {
            trace.outcome = Outcome::decided;
            decided = true;
            lifted = rule.action != Action::allow || rule.reads_scan;
        }
        out.push_back(trace);
    }
    if (phase != Phase::verdict) return out;
    for (const PayloadCheck& check : payload_checks_) {
        RuleTrace trace{.rule = &rules_[check.rule], .outcome = Outcome::no_match, .missing = {}};
        if (lifted) trace.outcome = Outcome::not_reached;
        else if (check.holds(facts)) trace.outcome = Outcome::decided;
        else if (!facts.has(Field::scan_verdict)) trace.missing = info(Field::scan_verdict).name;
        lifted = lifted || trace.outcome == Outcome::decided;
        out.push_back(trace);
    }
    return out;
}

std::string_view to_string(RuleTrace::Outcome outcome) {
    switch (outcome) {
        case RuleTrace::Outcome::decided: return "decided";
        case RuleTrace::Outcome::effect: return "effect";
        case RuleTrace::Outcome::shadow: return "shadow";
        case RuleTrace::Outcome::no_match: return "no match";
        case RuleTrace::Outcome::not_reached: return "not reached";
        case RuleTrace::Outcome::other_protocol: return "other protocol";
    }
    return "";
}

}  // namespace sluice::policy
