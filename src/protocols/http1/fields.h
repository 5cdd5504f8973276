// SPDX-License-Identifier: Apache-2.0
// The field lines of a head, or of a trailer section, in their order. Views: whoever owns the octets says how long they live. Made to be
// used again: clear() keeps the room.
#pragma once

#include "base/name_value.h"
#include "base/text.h"
#include "protocols/http1/known_field.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace sluice::http1 {

class Fields {
public:
    void clear();
    // `known` must be known_field(line.name).
    void add(NameValue line, KnownField known) {
        Slot& used = slots_[slot(known)];
        if (used.count++ == 0) used.first = static_cast<std::uint16_t>(lines_.size());
        lines_.push_back(line);
        known_.push_back(known);
    }
    void add(NameValue line) { add(line, known_field(line.name)); }

    std::size_t size() const { return lines_.size(); }
    std::span<const NameValue> all() const { return lines_; }
    KnownField known(std::size_t index) const { return known_[index]; }   // of all()[index]

    // O(1): recorded while parsing. The first line of that name.
    bool has(KnownField field) const { return slots_[slot(field)].count != 0; }
    std::size_t count(KnownField field) const { return slots_[slot(field)].count; }
    std::optional<std::string_view> find(KnownField field) const;

    // By name, in any case.
    std::optional<std::string_view> find(std::string_view name) const;
    std::size_t count(std::string_view name) const;

    // Calls `each` with every value of that name, in order. Return value: none; stop by other means.
    template <class F>
    void for_each(KnownField field, F&& each) const {
        if (!has(field)) return;
        for (std::size_t i = slots_[slot(field)].first; i < lines_.size(); ++i)
            if (known_[i] == field) each(lines_[i].value);
    }
    template <class F>
    void for_each(std::string_view name, F&& each) const {
        if (const KnownField field = known_field(name); field != KnownField::none) return for_each(field, each);
        for (std::size_t i = 0; i < lines_.size(); ++i)
            if (known_[i] == KnownField::none && equals_ignoring_case(lines_[i].name, name)) each(lines_[i].value);
    }

    // The octets moved from `from` to `to` (a buffer grew): all views move along.
    void rebase(const char* from, const char* to);

private:
    struct Slot {
        std::uint16_t first = 0;
        std::uint16_t count = 0;
    };
    static constexpr std::size_t slot(KnownField field) { return static_cast<std::size_t>(field); }

    std::vector<NameValue> lines_;
    std::vector<KnownField> known_;
    std::array<Slot, static_cast<std::size_t>(KnownField::count_)> slots_{};
};

}  // namespace sluice::http1
