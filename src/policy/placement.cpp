// SPDX-License-Identifier: Apache-2.0
#include "policy/placement.h"

#include <algorithm>

#include <fmt/format.h>

namespace sluice::policy {
namespace {

using enum Moment;

// Requests and answers are answered and edited where there is one: an action of this kind is not taken before the client has said what it
// wants. Others may be taken when a client connects.
Moment earliest(Action action) {
    switch (action) {
        case Action::redirect:
        case Action::authenticate:
        case Action::intercept:                          // there is nothing to decrypt before a CONNECT
        case Action::tunnel:
        case Action::set_request_header:
        case Action::remove_request_header:
        case Action::set_response_header:
        case Action::remove_response_header: return named;
        case Action::quarantine: return verdict;         // a copy needs the whole payload
        default: return accept;
    }
}

// And where it still can be.
Moment latest(Action action) {
    switch (action) {
        case Action::intercept:
        case Action::tunnel: return tls;
        case Action::authenticate: return request;
        case Action::set_request_header:
        case Action::remove_request_header: return dial;
        case Action::redirect:
        case Action::set_response_header:
        case Action::remove_response_header: return response;
        case Action::inspect: return payload;
        default: return verdict;
    }
}

std::string_view say_late(Action action) {
    switch (action) {
        case Action::inspect: return "how a payload is inspected is fixed in phase `payload`";
        case Action::intercept:
        case Action::tunnel: return "whether TLS is decrypted is decided when the client has said what it wants";
        case Action::authenticate: return "credentials are asked for in phase `request` at the latest";
        case Action::set_request_header:
        case Action::remove_request_header: return "the request's head has gone to the server then";
        default: return "the response's head has gone to the client then";
    }
}

Moment later(Protocol protocol, Moment a, Moment b) {
    if (a == never || b == never) return never;
    return comes_before(protocol, a, b) ? b : a;
}

// What the condition and `per` read, without tags.
Moment own_moment(const PlacementInput& input, Protocol protocol) {
    Moment moment = earliest(input.rule->action);
    for (const FieldInfo& field : fields())
        if (input.condition->reads.test(static_cast<std::size_t>(field.field))) moment = later(protocol, moment, field.known_in(protocol));
    for (const RateLimit::Key& key : input.rule->limit.per) moment = later(protocol, moment, info(key.field).known_in(protocol));
    return moment;
}

bool sets_tag_read_by(const Rule& setter, const Condition& reader) {
    if (setter.action != Action::tag || setter.shadow) return false;
    if (reader.reads_any_tag) return true;
    return std::ranges::any_of(setter.tags,
                               [&](const std::string& tag) { return std::ranges::find(reader.tags, tag) != reader.tags.end(); });
}

// A rule that reads tags: not before those that set them, which may read tags themselves. Moments only grow, so this ends.
void wait_for_tags(std::span<const PlacementInput> rules, std::vector<Moments>& moments) {
    std::vector<std::size_t> readers, setters;
    for (std::size_t i = 0; i < rules.size(); ++i) {
        if (rules[i].condition->reads.test(static_cast<std::size_t>(Field::tags))) readers.push_back(i);
        if (rules[i].rule->action == Action::tag) setters.push_back(i);
    }
    for (bool changed = true; changed;) {
        changed = false;
        for (const std::size_t reader : readers) {
            for (const std::size_t setter : setters) {
                if (setter == reader || !sets_tag_read_by(*rules[setter].rule, *rules[reader].condition)) continue;
                for (std::size_t p = 0; p < protocol_count; ++p) {
                    if (moments[setter][p] == never || moments[reader][p] == never) continue;
                    const Moment moment = later(static_cast<Protocol>(p), moments[reader][p], moments[setter][p]);
                    changed |= moment != moments[reader][p];
                    moments[reader][p] = moment;
                }
            }
        }
    }
}

// The field that keeps the rule from being judged before `moment`, for messages.
std::string_view field_known_at(const PlacementInput& input, Protocol protocol, Moment moment) {
    for (const FieldInfo& field : fields())
        if (input.condition->reads.test(static_cast<std::size_t>(field.field)) && field.known_in(protocol) == moment) return field.name;
    return {};
}

void apply_asked_phase(const PlacementInput& input, std::size_t index, Moments& moments, std::vector<PlacementFault>& faults) {
    if (!input.asked) return;
    const Moment asked = moment_of(*input.asked);
    for (std::size_t p = 0; p < protocol_count; ++p) {
        const auto protocol = static_cast<Protocol>(p);
        if (moments[p] == never) continue;
        if (phase_of(moments[p]) == *input.asked) continue;
        if (comes_before(protocol, moments[p], asked)) {
            moments[p] = asked;
            continue;
        }
        const std::string_view field = field_known_at(input, protocol, moments[p]);
        const std::string why = field.empty() ? std::string("this rule is decided") : fmt::format("`{}` is known only", field);
        faults.push_back({index, PlacementFault::Key::phase,
                          fmt::format("{} in phase `{}` of {}: a rule cannot be moved before that, to `{}`", why,
                                      to_string(phase_of(moments[p])), to_string(protocol), to_string(*input.asked)),
                          false});
        return;
    }
}

void check_lateness(const PlacementInput& input, std::size_t index, const Moments& moments, std::vector<PlacementFault>& faults) {
    for (std::size_t p = 0; p < protocol_count; ++p) {
        const auto protocol = static_cast<Protocol>(p);
        if (moments[p] == never || !comes_before(protocol, latest(input.rule->action), moments[p])) continue;
        const std::string_view field = field_known_at(input, protocol, moments[p]);
        faults.push_back(
            {index, PlacementFault::Key::action,
             fmt::format("`{}` in phase `{}`{} is too late: {}", to_string(input.rule->action), to_string(phase_of(moments[p])),
                         field.empty() ? "" : fmt::format(" (where `{}` is known)", field), say_late(input.rule->action)),
             false});
        return;
    }
}

void warn_of_idleness(std::size_t index, const Moments& moments, std::vector<PlacementFault>& faults) {
    const auto warn = [&](std::string message) { faults.push_back({index, PlacementFault::Key::when, std::move(message), true}); };
    if (std::ranges::all_of(moments, [](Moment moment) { return moment == never; }))
        return warn("this rule applies to no protocol: no protocol has all the fields that it reads");
    const Moment http = moments[0];
    if (http == never) return warn("this rule has no effect in this version, which carries HTTP alone: it reads fields of other protocols");
}

// Whether a part or the whole is asked for is said when it is asked for.
void warn_of_late_ranges(const PlacementInput& input, std::size_t index, const Moments& moments, std::vector<PlacementFault>& faults) {
    if (!input.rule->inspect.ranges) return;
    for (const Protocol protocol : {Protocol::http, Protocol::ftp}) {
        const Moment moment = moments[static_cast<std::size_t>(protocol)];
        if (moment != response && moment != payload) continue;
        faults.push_back(
            {index, PlacementFault::Key::ranges,
             fmt::format("`ranges` has no effect here: this rule is decided in phase `{}`, when the request has gone to the server",
                         to_string(phase_of(moment))),
             true});
        return;
    }
}

void warn_of_late_setters(std::span<const PlacementInput> rules, std::span<const Moments> moments, std::vector<PlacementFault>& faults) {
    for (std::size_t reader = 0; reader < rules.size(); ++reader) {
        if (!rules[reader].condition->reads.test(static_cast<std::size_t>(Field::tags))) continue;
        for (std::size_t setter = reader + 1; setter < rules.size(); ++setter) {
            if (!sets_tag_read_by(*rules[setter].rule, *rules[reader].condition) || moments[setter][0] != moments[reader][0]) continue;
            faults.push_back({reader, PlacementFault::Key::when,
                              fmt::format("this rule reads tags that `{}` sets, which is written below it and decided in the same phase",
                                          rules[setter].rule->name),
                              true});
            break;
        }
    }
}

}  // namespace

bool decides(Action action) {
    switch (action) {
        case Action::allow:
        case Action::block:
        case Action::reset:
        case Action::trust:
        case Action::redirect:
        case Action::authenticate:
        case Action::quarantine:
        case Action::intercept:
        case Action::tunnel:
        case Action::limit: return true;
        default: return false;
    }
}

std::vector<Moments> place_rules(std::span<const PlacementInput> rules, std::vector<PlacementFault>& faults) {
    std::vector<Moments> moments(rules.size());
    for (std::size_t i = 0; i < rules.size(); ++i)
        for (std::size_t p = 0; p < protocol_count; ++p) moments[i][p] = own_moment(rules[i], static_cast<Protocol>(p));
    // Tags come before and after the asked phases: a setter that was moved takes its readers along.
    wait_for_tags(rules, moments);
    for (std::size_t i = 0; i < rules.size(); ++i) apply_asked_phase(rules[i], i, moments[i], faults);
    wait_for_tags(rules, moments);
    for (std::size_t i = 0; i < rules.size(); ++i) {
        check_lateness(rules[i], i, moments[i], faults);
        warn_of_idleness(i, moments[i], faults);
        warn_of_late_ranges(rules[i], i, moments[i], faults);
    }
    warn_of_late_setters(rules, moments, faults);
    return moments;
}

void warn_of_unknown_fields(std::span<const PlacementInput> rules, std::span<const Moments> moments, bool knows_countries,
                            std::vector<PlacementFault>& faults) {
    const auto why_unknown = [&](const FieldInfo& field) -> std::string_view {
        if (field.field == Field::client_country || field.field == Field::server_country)
            return knows_countries ? "" : "there is no database of countries ([geo] country)";
        if (field.name.starts_with("timing.")) return "this version tells times to the log alone";
        return "";
    };
    for (std::size_t i = 0; i < rules.size(); ++i) {
        if (moments[i][0] == never) continue;            // there is a warning already
        const auto& per = rules[i].rule->limit.per;
        for (const FieldInfo& field : fields()) {
            const bool counts_by = std::ranges::find(per, field.field, &RateLimit::Key::field) != per.end();
            if (!counts_by && !rules[i].condition->reads.test(static_cast<std::size_t>(field.field))) continue;
            const std::string_view why = why_unknown(field);
            if (why.empty()) continue;
            faults.push_back({i, counts_by ? PlacementFault::Key::rule : PlacementFault::Key::when,
                              fmt::format("`{}` is never known: {}", field.name, why), true});
        }
    }
}

void warn_of_overtaking(std::span<const PlacementInput> rules, std::span<const Moments> moments, std::vector<PlacementFault>& faults) {
    // For each moment the first deciding rule that is judged there, of two different actions: a rule overtakes the first whose action is not its own.
    // (Two blocks come to the same, whichever is first.)
    constexpr std::size_t moment_count = static_cast<std::size_t>(verdict) + 1;
    struct First {
        std::size_t rule = 0;
        bool any = false;
    };
    std::array<std::array<std::array<First, 2>, 2>, moment_count> first{};  // [moment][reads no path][…]
    const auto lacks_path = [&](std::size_t rule) {  // could be true of a CONNECT
        return std::ranges::none_of(fields(), [&](const FieldInfo& field) {
            return !field.in_connect && rules[rule].condition->reads.test(static_cast<std::size_t>(field.field));
        });
    };
    for (std::size_t i = 0; i < rules.size(); ++i) {
        const Rule& rule = *rules[i].rule;
        if (!decides(rule.action) || rule.shadow || moments[i][0] == never) continue;
        std::size_t overtaken = rules.size();
        for (std::size_t m = static_cast<std::size_t>(moments[i][0]) + 1; m < moment_count; ++m) {
            // What is decided at `named` overtakes `request` for a CONNECT alone, which has no path that a rule could read.
            for (std::size_t no_path = moments[i][0] == named ? 1 : 0; no_path < 2; ++no_path)
                for (const First& candidate : first[m][no_path])
                    if (candidate.any && rules[candidate.rule].rule->action != rule.action) overtaken = std::min(overtaken, candidate.rule);
        }
        if (overtaken < rules.size()) {
            const bool for_connect = moments[i][0] == named;
            faults.push_back(
                {i, PlacementFault::Key::rule,
                 fmt::format("this rule is decided in phase `{}`{}, before `{}`, which is written above it but decided in `{}`",
                             to_string(phase_of(moments[i][0])), for_connect ? " for a CONNECT" : "", rules[overtaken].rule->name,
                             moments[overtaken][0] == named ? "request" : to_string(phase_of(moments[overtaken][0]))),
                 true});
        }
        auto& here = first[static_cast<std::size_t>(moments[i][0])][lacks_path(i) ? 1 : 0];
        if (!here[0].any) here[0] = {i, true};
        else if (!here[1].any && rules[here[0].rule].rule->action != rule.action) here[1] = {i, true};
    }
}

}  // namespace sluice::policy
