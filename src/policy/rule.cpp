// SPDX-License-Identifier: Apache-2.0
#include "policy/rule.h"

#include <algorithm>

namespace sluice::policy {
namespace {

constexpr std::array<std::string_view, 17> action_names{"none",
                                                        "allow",
                                                        "block",
                                                        "reset",
                                                        "trust",
                                                        "redirect",
                                                        "authenticate",
                                                        "limit",
                                                        "tag",
                                                        "set_request_header",
                                                        "remove_request_header",
                                                        "set_response_header",
                                                        "remove_response_header",
                                                        "quarantine",
                                                        "intercept",
                                                        "tunnel",
                                                        "inspect"};

std::string describe(const Rule& rule, Protocol protocol) {
    const auto phase = rule.phase(protocol);
    std::string text(to_string(*phase));
    if (protocol == Protocol::http && rule.connect_judges_connect) text = "connect (CONNECT), " + text;
    if (protocol == Protocol::smtp && rule.judges_recipients) text += " (each recipient)";
    return text;
}

}  // namespace

std::string_view to_string(Action action) { return action_names[static_cast<std::size_t>(action)]; }

std::optional<Action> find_action(std::string_view name) {
    const auto found = std::find(action_names.begin() + 1, action_names.end(), name);
    if (found == action_names.end()) return std::nullopt;
    return static_cast<Action>(found - action_names.begin());
}

bool is_edit(Action action) { return action >= Action::set_request_header && action <= Action::remove_response_header; }

bool may_add_header(const Rule& rule, Protocol protocol) {
    return rule.phase(protocol) && !rule.shadow && (is_edit(rule.action) || (rule.action == Action::tag && rule.tags_as_header));
}

std::string describe_phases(const Rule& rule) {
    std::string all;
    std::string one;
    bool same = true;
    for (std::size_t p = 0; p < protocol_count; ++p) {
        const auto protocol = static_cast<Protocol>(p);
        if (!rule.phase(protocol)) continue;
        const std::string text = describe(rule, protocol);
        if (one.empty()) one = text;
        same = same && text == one;
        all += (all.empty() ? "" : "; ") + std::string(to_string(protocol)) + ": " + text;
    }
    if (all.empty()) return "never";
    return same ? one : all;
}

std::string describe_protocols(const Rule& rule) {
    std::string out;
    for (std::size_t p = 0; p < protocol_count; ++p)
        if (rule.phases[p]) out += (out.empty() ? "" : ", ") + std::string(to_string(static_cast<Protocol>(p)));
    return out.empty() ? "none" : out;
}

}  // namespace sluice::policy
