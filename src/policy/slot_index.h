// SPDX-License-Identifier: Apache-2.0
// Everything that atoms ask of one slot, arranged so that one look at a value answers all of them. Immutable once built.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "policy/condition.h"
#include "policy/equality_index.h"
#include "policy/gram_index.h"
#include "policy/interval_index.h"
#include "policy/lists/lists.h"

namespace sluice::policy {

class SlotIndex {
public:
    explicit SlotIndex(const Slot& slot) : slot_(slot), type_(info(slot.field).type) {}
    void add(AtomId id, const Atom& atom);               // an indexed one
    void build();

    const Slot& slot() const { return slot_; }
    Type type() const { return type_; }                  // of the field
    bool empty() const { return !used_; }

    // Each calls fire(atom) for the atoms that hold for one value, and – for hints – for those that may. `bits`: room for a bit a list,
    // used as scratch.
    template <class F>
    void probe_text(std::string_view value, const Lists& lists, std::span<std::uint64_t> bits, F&& fire) const {
        if (exists_ != none) fire(exists_);
        if (!equals_.empty())
            for (const AtomId id : equals_.lookup(value)) fire(id);
        if (!grams_.empty()) grams_.search(value, fire);
        if (!domain_lists_.empty()) {
            clear(bits);
            if (lists.domains().lookup(domain_of(slot_, value), bits)) each_bit(bits, domain_lists_, fire);
        }
        if (!other_lists_.empty()) {
            clear(bits);
            if (lookup_others(value, lists, bits)) each_bit(bits, other_lists_, fire);
        }
    }
    template <class F>
    void probe_number(std::int64_t value, F&& fire) const {
        if (exists_ != none) fire(exists_);
        for (const AtomId id : numbers_.lookup(value)) fire(id);
    }
    template <class F>
    void probe_boolean(bool value, F&& fire) const {
        if (exists_ != none) fire(exists_);
        if (value && truth_ != none) fire(truth_);
    }
    template <class F>
    void probe_ip(const IpAddress& value, const Lists& lists, std::span<std::uint64_t> bits, F&& fire) const {
        if (exists_ != none) fire(exists_);
        for (const AtomId id : value.is_v4() ? v4_.lookup(value.to_v4()) : v6_.lookup(value.bytes())) fire(id);
        if (!ip_lists_.empty()) {
            clear(bits);
            if (lists.networks().lookup(value, bits)) each_bit(bits, ip_lists_, fire);
        }
    }

    // `found`: a bit a pattern, as Facts::body_found has it.
    template <class F>
    void probe_patterns(std::span<const std::uint64_t> found, F&& fire) const {
        each_bit(found, patterns_, fire);
    }

    // The same question about one list.
    static bool in_list(const Atom& atom, const Slot& slot, std::string_view value, const Lists& lists);

private:
    static constexpr AtomId none = 0;  // atom 0 is `always`, which is in no index
    static void clear(std::span<std::uint64_t> bits) {
        for (std::uint64_t& word : bits) word = 0;
    }
    template <class F>
    static void each_bit(std::span<const std::uint64_t> bits, const std::vector<AtomId>& atoms, F&& fire) {
        for (std::size_t word = 0; word < bits.size(); ++word) {
            for (std::uint64_t rest = bits[word]; rest != 0; rest &= rest - 1) {
                const std::size_t at = word * 64 + static_cast<std::size_t>(__builtin_ctzll(rest));
                if (at < atoms.size() && atoms[at] != none) fire(atoms[at]);
            }
        }
    }
    static std::string_view domain_of(const Slot& slot, std::string_view value);
    bool lookup_others(std::string_view value, const Lists& lists, std::span<std::uint64_t> bits) const;
    static void put(std::vector<AtomId>& atoms, std::size_t at, AtomId id);

    Slot slot_;
    Type type_;
    bool used_ = false;
    AtomId exists_ = none;
    AtomId truth_ = none;
    EqualityIndex equals_;
    GramIndex grams_;
    IntervalIndex<std::int64_t> numbers_;
    IntervalIndex<std::uint32_t> v4_;
    IntervalIndex<std::array<std::uint8_t, 16>> v6_;
    std::vector<AtomId> domain_lists_, ip_lists_, other_lists_;  // by list; others: of strings, URLs and hashes
    std::vector<AtomId> patterns_;  // by pattern of `body`
};

}  // namespace sluice::policy
