// SPDX-License-Identifier: Apache-2.0
#include "policy/rule_compiler.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.h"
#include "policy/expression.h"
#include "policy/lexer.h"
#include "policy/placement.h"
#include "policy/users.h"

namespace sluice::policy {
namespace {

constexpr std::size_t name_limit = 128;                  // bytes: it goes into log lines, metrics and pages
constexpr std::int64_t burst_limit = 1'000'000'000;

// Names that frame a message, name its host, or speak of one connection (RFC 9110 7.6.1): not a rule's to touch.
constexpr std::array<std::string_view, 13> untouchable{"content-length",
                                                       "transfer-encoding",
                                                       "host",
                                                       "connection",
                                                       "proxy-connection",
                                                       "keep-alive",
                                                       "te",
                                                       "trailer",
                                                       "upgrade",
                                                       "proxy-authenticate",
                                                       "proxy-authorization",
                                                       "proxy-authentication-info",
                                                       "http2-settings"};
constexpr std::array<std::string_view, 16> usable_actions{
    "allow",  "block",   "reset", "trust", "redirect",           "authenticate",          "quarantine",          "intercept",
    "tunnel", "inspect", "limit", "tag",   "set_request_header", "remove_request_header", "set_response_header", "remove_response_header"};

bool is_token_char(char c) { return is_alpha(c) || is_digit(c) || std::string_view("!#$%&'*+-.^_`|~").contains(c); }
bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

bool is_set(Action action) { return action == Action::set_request_header || action == Action::set_response_header; }

class RuleCompiler {
public:
    RuleCompiler(const RuleSource& source, std::span<const ListName> lists, AtomTable& table, Diagnostics& diagnostics)
        : source_(source),
          lists_(lists),
          table_(table),
          diagnostics_(diagnostics) {}

    CompiledRule compile() {
        const auto before = errors();
        Rule& rule = out_.rule;
        rule.place = source_.place;
        name();
        const bool known_action = action();
        condition();
        mode_and_phase();
        if (known_action) {
            for_action();
            foreign_keys();
        }
        out_.good = errors() == before;
        return std::move(out_);
    }

private:
    std::ptrdiff_t errors() const { return std::ranges::count(diagnostics_, Diagnostic::Severity::error, &Diagnostic::severity); }
    void fault(const Text& text, std::string message) { diagnostics_.push_back(at(text, 0, std::move(message))); }
    void fault(const Place& place, const std::string& line, std::string message) {
        diagnostics_.push_back({place, std::move(message), line});
    }
    void fault_of_rule(std::string message) { fault(source_.place, source_.source_line, std::move(message)); }

    void name() {
        if (!source_.name) return fault_of_rule("this rule has no `name`");
        const std::string& name = source_.name->value;
        if (name.empty() || name.size() > name_limit) return fault(*source_.name, fmt::format("a name has 1 to {} bytes", name_limit));
        if (std::ranges::any_of(name, is_control)) return fault(*source_.name, "a name has no control characters");
        if (name == "protect-host" || name == "malware" || name == "unscanned")
            fault(*source_.name, fmt::format("`{}` is a built-in rule's name", name));
        out_.rule.name = name;
    }

    bool action() {
        if (!source_.action) {
            fault_of_rule("this rule has no `action`");
            return false;
        }
        const std::string& name = source_.action->value;
        const auto action = find_action(name);
        if (!action) {
            const std::string_view nearest = nearest_name(name, usable_actions);
            fault(*source_.action, nearest.empty() ? fmt::format("unknown action `{}`", name)
                                                   : fmt::format("unknown action `{}`; did you mean `{}`?", name, nearest));
            return false;
        }
        out_.rule.action = *action;
        return true;
    }

    void condition() {
        if (!source_.when) {                             // always
            out_.condition.steps.push_back({});
            return;
        }
        out_.rule.when = source_.when->value;
        std::vector<Fault> faults;
        const Node root = parse_expression(source_.when->value, faults);
        if (faults.empty()) {
            if (auto condition = check_condition(root, lists_, table_, faults)) out_.condition = std::move(*condition);
        }
        for (Fault& fault : faults)
            diagnostics_.push_back(at(*source_.when, fault.position, std::move(fault.message),
                                      fault.warning ? Diagnostic::Severity::warning : Diagnostic::Severity::error));
        for (const FieldInfo& field : fields()) {
            if (!out_.condition.reads.test(static_cast<std::size_t>(field.field))) continue;
            out_.rule.reads_scan |= field.name.starts_with("scan.");
            out_.rule.reads_verification |= field.field == Field::tls_server_verified;
            // Of both directions: what is judged then is the download, of which the request is known as well.
            if (field.direction == Direction::download) out_.rule.direction = Direction::download;
            if (field.direction == Direction::upload && out_.rule.direction == Direction::either) out_.rule.direction = Direction::upload;
        }
    }

    void mode_and_phase() {
        if (source_.mode) {
            if (source_.mode->value == "shadow") out_.rule.shadow = true;
            else if (source_.mode->value != "enforce")
                fault(*source_.mode,
                      fmt::format("unknown mode `{}`; there are \"shadow\" and, without the key, \"enforce\"", source_.mode->value));
        }
        if (!source_.phase) return;
        out_.asked_phase = find_phase(source_.phase->value);
        if (out_.asked_phase) return;
        constexpr std::array<std::string_view, phase_count> names{"connect", "tls", "request", "dial", "response", "payload", "verdict"};
        const std::string_view nearest = nearest_name(source_.phase->value, names);
        fault(*source_.phase, nearest.empty() ? fmt::format("unknown phase `{}`", source_.phase->value)
                                              : fmt::format("unknown phase `{}`; did you mean `{}`?", source_.phase->value, nearest));
    }

    void for_action() {
        Rule& rule = out_.rule;
        if (source_.reason) rule.reason = source_.reason->value;
        if (is_edit(rule.action)) return header_edit();
        switch (rule.action) {
            case Action::block:
            case Action::quarantine:
                rule.accept = source_.accept && source_.accept->value;
                if (!source_.status) break;
                if (source_.status->value < 400 || source_.status->value > 599)
                    fault(source_.status->place, source_.status->source_line, "`status` of a refusal is from 400 to 599");
                else rule.status = static_cast<int>(source_.status->value);
                break;
            case Action::redirect: redirect(); break;
            case Action::authenticate: authenticate(); break;
            case Action::limit: limit(); break;
            case Action::tag: tag(); break;
            case Action::inspect: inspect(); break;
            default: break;
        }
    }

    void redirect() {
        if (!source_.to) return fault_of_rule("`redirect` needs `to`");
        const std::string& to = source_.to->value;
        const std::size_t scheme = to.starts_with("http://") ? 7 : to.starts_with("https://") ? 8 : 0;
        if (scheme == 0 || to.size() == scheme || to[scheme] == '/') return fault(*source_.to, "`to` is a URL: http://… or https://…");
        for (std::size_t i = 0; i < to.size(); ++i) {    // it goes into a header field as it is
            if (static_cast<unsigned char>(to[i]) > 0x20 && static_cast<unsigned char>(to[i]) < 0x7f &&
                !std::string_view("\"<>\\^`{|}").contains(to[i]))
                continue;
            diagnostics_.push_back(at(*source_.to, i, "this character stands in no URL: it is written with % and two digits"));
            return;
        }
        out_.rule.redirect_to = to;
    }

    void authenticate() {
        out_.rule.realm = source_.realm ? source_.realm->value : "Sluice";
        if (source_.realm && std::ranges::any_of(source_.realm->value, [](char c) { return is_control(c) || c == '"' || c == '\\'; }))
            fault(*source_.realm, "a realm has no quotes, backslashes or control characters");
        if (!source_.users) return fault_of_rule("`authenticate` needs `users`, an htpasswd file");
        Diagnostics faults;
        out_.rule.users = UserFile::load(source_.users->value, faults);
        for (Diagnostic& diagnostic : faults) {
            if (diagnostic.place.line == 0) fault(*source_.users, fmt::format("{} ({})", diagnostic.message, diagnostic.place.file));
            else diagnostics_.push_back(std::move(diagnostic));
        }
    }

    // "10/s", "100/m", "5/10s".
    void limit() {
        RateLimit& limit = out_.rule.limit;
        if (!source_.rate) return fault_of_rule("`limit` needs `rate`, such as \"10/s\"");
        const std::string& rate = source_.rate->value;
        const std::size_t slash = rate.find('/');
        const auto count = parse_decimal<std::int64_t>(trim(std::string_view(rate).substr(0, slash)));
        std::optional<std::int64_t> period;
        if (slash != std::string::npos) {
            std::string unit(trim(std::string_view(rate).substr(slash + 1)));
            if (unit == "min") unit = "m";
            if (!unit.empty() && !is_digit(unit[0])) unit.insert(0, 1, '1');
            period = parse_duration(unit);
        }
        if (!count || *count < 1 || *count > burst_limit || !period || *period < 1'000'000 || *period > 366 * 86'400'000'000'000)
            return fault(*source_.rate,
                         fmt::format("`{}` is no rate: a number, `/` and a time, such as \"10/s\", \"100/m\" or \"5/10s\"", rate));
        limit.rate = *count;
        limit.period_ns = *period;
        limit.burst = *count;
        if (source_.burst) {
            if (source_.burst->value < 1 || source_.burst->value > burst_limit)
                fault(source_.burst->place, source_.burst->source_line, "`burst` is at least 1");
            else limit.burst = source_.burst->value;
        }
        if (limit.period_ns / limit.rate < 1) fault(*source_.rate, "this is more than one in a nanosecond");
        if (__int128{limit.period_ns / limit.rate} * limit.burst > __int128{1} << 62)
            fault_of_rule("this `burst` takes longer than a century to fill");
        std::string identity = fmt::format("{}\n{}\n{}\n{}", out_.rule.name, limit.rate, limit.period_ns, limit.burst);
        if (source_.per) {
            for (const Text& text : *source_.per) {
                per(text);
                identity += "\n" + text.value;
            }
        }
        limit.identity = 0xcbf29ce484222325U;            // FNV-1a
        for (const char c : identity) limit.identity = (limit.identity ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    }

    void per(const Text& text) {
        std::vector<Fault> faults;
        // Parsed as the left side of a condition is: `exists(FIELD)`.
        const Node node = parse_expression("exists(" + text.value + ")", faults);
        constexpr std::size_t prefix = 7;
        std::optional<FieldReference> reference;
        if (faults.empty() && node.kind == Node::Kind::bare && node.operand.functions.size() == 1)
            reference = resolve_field(node.operand, faults);
        else if (faults.empty()) faults.push_back({prefix, "`per` names fields, such as \"client.ip\""});
        if (reference && reference->field == Field::body) faults.push_back({prefix, "no rule sees `body` as a whole"});
        for (Fault& fault : faults)
            diagnostics_.push_back(
                at(text, std::min(fault.position < prefix ? 0 : fault.position - prefix, text.value.size()), std::move(fault.message)));
        if (reference) out_.rule.limit.per.push_back({reference->field, reference->header});
    }

    void tag() {
        if (!source_.tags || source_.tags->empty()) return fault_of_rule("`tag` needs `tags`");
        for (const Text& tag : *source_.tags) {
            if (tag.value.empty() || tag.value.size() > name_limit || !std::ranges::all_of(tag.value, is_token_char)) {
                fault(tag, "a tag is a word of letters, digits and - _ .");
                continue;
            }
            if (std::ranges::find(out_.rule.tags, tag.value) == out_.rule.tags.end()) out_.rule.tags.push_back(tag.value);
        }
        out_.rule.tags_as_header = source_.header_flag && source_.header_flag->value;
    }

    void inspect() {
        InspectOptions& options = out_.rule.inspect;
        if (source_.engines) {
            options.engines.emplace();
            for (const Text& name : *source_.engines)
                if (const auto engine = word<Engine>(name, "engine", engine_words)) options.engines->add(*engine);
        }
        if (source_.deliver) options.deliver = word<Deliver>(*source_.deliver, "delivery", deliver_words);
        if (source_.whole) options.whole = word<Whole>(*source_.whole, "value of `whole`", whole_words);
        if (source_.ranges) options.ranges = word<Ranges>(*source_.ranges, "value of `ranges`", ranges_words);
        if (source_.trickle) options.trickle = source_.trickle->value;
        if (source_.max_size) {
            const auto size = parse_bare_literal(source_.max_size->value);
            const bool is_size = size && (size->kind == Literal::Kind::size || size->kind == Literal::Kind::integer);
            if (!is_size || size->number < 1) fault(*source_.max_size, "`max_size` is a size, such as \"100MiB\"");
            else options.max_size = static_cast<std::uint64_t>(size->number);
        }
        if (!source_.engines && !source_.deliver && !source_.whole && !source_.ranges && !source_.trickle && !source_.max_size)
            fault_of_rule("`inspect` needs at least one of `engines`, `deliver`, `whole`, `ranges`, `max_size` and `trickle`");
    }

    // The enumerator whose word it is.
    template <class E>
    std::optional<E> word(const Text& text, std::string_view what, std::span<const std::string_view> words) {
        const auto found = std::ranges::find(words, text.value);
        if (found != words.end()) return static_cast<E>(found - words.begin());
        const std::string_view nearest = nearest_name(text.value, words);
        fault(text, nearest.empty() ? fmt::format("unknown {} `{}`; there are `{}`", what, text.value, fmt::join(words, "`, `"))
                                    : fmt::format("unknown {} `{}`; did you mean `{}`?", what, text.value, nearest));
        return std::nullopt;
    }

    void header_edit() {
        HeaderEdit& edit = out_.rule.edit;
        const std::string_view action = to_string(out_.rule.action);
        if (!source_.header) {
            fault_of_rule(fmt::format("`{}` needs `header`", action));
        } else {
            edit.name = source_.header->value;
            if (edit.name.empty() || edit.name.size() > header_name_limit || !std::ranges::all_of(edit.name, is_token_char))
                fault(*source_.header, fmt::format("`{}` is not a header's name", edit.name));
            else if (std::ranges::find(untouchable, lower(edit.name)) != untouchable.end())
                fault(*source_.header,
                      fmt::format("`{}` frames the message, names the host or speaks of one connection: no rule may touch it", edit.name));
        }
        if (!is_set(out_.rule.action)) return;
        if (!source_.value) return fault_of_rule(fmt::format("`{}` needs `value`", action));
        edit.value = source_.value->value;
        for (std::size_t i = 0; i < edit.value.size(); ++i) {      // RFC 9110 5.5
            if (!is_control(edit.value[i]) || edit.value[i] == '\t') continue;
            diagnostics_.push_back(at(*source_.value, i, "a header's value has no control characters"));
            return;
        }
        if (trim(edit.value).size() != edit.value.size()) fault(*source_.value, "a header's value begins and ends without spaces");
    }

    // Keys of other actions: the rule would not do what it seems to say.
    void foreign_keys() {
        const Action action = out_.rule.action;
        const auto check = [&](const auto& key, std::string_view name, std::string_view owner, bool allowed) {
            if (!key || allowed) return;
            const auto message = fmt::format("`{}` belongs to {}, not to `{}`", name, owner, to_string(action));
            if constexpr (requires { key->front(); }) {
                if (key->empty()) fault_of_rule(message);
                else fault(key->front(), message);
            } else if constexpr (requires { key->verbatim; }) {
                fault(*key, message);
            } else {
                fault(key->place, key->source_line, message);
            }
        };
        check(source_.reason, "reason", "rules that decide", decides(action));
        check(source_.status, "status", "`block` and `quarantine`", action == Action::block || action == Action::quarantine);
        check(source_.to, "to", "`redirect`", action == Action::redirect);
        check(source_.realm, "realm", "`authenticate`", action == Action::authenticate);
        check(source_.users, "users", "`authenticate`", action == Action::authenticate);
        check(source_.rate, "rate", "`limit`", action == Action::limit);
        check(source_.burst, "burst", "`limit`", action == Action::limit);
        check(source_.per, "per", "`limit`", action == Action::limit);
        check(source_.tags, "tags", "`tag`", action == Action::tag);
        check(source_.header_flag, "header", "`tag`, as true or false", action == Action::tag);
        check(source_.header, "header", "the header actions", is_edit(action));
        check(source_.value, "value", "`set_request_header` and `set_response_header`", is_set(action));
        check(source_.accept, "accept", "`quarantine`", action == Action::quarantine);
        const bool inspects = action == Action::inspect;
        check(source_.engines, "engines", "`inspect`", inspects);
        check(source_.deliver, "deliver", "`inspect`", inspects);
        check(source_.whole, "whole", "`inspect`", inspects);
        check(source_.ranges, "ranges", "`inspect`", inspects);
        check(source_.max_size, "max_size", "`inspect`", inspects);
        check(source_.trickle, "trickle", "`inspect`", inspects);
    }

    const RuleSource& source_;
    std::span<const ListName> lists_;
    AtomTable& table_;
    Diagnostics& diagnostics_;
    CompiledRule out_;
};

}  // namespace

CompiledRule compile_rule(const RuleSource& source, std::span<const ListName> lists, AtomTable& table, Diagnostics& diagnostics) {
    return RuleCompiler(source, lists, table, diagnostics).compile();
}

}  // namespace sluice::policy
