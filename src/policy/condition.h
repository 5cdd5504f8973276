// SPDX-License-Identifier: Apache-2.0
// Conditions as they are evaluated: atoms (one test of one field each, shared by all rules that make it) and short jump programs over them.
#pragma once

#include <bitset>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <re2/re2.h>

#include "base/ip.h"
#include "policy/body_pattern.h"
#include "policy/field.h"
#include "policy/lists/list.h"

namespace sluice::policy {

// Of a header that a rule may name (bytes): the evaluation makes names lower case in a buffer of this size.
inline constexpr std::size_t header_name_limit = 128;

using SlotId = std::uint32_t;
using AtomId = std::uint32_t;

// A value that atoms look at: a field, one header of a message, or what lower() or len() makes of it.
struct Slot {
    Field field = Field::client_ip;
    std::string header;  // lower case; of a header field
    bool lowered = false;
    bool length = false;
};

struct Atom {
    enum class Kind : std::uint8_t {
        always,
        exists,  // the slot has a value
        truth,  // a boolean is true
        equals,  // one of `values`
        contains,
        starts_with,
        ends_with,  // values[0], not empty
        matches,  // `expression`
        number,  // in one of `ranges`
        network,  // in one of `networks`
        domain_list,
        ip_list,
        string_list,
        url_list,
        sha256_list,
        body,  // `pattern` was found in the payload
    };
    Kind kind = Kind::always;
    SlotId slot = 0;
    bool all = false;  // every value must pass, and there is one; else one is enough
    std::vector<std::string> values;
    std::vector<std::pair<std::int64_t, std::int64_t>> ranges;  // both ends included
    std::vector<IpNetwork> networks;
    ListId list = 0;
    std::uint32_t pattern = 0;  // by AtomTable::body_patterns
    std::shared_ptr<const RE2> expression;
    std::vector<std::string> hints;  // of `matches`: without one of these (lower case, case ignored) it cannot match

    // An index of the slot says that it holds (or, for a hinted `matches`, that it may): rules that need it are found by it.
    bool indexed() const;
};

// "Test the atom; go on there." A program begins at its last step and walks down.
struct Step {
    static constexpr std::uint32_t accept = 0xffffffff;
    static constexpr std::uint32_t reject = 0xfffffffe;
    AtomId atom = 0;
    std::uint32_t on_true = accept;
    std::uint32_t on_false = reject;
};

struct Condition {
    std::vector<Step> steps;  // never empty
    // Where it holds, at least one of these does. Not `selective`: it has to be tried always.
    std::vector<AtomId> access;
    bool selective = false;
    std::bitset<field_count> reads;
    std::vector<std::string> tags;  // those it compares `tags` with
    bool reads_any_tag = false;  // it looks at `tags` in another way
};

// All atoms and slots of a policy, each once.
class AtomTable {
public:
    AtomTable();  // atom 0 is `always`
    SlotId slot(Slot slot);
    AtomId atom(Atom atom);
    std::uint32_t body_pattern(BodyPattern pattern);
    const std::vector<Slot>& slots() const { return slots_; }
    const std::vector<Atom>& atoms() const { return atoms_; }
    const std::vector<BodyPattern>& body_patterns() const { return body_patterns_; }

private:
    std::vector<Slot> slots_;
    std::vector<Atom> atoms_;
    std::vector<BodyPattern> body_patterns_;
    std::unordered_map<std::string, SlotId> slot_ids_;
    std::unordered_map<std::string, AtomId> atom_ids_;
};

}  // namespace sluice::policy
