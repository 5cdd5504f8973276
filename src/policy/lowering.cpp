// SPDX-License-Identifier: Apache-2.0
#include "policy/lowering.h"

#include <algorithm>
#include <limits>
#include <optional>

namespace sluice::policy {
namespace {

// How often, roughly, an atom holds for traffic at large: rules are found by what is rare. Only the order matters.
std::uint32_t frequency(const Atom& atom, const Slot& slot) {
    switch (atom.kind) {
        case Atom::Kind::equals:
            if (slot.field == Field::request_method || slot.field == Field::url_scheme || slot.field == Field::http_version) return 200;
            return static_cast<std::uint32_t>(2 + std::min<std::size_t>(atom.values.size(), 100) / 10);
        case Atom::Kind::contains:
        case Atom::Kind::starts_with:
        case Atom::Kind::ends_with: return atom.values[0].size() >= 4 ? 3 : 20;
        case Atom::Kind::matches:
        case Atom::Kind::body: return 8;
        case Atom::Kind::domain_list:
        case Atom::Kind::url_list:
        case Atom::Kind::sha256_list:
        case Atom::Kind::string_list:
        case Atom::Kind::ip_list: return 12;
        case Atom::Kind::network: return 40;
        case Atom::Kind::number: return 150;
        default: return 400;
    }
}

struct Access {
    std::vector<AtomId> atoms;
    std::uint64_t cost = 0;
};

std::optional<Access> access_of(const Term& term, const AtomTable& table) {
    if (term.kind == Term::Kind::atom) {
        const Atom& atom = table.atoms()[term.atom];
        if (term.negated || !atom.indexed()) return std::nullopt;
        return Access{{term.atom}, frequency(atom, table.slots()[atom.slot])};
    }
    if (term.kind == Term::Kind::every) {
        std::optional<Access> best;
        for (const Term& child : term.children) {
            auto access = access_of(child, table);
            if (access && (!best || access->cost < best->cost)) best = std::move(access);
        }
        return best;
    }
    Access all;
    for (const Term& child : term.children) {
        auto access = access_of(child, table);
        if (!access) return std::nullopt;
        all.atoms.insert(all.atoms.end(), access->atoms.begin(), access->atoms.end());
        all.cost += access->cost;
    }
    return all;
}

// What is costly to test goes last: the order within `and` and `or` has no meaning of its own.
int cost_of(const Term& term, const AtomTable& table) {
    if (term.kind != Term::Kind::atom) {
        int worst = 0;
        for (const Term& child : term.children) worst = std::max(worst, cost_of(child, table));
        return worst;
    }
    const Atom& atom = table.atoms()[term.atom];
    if (atom.kind == Atom::Kind::matches) return 3;
    if (!atom.indexed()) return atom.kind == Atom::Kind::always ? 0 : 2;
    return 1;
}

// Steps are written from the last to the first, so that each knows where the next ones are.
std::uint32_t emit(const Term& term, const AtomTable& table, std::uint32_t on_true, std::uint32_t on_false, std::vector<Step>& steps) {
    if (term.kind == Term::Kind::atom) {
        steps.push_back({term.atom, term.negated ? on_false : on_true, term.negated ? on_true : on_false});
        return static_cast<std::uint32_t>(steps.size() - 1);
    }
    std::vector<std::pair<int, std::size_t>> order;      // by cost, else as written
    for (std::size_t i = 0; i < term.children.size(); ++i) order.emplace_back(cost_of(term.children[i], table), i);
    std::ranges::sort(order);
    const bool every = term.kind == Term::Kind::every;
    std::uint32_t next = every ? on_true : on_false;
    for (auto place = order.rbegin(); place != order.rend(); ++place) {
        const Term& child = term.children[place->second];
        next = every ? emit(child, table, next, on_false, steps) : emit(child, table, on_true, next, steps);
    }
    return next;
}

}  // namespace

Term negate(Term term) {
    if (term.kind == Term::Kind::atom) {
        term.negated = !term.negated;
        return term;
    }
    term.kind = term.kind == Term::Kind::every ? Term::Kind::any : Term::Kind::every;
    for (Term& child : term.children) child = negate(std::move(child));
    return term;
}

void lower_term(const Term& term, const AtomTable& table, Condition& condition) {
    condition.steps.clear();
    emit(term, table, Step::accept, Step::reject, condition.steps);
    auto access = access_of(term, table);
    condition.selective = access.has_value();
    if (!access) return;
    std::ranges::sort(access->atoms);
    const auto [first, last] = std::ranges::unique(access->atoms);
    access->atoms.erase(first, last);
    condition.access = std::move(access->atoms);
}

}  // namespace sluice::policy
