// SPDX-License-Identifier: Apache-2.0
#include "policy/condition.h"

#include <algorithm>

#include <fmt/format.h>

namespace sluice::policy {
namespace {

std::string key_of(const Slot& slot) {
    return fmt::format("{} {} {} {}", static_cast<int>(slot.field), slot.lowered, slot.length, slot.header);
}

// Lengths before texts, so that no two different atoms have one key.
std::string key_of(const Atom& atom) {
    std::string key = fmt::format("{} {} {} {} {};", static_cast<int>(atom.kind), atom.slot, atom.all, atom.list, atom.pattern);
    for (const std::string& value : atom.values) key += fmt::format("{}:{}", value.size(), value);
    for (const auto& [low, high] : atom.ranges) key += fmt::format("{}-{};", low, high);
    for (const IpNetwork& network : atom.networks) key += network.to_string() + ";";
    if (atom.expression) key += atom.expression->pattern();
    return key;
}

}  // namespace

bool Atom::indexed() const {
    if (all) return false;
    switch (kind) {
        case Kind::always: return false;
        case Kind::contains:
        case Kind::starts_with:
        case Kind::ends_with: return values[0].size() >= 2;
        case Kind::matches: return !hints.empty();
        case Kind::exists:
        case Kind::truth:
        case Kind::equals:
        case Kind::number:
        case Kind::network:
        case Kind::domain_list:
        case Kind::ip_list:
        case Kind::string_list:
        case Kind::url_list:
        case Kind::sha256_list:
        case Kind::body: return true;
    }
    return false;
}

AtomTable::AtomTable() { atoms_.emplace_back(); }

SlotId AtomTable::slot(Slot slot) {
    const auto [found, added] = slot_ids_.try_emplace(key_of(slot), static_cast<SlotId>(slots_.size()));
    if (added) slots_.push_back(std::move(slot));
    return found->second;
}

AtomId AtomTable::atom(Atom atom) {
    const auto [found, added] = atom_ids_.try_emplace(key_of(atom), static_cast<AtomId>(atoms_.size()));
    if (added) atoms_.push_back(std::move(atom));
    return found->second;
}

std::uint32_t AtomTable::body_pattern(BodyPattern pattern) {
    const auto found = std::ranges::find(body_patterns_, pattern);
    const auto id = static_cast<std::uint32_t>(found - body_patterns_.begin());
    if (found == body_patterns_.end()) body_patterns_.push_back(std::move(pattern));
    return id;
}

}  // namespace sluice::policy
