// SPDX-License-Identifier: Apache-2.0
#include "policy/placement.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace sluice::policy {
namespace {

using enum Moment;

constexpr std::array protocols{Protocol::http, Protocol::ftp, Protocol::smtp};
static_assert(protocols.size() == protocol_count);

Moment moment_in(const Moments& moments, Protocol protocol) { return moments[static_cast<std::size_t>(protocol)]; }

bool applies_to_any(const Moments& moments) {
    return std::ranges::any_of(moments, [](Moment moment) { return moment != never; });
}

// FTP has no header. TLS of FTP and SMTP ends here, whatever a rule says.
bool does_anything(Protocol protocol, Action action) {
    switch (action) {
        case Action::intercept:
        case Action::tunnel: return protocol == Protocol::http;
        case Action::set_request_header:
        case Action::remove_request_header:
        case Action::set_response_header:
        case Action::remove_response_header: return protocol != Protocol::ftp;
        default: return true;
    }
}

// Requests and answers are answered and edited where there is one: an action of this kind is not taken before the client has said what it
// wants. Others may be taken when a client connects. Elsewhere than in HTTP `redirect` is `block`. In SMTP a header is a message's: there is none
// before its sender.
Moment earliest(Protocol protocol, Action action) {
    switch (action) {
        case Action::redirect: return protocol == Protocol::http ? named : accept;
        case Action::authenticate:
        case Action::intercept:  // there is nothing to decrypt before a CONNECT
        case Action::tunnel: return named;
        case Action::set_request_header:
        case Action::remove_request_header:
        case Action::set_response_header:
        case Action::remove_response_header: return protocol == Protocol::smtp ? request : named;
        case Action::quarantine: return verdict;  // a copy needs the whole payload
        default: return accept;
    }
}

// And where it still can be. Mail whose header may be edited waits for its verdict.
Moment latest(Protocol protocol, Action action) {
    switch (action) {
        case Action::intercept:
        case Action::tunnel: return tls;
        case Action::authenticate: return protocol == Protocol::ftp ? named : protocol == Protocol::smtp ? recipient : request;
        case Action::set_request_header:
        case Action::remove_request_header: return protocol == Protocol::smtp ? verdict : dial;
        case Action::redirect: return protocol == Protocol::http ? response : verdict;
        case Action::set_response_header:
        case Action::remove_response_header: return protocol == Protocol::smtp ? verdict : response;
        case Action::inspect: return payload;
        default: return verdict;
    }
}

std::string_view say_late(Protocol protocol, Action action) {
    switch (action) {
        case Action::inspect: return "how a payload is inspected is fixed in phase `payload`";
        case Action::intercept:
        case Action::tunnel: return "whether TLS is decrypted is decided when the client has said what it wants";
        case Action::authenticate:
            return protocol == Protocol::ftp ? "credentials come with USER, in phase `connect`"
                                             : "credentials are asked for in phase `request` at the latest";
        case Action::set_request_header:
        case Action::remove_request_header: return "the request's head has gone to the server then";
        default: return "the response's head has gone to the client then";
    }
}

Moment later(Protocol protocol, Moment a, Moment b) {
    if (a == never || b == never) return never;
    return comes_before(protocol, a, b) ? b : a;
}

// When what the condition and `per` read is known, without tags; not before `moment`.
Moment known_from(const PlacementInput& input, Protocol protocol, Moment moment) {
    for (const FieldInfo& field : fields())
        if (input.condition->reads.test(static_cast<std::size_t>(field.field))) moment = later(protocol, moment, field.known_in(protocol));
    for (const RateLimit::Key& key : input.rule->limit.per) moment = later(protocol, moment, info(key.field).known_in(protocol));
    return moment;
}

Moment own_moment(const PlacementInput& input, Protocol protocol) {
    const Action action = input.rule->action;
    return does_anything(protocol, action) ? known_from(input, protocol, earliest(protocol, action)) : never;
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
        if (protocol == Protocol::ftp && moment_in(moments, Protocol::http) != never) {
            // What asks for credentials stays where they come; what HTTP decides in `dial` FTP may know later.
            if (input.rule->action == Action::authenticate || (asked == dial && moments[p] == request)) continue;
        }
        // And so may SMTP, which knows the server at `dial`, and edits the header of messages alone.
        if (protocol == Protocol::smtp && moment_in(moments, Protocol::http) != never && comes_before(protocol, asked, moments[p]))
            continue;
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

// A rule that is in time in HTTP and not in FTP is taken: what FTP cannot do any more, it refuses.
void check_lateness(const PlacementInput& input, std::size_t index, const Moments& moments, std::vector<PlacementFault>& faults) {
    const Action action = input.rule->action;
    for (std::size_t p = 0; p < protocol_count; ++p) {
        const auto protocol = static_cast<Protocol>(p);
        if (moments[p] == never || !comes_before(protocol, latest(protocol, action), moments[p])) continue;
        const bool refuses = action == Action::authenticate && protocol == Protocol::ftp && moment_in(moments, Protocol::http) != never;
        const std::string_view field = field_known_at(input, protocol, moments[p]);
        faults.push_back({index, PlacementFault::Key::action,
                          fmt::format("`{}` in phase `{}`{}{} is too late{}: {}", to_string(action), to_string(phase_of(moments[p])),
                                      refuses ? " of ftp" : "", field.empty() ? "" : fmt::format(" (where `{}` is known)", field),
                                      refuses ? " and refuses what it is about" : "", say_late(protocol, action)),
                          refuses});
        return;
    }
}

void warn_of_idleness(const PlacementInput& input, std::size_t index, const Moments& moments, std::vector<PlacementFault>& faults) {
    const auto warn = [&](std::string message) { faults.push_back({index, PlacementFault::Key::when, std::move(message), true}); };
    if (applies_to_any(moments)) return;
    const Action action = input.rule->action;
    const auto would_apply = std::ranges::find_if(
        protocols, [&](Protocol protocol) { return !does_anything(protocol, action) && known_from(input, protocol, accept) != never; });
    if (would_apply != protocols.end())
        warn(fmt::format("this rule applies to no protocol: `{}` does nothing in {}, whose fields it reads", to_string(action),
                         to_string(*would_apply)));
    else warn("this rule applies to no protocol: no protocol has all the fields that it reads");
}

// Keys that say something of mail, in a rule that is not about mail.
void warn_of_mail_keys(const PlacementInput& input, std::size_t index, const Moments& moments, std::vector<PlacementFault>& faults) {
    const Rule& rule = *input.rule;
    if (moment_in(moments, Protocol::smtp) != never || !applies_to_any(moments) || (!rule.accept && !rule.tags_as_header)) return;
    faults.push_back({index, PlacementFault::Key::action,
                      fmt::format("`{} = true` has no effect here: it is about mail, to which this rule does not apply",
                                  rule.accept ? "accept" : "header"),
                      true});
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
            const auto meet = [&](Protocol protocol) {
                const Moment moment = moment_in(moments[setter], protocol);
                return moment != never && moment == moment_in(moments[reader], protocol);
            };
            if (!sets_tag_read_by(*rules[setter].rule, *rules[reader].condition) || std::ranges::none_of(protocols, meet)) continue;
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
        warn_of_idleness(rules[i], i, moments[i], faults);
        warn_of_late_ranges(rules[i], i, moments[i], faults);
        warn_of_mail_keys(rules[i], i, moments[i], faults);
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
        if (!applies_to_any(moments[i])) continue;  // there is a warning already
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

namespace {

// Which rules one may overtake. HTTP: those that could be true of a CONNECT (`narrow`), and others: what is decided at `named` overtakes `request` for
// a CONNECT alone, which has no path that a rule could read. FTP and SMTP: those that are of it alone (`narrow`), and others: what HTTP has as well is said
// of HTTP, where a rule on a path is likewise not taken to be about who is let in.
struct Overtaking {
    std::span<const PlacementInput> rules;
    std::span<const Moments> moments;
    Protocol protocol;

    Moment moment(std::size_t rule) const { return moment_in(moments[rule], protocol); }
    bool is_narrow(std::size_t rule) const {
        if (protocol != Protocol::http) return moment_in(moments[rule], Protocol::http) == never;
        return std::ranges::none_of(fields(), [&](const FieldInfo& field) {
            return !field.in_connect && rules[rule].condition->reads.test(static_cast<std::size_t>(field.field));
        });
    }
    bool overtakes_narrow_alone(std::size_t rule) const { return protocol == Protocol::http ? moment(rule) == named : !is_narrow(rule); }

    std::string message(std::size_t rule, std::size_t overtaken) const {
        const bool is_http = protocol == Protocol::http;
        const bool is_one_phase = !is_http && phase_of(moment(rule)) == phase_of(moment(overtaken));
        const std::string_view of_http = is_http && moment(rule) == named ? " for a CONNECT" : "";
        return fmt::format("{}this rule is decided in phase `{}`{}, before `{}`, which is written above it but decided in `{}`{}",
                           is_http ? "" : fmt::format("in {} ", to_string(protocol)), to_string(phase_of(moment(rule))),
                           is_one_phase ? occurrence(rule) : of_http, rules[overtaken].rule->name,
                           is_http && moment(overtaken) == named ? "request" : to_string(phase_of(moment(overtaken))),
                           is_one_phase ? occurrence(overtaken) : "");
    }
    // Which one of a phase that occurs twice.
    std::string_view occurrence(std::size_t rule) const {
        switch (moment(rule)) {
            case accept: return " at accept";
            case named: return protocol == Protocol::ftp ? " at USER" : " at HELO";
            case request: return " for the sender";
            case recipient: return " for each recipient";
            default: return "";
        }
    }
};

void warn_of_overtaking_in(const Overtaking& all, std::vector<bool>& warned, std::vector<PlacementFault>& faults) {
    // For each moment the first deciding rule that is judged there, of two different actions: a rule overtakes the first whose action is not its own.
    // (Two blocks come to the same, whichever is first.)
    constexpr std::size_t moment_count = static_cast<std::size_t>(verdict) + 1;
    struct First {
        std::size_t rule = 0;
        bool any = false;
    };
    std::array<std::array<std::array<First, 2>, 2>, moment_count> first{};  // [moment][is narrow][…]
    for (std::size_t i = 0; i < all.rules.size(); ++i) {
        const Rule& rule = *all.rules[i].rule;
        if (!decides(rule.action) || rule.shadow || all.moment(i) == never) continue;
        std::size_t overtaken = all.rules.size();
        for (std::size_t m = 0; m < moment_count; ++m) {
            if (!comes_before(all.protocol, all.moment(i), static_cast<Moment>(m))) continue;
            for (std::size_t narrow = all.overtakes_narrow_alone(i) ? 1 : 0; narrow < 2; ++narrow)
                for (const First& candidate : first[m][narrow])
                    if (candidate.any && all.rules[candidate.rule].rule->action != rule.action)
                        overtaken = std::min(overtaken, candidate.rule);
        }
        if (overtaken < all.rules.size() && !warned[i]) {
            faults.push_back({i, PlacementFault::Key::rule, all.message(i, overtaken), true});
            warned[i] = true;
        }
        auto& here = first[static_cast<std::size_t>(all.moment(i))][all.is_narrow(i) ? 1 : 0];
        if (!here[0].any) here[0] = {i, true};
        else if (!here[1].any && all.rules[here[0].rule].rule->action != rule.action) here[1] = {i, true};
    }
}

}  // namespace

void warn_of_overtaking(std::span<const PlacementInput> rules, std::span<const Moments> moments, std::vector<PlacementFault>& faults) {
    std::vector<bool> warned(rules.size());
    for (const Protocol protocol : protocols) warn_of_overtaking_in({rules, moments, protocol}, warned, faults);
}

}  // namespace sluice::policy
