// SPDX-License-Identifier: Apache-2.0
#include "policy/checker.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include <fmt/format.h>
#include <re2/filtered_re2.h>

#include "base/text.h"
#include "policy/lexer.h"
#include "policy/lowering.h"

namespace sluice::policy {
namespace {

constexpr std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t highest = std::numeric_limits<std::int64_t>::max();
// Bounds the program and the cache of one regular expression (bytes): far beyond what a person writes.
constexpr std::int64_t expression_memory = 2 << 20;

bool is_header_field(Field field) { return field == Field::request_header || field == Field::response_header; }

bool is_token(std::string_view text) {                   // RFC 9110 5.6.2
    return !text.empty() &&
           std::ranges::all_of(text, [](char c) { return is_alpha(c) || is_digit(c) || std::string_view("!#$%&'*+-.^_`|~").contains(c); });
}

bool is_name_field(Field field) {
    return field == Field::url_domain || field == Field::url_registered_domain || field == Field::server_address ||
           field == Field::tls_server_name || field == Field::smtp_helo;
}

bool is_mail_address(Field field) {
    return field == Field::email_from || field == Field::email_to || field == Field::smtp_mail_from || field == Field::smtp_rcpt_to;
}

std::string_view describe(Literal::Kind kind) {
    switch (kind) {
        case Literal::Kind::string: return "a string";
        case Literal::Kind::integer: return "an integer";
        case Literal::Kind::size: return "a size";
        case Literal::Kind::duration: return "a duration";
        case Literal::Kind::time_of_day: return "a time of day";
        case Literal::Kind::ip: return "an address";
        case Literal::Kind::boolean: return "a boolean";
    }
    return "";
}

// A checked operand.
struct Subject {
    Slot slot;
    Type type = Type::string;
    bool all = false;
    bool exists = false;
    std::string shown;                                   // for messages
    std::size_t position = 0;
};

class Checker {
public:
    Checker(std::span<const ListName> lists, AtomTable& table, std::vector<Fault>& faults)
        : lists_(lists),
          table_(table),
          faults_(faults) {}

    Term check(const Node& node) {
        switch (node.kind) {
            case Node::Kind::any:
            case Node::Kind::every: {
                Term term{.kind = node.kind == Node::Kind::any ? Term::Kind::any : Term::Kind::every,
                          .atom = 0,
                          .negated = false,
                          .children = {}};
                for (const Node& child : node.children) term.children.push_back(check(child));
                return term;
            }
            case Node::Kind::negation: return negate(check(node.children[0]));
            case Node::Kind::constant: {
                Term term;
                term.negated = node.literals[0].number == 0;
                return term;
            }
            case Node::Kind::bare: return bare(node);
            case Node::Kind::comparison: return comparison(node);
        }
        return {};
    }

    Condition condition;

private:
    void fault(std::size_t position, std::string message) { faults_.push_back({position, std::move(message)}); }

    std::optional<Subject> subject(const Operand& operand) {
        const auto reference = resolve_field(operand, faults_);
        if (!reference) return std::nullopt;
        Subject out;
        out.position = operand.position;
        out.slot.field = reference->field;
        out.slot.header = reference->header;
        out.type = info(reference->field).type;
        out.shown = operand.has_header ? fmt::format("{}[\"{}\"]", operand.field, operand.header) : operand.field;
        condition.reads.set(static_cast<std::size_t>(reference->field));
        // Innermost first.
        for (auto function = operand.functions.rbegin(); function != operand.functions.rend(); ++function) {
            const auto refuse = [&](std::string_view why) {
                fault(operand.position, std::string(why));
                return std::nullopt;
            };
            if (out.exists) return refuse("exists(…) is a condition already: nothing can be made of it");
            if (out.all) return refuse("all(…) is the outermost function");
            if (*function == Function::exists) {
                if (out.slot.length || out.slot.lowered) return refuse("exists(…) takes a field");
                out.exists = true;
                out.type = Type::boolean;
            } else if (*function == Function::all) {
                out.all = info(out.slot.field).many;     // of one value: the value
            } else {
                const std::string_view name = *function == Function::lower ? "lower" : "len";
                if (out.type != Type::string)
                    return refuse(fmt::format("{}(…) takes a string; {} is {}", name, out.shown, to_string(out.type)));
                if (*function == Function::lower) {
                    out.slot.lowered = true;
                } else {
                    out.slot.length = true;
                    out.slot.lowered = false;            // as long as it was
                    out.type = Type::size;
                }
            }
            constexpr std::array<std::string_view, 5> names{"", "exists", "lower", "len", "all"};
            out.shown = fmt::format("{}({})", names[static_cast<std::size_t>(*function)], out.shown);
        }
        if (out.slot.lowered && info(out.slot.field).lower_case) out.slot.lowered = false;
        return out;
    }

    Atom atom_of(Atom::Kind kind, const Subject& subject) {
        Atom atom;
        atom.kind = kind;
        atom.slot = table_.slot(subject.slot);
        atom.all = subject.all;
        return atom;
    }

    Term bare(const Node& node) {
        const auto subject = this->subject(node.operand);
        if (!subject) return {};
        if (subject->slot.field == Field::body) return body(node, *subject);
        if (subject->type != Type::boolean) {
            fault(subject->position,
                  fmt::format("{} is {}, not a condition: compare it, or ask exists(…)", subject->shown, to_string(subject->type)));
            return {};
        }
        if (subject->slot.field == Field::tags) condition.reads_any_tag = true;
        return Term::of(table_.atom(atom_of(subject->exists ? Atom::Kind::exists : Atom::Kind::truth, *subject)));
    }

    Term comparison(const Node& node) {
        const auto subject = this->subject(node.operand);
        if (!subject) return {};
        if (subject->slot.field == Field::body) return body(node, *subject);
        if (subject->slot.field == Field::tags) note_tags(node, *subject);
        const auto only = [&](std::initializer_list<Comparison> allowed) {
            if (std::ranges::find(allowed, node.comparison) != allowed.end()) return true;
            std::string names;
            for (const Comparison comparison : allowed) names += fmt::format("{}`{}`", names.empty() ? "" : " ", to_string(comparison));
            fault(node.position, fmt::format("{} is {}: `{}` does not go with it; these do: {}", subject->shown, to_string(subject->type),
                                             to_string(node.comparison), names));
            return false;
        };
        using enum Comparison;
        Term term;
        switch (subject->type) {
            case Type::boolean:
                if (only({equal, not_equal})) term = boolean(node, *subject);
                break;
            case Type::string:
                if (only({equal, not_equal, in, contains, starts_with, ends_with, matches})) term = text(node, *subject);
                break;
            case Type::ip:
                if (only({equal, not_equal, in})) term = address(node, *subject);
                break;
            default:
                if (only({equal, not_equal, less, less_equal, greater, greater_equal, in})) term = number(node, *subject);
        }
        return node.comparison == not_equal ? negate(std::move(term)) : term;
    }

    // Nobody keeps a payload for rules: what they look for is found while it passes.
    Term body(const Node& node, const Subject& subject) {
        const auto refuse = [&](std::size_t position, std::string_view why) {
            fault(position, fmt::format("no rule sees `body` as a whole, only what is found in it: {}", why));
            return Term{};
        };
        if (subject.slot.length) return refuse(subject.position, "its size is `file.size`");
        if (node.kind == Node::Kind::bare || subject.exists) return refuse(subject.position, "whether there is one says `file.size > 0`");
        if (const auto instead = instead_of_body(node.comparison); !instead.empty()) return refuse(node.position, instead);
        const Literal& literal = node.literals[0];
        if (literal.kind != Literal::Kind::string) {
            fault(literal.position, fmt::format("{} is searched for text in quotes, not for {}", subject.shown, describe(literal.kind)));
            return {};
        }
        BodyPattern pattern{.text = literal.text, .regex = node.comparison == Comparison::matches, .nocase = subject.slot.lowered};
        if (const std::string wrong = body_pattern_fault(pattern); !wrong.empty()) {
            fault(literal.position, wrong);
            return {};
        }
        if (pattern.nocase && !pattern.regex) pattern.text = lower(pattern.text);
        Atom atom;
        atom.kind = Atom::Kind::body;
        atom.slot = table_.slot(Slot{.field = Field::body, .header = {}});
        atom.pattern = table_.body_pattern(std::move(pattern));
        return Term::of(table_.atom(std::move(atom)));
    }

    void note_tags(const Node& node, const Subject& subject) {
        const bool by_name =
            (node.comparison == Comparison::equal || node.comparison == Comparison::not_equal || node.comparison == Comparison::in) &&
            node.list.empty() && !subject.slot.length && !subject.slot.lowered && !subject.all;
        if (!by_name) condition.reads_any_tag = true;
        else
            for (const Literal& literal : node.literals) condition.tags.push_back(literal.text);
    }

    Term boolean(const Node& node, const Subject& subject) {
        const Literal& literal = node.literals[0];
        if (literal.kind != Literal::Kind::boolean) {
            fault(literal.position,
                  fmt::format("{} is a boolean: `true` or `false` is expected, not {}", subject.shown, describe(literal.kind)));
            return {};
        }
        const AtomId is_true = table_.atom(atom_of(subject.exists ? Atom::Kind::exists : Atom::Kind::truth, subject));
        if (literal.number != 0) return Term::of(is_true);
        if (subject.exists) return negate(Term::of(is_true));
        // A missing value is not false: the comparison with it is.
        const AtomId known = table_.atom(atom_of(Atom::Kind::exists, subject));
        Term both{.kind = Term::Kind::every, .atom = 0, .negated = false, .children = {}};
        both.children = {Term::of(known), negate(Term::of(is_true))};
        return both;
    }

    Term number(const Node& node, const Subject& subject) {
        if (!node.list.empty()) {
            fault(node.value_position, fmt::format("{} is {}: no list holds such values", subject.shown, to_string(subject.type)));
            return {};
        }
        Atom atom = atom_of(Atom::Kind::number, subject);
        for (const Literal& literal : node.literals) {
            const auto range = value_range(literal, subject);
            if (!range) continue;
            const auto [low, high] = *range;
            switch (node.comparison) {
                case Comparison::less:
                    if (low > lowest) atom.ranges.emplace_back(lowest, low - 1);
                    break;
                case Comparison::less_equal: atom.ranges.emplace_back(lowest, high); break;
                case Comparison::greater:
                    if (high < highest) atom.ranges.emplace_back(high + 1, highest);
                    break;
                case Comparison::greater_equal: atom.ranges.emplace_back(low, highest); break;
                default: atom.ranges.emplace_back(low, high);
            }
        }
        std::ranges::sort(atom.ranges);
        return Term::of(table_.atom(std::move(atom)));
    }

    // What a literal covers of the values of the subject: a point, but for an hour without minutes.
    std::optional<std::pair<std::int64_t, std::int64_t>> value_range(Literal literal, const Subject& subject) {
        const std::size_t position = literal.position;
        const Type type = subject.type;
        if (literal.kind == Literal::Kind::string && type == Type::weekday) return weekday(literal);
        if (literal.kind == Literal::Kind::string && type != Type::integer) {
            if (auto bare = parse_bare_literal(literal.text)) literal = *bare;
        }
        using enum Literal::Kind;
        const std::int64_t n = literal.number;
        if (type == Type::time_of_day && literal.kind == integer && n <= 24) return std::pair(n * 60, n * 60 + 59);
        if (type == Type::weekday && literal.kind == integer && n <= 7) return std::pair(n == 0 ? 7 : n, n == 0 ? 7 : n);
        const bool fits = (type == Type::integer && literal.kind == integer) ||
                          (type == Type::size && (literal.kind == integer || literal.kind == size)) ||
                          (type == Type::duration && literal.kind == duration) ||
                          (type == Type::time_of_day && literal.kind == time_of_day);
        if (fits) return std::pair(n, n);
        std::string_view example;
        switch (type) {
            case Type::size: example = " such as 10MiB"; break;
            case Type::duration: example = " such as 30s"; break;
            case Type::time_of_day: example = " such as 22:00, or an hour from 0 to 24"; break;
            case Type::weekday: example = ": \"monday\", or 1 (Monday) to 7"; break;
            default: break;
        }
        fault(position, fmt::format("{} is {}: {}{} is expected, not {}", subject.shown, to_string(type), to_string(type), example,
                                    describe(literal.kind)));
        return std::nullopt;
    }

    std::optional<std::pair<std::int64_t, std::int64_t>> weekday(const Literal& literal) {
        constexpr std::array<std::string_view, 7> days{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"};
        const std::string name = lower(literal.text);
        for (std::size_t i = 0; i < days.size(); ++i)
            if (name == days[i] || name == days[i].substr(0, 3)) return std::pair<std::int64_t, std::int64_t>(i + 1, i + 1);
        const std::string_view nearest = nearest_name(name, days);
        fault(literal.position, fmt::format("`{}` is no day of the week{}", literal.text,
                                            nearest.empty() ? "" : fmt::format("; did you mean `{}`?", nearest)));
        return std::nullopt;
    }

    Term address(const Node& node, const Subject& subject) {
        if (!node.list.empty()) return list(node, subject);
        Atom atom = atom_of(Atom::Kind::network, subject);
        for (Literal literal : node.literals) {
            const std::size_t position = literal.position;
            if (literal.kind == Literal::Kind::string) {
                if (auto bare = parse_bare_literal(literal.text)) literal = *bare;
            }
            if (literal.kind != Literal::Kind::ip) {
                fault(position,
                      fmt::format("{} is an IP address: an address or network is expected, not {}", subject.shown, describe(literal.kind)));
                continue;
            }
            if (node.comparison != Comparison::in && literal.network.prefix() != literal.network.address().bits())
                fault(position, fmt::format("a network is asked for by `in`: {} in {}", subject.shown, literal.network.to_string()));
            atom.networks.push_back(literal.network);
        }
        std::ranges::sort(atom.networks);
        return Term::of(table_.atom(std::move(atom)));
    }

    Term list(const Node& node, const Subject& subject) {
        const auto found = std::ranges::find(lists_, node.list, &ListName::name);
        if (found == lists_.end()) {
            std::vector<std::string_view> names;
            for (const ListName& list : lists_) names.push_back(list.name);
            const std::string_view nearest = nearest_name(node.list, names);
            fault(node.value_position, nearest.empty() ? fmt::format("there is no list `{}`", node.list)
                                                       : fmt::format("there is no list `{}`; did you mean `{}`?", node.list, nearest));
            return {};
        }
        if (!found->type) return {};
        const Field field = subject.slot.field;
        const auto refuse = [&](std::string_view need) {
            fault(node.value_position, fmt::format("`{}` is a list of type {}, which goes with {}; {} is {}", node.list,
                                                   to_string(*found->type), need, subject.shown, to_string(subject.type)));
            return Term{};
        };
        Atom::Kind kind = Atom::Kind::string_list;
        switch (*found->type) {
            case ListType::ip:
                if (subject.type != Type::ip) return refuse("client.ip and server.ip");
                kind = Atom::Kind::ip_list;
                break;
            case ListType::domain:
                if (!is_name_field(field) && !is_mail_address(field))
                    return refuse("url.domain, server.address, tls.client.server_name and mail addresses");
                kind = Atom::Kind::domain_list;
                break;
            case ListType::url:
                if (field != Field::url_full) return refuse("url.full");
                kind = Atom::Kind::url_list;
                break;
            case ListType::sha256:
                if (field != Field::file_sha256) return refuse("file.hash.sha256");
                kind = Atom::Kind::sha256_list;
                break;
            case ListType::string:
                if (subject.type != Type::string) return refuse("strings");
                break;
        }
        Atom atom = atom_of(kind, subject);
        atom.list = found->id;
        return Term::of(table_.atom(std::move(atom)));
    }

    Term text(const Node& node, const Subject& subject) {
        if (!node.list.empty()) return list(node, subject);
        Atom atom = atom_of(Atom::Kind::equals, subject);
        for (const Literal& literal : node.literals) {
            if (literal.kind != Literal::Kind::string) {
                fault(literal.position,
                      fmt::format("{} is a string: text in quotes is expected, not {}", subject.shown, describe(literal.kind)));
                continue;
            }
            atom.values.push_back(node.comparison == Comparison::matches ? literal.text : literal_text(literal, node, subject));
        }
        if (atom.values.empty()) return {};
        if (node.comparison == Comparison::matches) return expression(node, std::move(atom));
        const bool whole =
            node.comparison == Comparison::equal || node.comparison == Comparison::not_equal || node.comparison == Comparison::in;
        if (!whole) {
            atom.kind = node.comparison == Comparison::contains      ? Atom::Kind::contains
                        : node.comparison == Comparison::starts_with ? Atom::Kind::starts_with
                                                                     : Atom::Kind::ends_with;
            if (atom.values[0].empty()) {                // every value has it
                atom.kind = Atom::Kind::exists;
                atom.all = false;
                atom.values.clear();
            }
        }
        std::ranges::sort(atom.values);
        const auto [first, last] = std::ranges::unique(atom.values);
        atom.values.erase(first, last);
        return Term::of(table_.atom(std::move(atom)));
    }

    // The text as values of the field are written: canonical ones are lower case, names end without a dot.
    std::string literal_text(const Literal& literal, const Node& node, const Subject& subject) {
        std::string value = literal.text;
        const bool canonical = info(subject.slot.field).lower_case;
        if (canonical) value = lower(value);
        const bool whole =
            node.comparison == Comparison::equal || node.comparison == Comparison::not_equal || node.comparison == Comparison::in;
        if (is_name_field(subject.slot.field)) {
            if (std::ranges::any_of(value, [](char c) { return static_cast<unsigned char>(c) >= 0x80; }))
                fault(literal.position, fmt::format("{} is always ASCII: write international names as xn--…", subject.shown));
            if (whole && value.size() > 1 && value.ends_with('.')) value.pop_back();
            if (whole && value.starts_with("*."))
                faults_.push_back(
                    {literal.position, "`*` stands for itself here; `ends_with` or a domain list takes the names below", true});
        }
        if (subject.slot.lowered && lower(value) != value)
            faults_.push_back({literal.position, fmt::format("{} has no capitals: this never holds", subject.shown), true});
        return value;
    }

    Term expression(const Node& node, Atom atom) {
        const Literal& literal = node.literals[0];
        RE2::Options options(RE2::Latin1);               // values are bytes, not always UTF-8
        options.set_log_errors(false);
        options.set_max_mem(expression_memory);
        auto compiled = std::make_shared<const RE2>(literal.text, options);
        if (!compiled->ok()) {
            fault(literal.position, fmt::format("this regular expression is not valid: {}", compiled->error()));
            return {};
        }
        // Literals that a text must have to match, so that the expression need not be run on most texts.
        // The longest that there are: of two that it must have, the longer one is the rarer.
        for (const int length : {12, 8, 7, 6, 5, 4, 3, 2}) {
            re2::FilteredRE2 filter(length);
            int id = 0;
            if (filter.Add(literal.text, options, &id) != RE2::NoError) break;
            filter.Compile(&atom.hints);
            if (!atom.hints.empty()) break;
        }
        atom.kind = Atom::Kind::matches;
        atom.values.clear();
        atom.expression = std::move(compiled);
        return Term::of(table_.atom(std::move(atom)));
    }

    std::span<const ListName> lists_;
    AtomTable& table_;
    std::vector<Fault>& faults_;
};

}  // namespace

std::optional<FieldReference> resolve_field(const Operand& operand, std::vector<Fault>& faults) {
    const auto fault = [&](std::size_t position, std::string message) {
        faults.push_back({position, std::move(message)});
        return std::nullopt;
    };
    const auto field = find_field(operand.field);
    if (!field) {
        if (is_log_only(operand.field))
            return fault(operand.field_position, fmt::format("`{}` is written to the log; no rule can read it", operand.field));
        std::vector<std::string_view> names;
        for (const FieldInfo& candidate : fields()) names.push_back(candidate.name);
        const std::string_view nearest = nearest_name(operand.field, names);
        return fault(operand.field_position, nearest.empty()
                                                 ? fmt::format("unknown field `{}`", operand.field)
                                                 : fmt::format("unknown field `{}`; did you mean `{}`?", operand.field, nearest));
    }
    if (is_header_field(*field) != operand.has_header)
        return fault(operand.field_position, operand.has_header ? fmt::format("`{}` has no named parts", operand.field)
                                                                : fmt::format("which header? {}[\"name\"]", operand.field));
    if (operand.has_header && !is_token(operand.header))
        return fault(operand.field_position, fmt::format("`{}` is not a header's name", operand.header));
    if (operand.header.size() > header_name_limit) return fault(operand.field_position, "no header has so long a name");
    return FieldReference{*field, lower(operand.header)};
}

std::optional<Condition> check_condition(const Node& root, std::span<const ListName> lists, AtomTable& table, std::vector<Fault>& faults) {
    const auto errors = [&] { return std::ranges::count(faults, false, &Fault::warning); };
    const auto before = errors();
    Checker checker(lists, table, faults);
    const Term term = checker.check(root);
    if (errors() != before) return std::nullopt;
    lower_term(term, table, checker.condition);
    return std::move(checker.condition);
}

}  // namespace sluice::policy
