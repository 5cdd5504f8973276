// SPDX-License-Identifier: Apache-2.0
// From a tree over atoms to a jump program, and to the atoms by which a rule is found.
#pragma once

#include <vector>

#include "policy/condition.h"

namespace sluice::policy {

// In negation normal form: only atoms are negated.
struct Term {
    enum class Kind : std::uint8_t { atom, every, any };
    Kind kind = Kind::atom;
    AtomId atom = 0;
    bool negated = false;
    std::vector<Term> children;

    static Term of(AtomId atom) { return Term{.kind = Kind::atom, .atom = atom, .negated = false, .children = {}}; }
};

Term negate(Term term);                                  // De Morgan
// Fills steps, access and selective.
void lower_term(const Term& term, const AtomTable& table, Condition& condition);

}  // namespace sluice::policy
