// SPDX-License-Identifier: Apache-2.0
#include "protocols/http1/fields.h"

namespace sluice::http1 {

void Fields::clear() {
    // Only what was used is wiped: the table is larger than most heads.
    for (const KnownField field : known_) slots_[slot(field)] = {};
    lines_.clear();
    known_.clear();
}

std::optional<std::string_view> Fields::find(KnownField field) const {
    if (!has(field)) return std::nullopt;
    return lines_[slots_[slot(field)].first].value;
}

std::optional<std::string_view> Fields::find(std::string_view name) const {
    if (const KnownField field = known_field(name); field != KnownField::none) return find(field);
    for (std::size_t i = 0; i < lines_.size(); ++i)
        if (known_[i] == KnownField::none && equals_ignoring_case(lines_[i].name, name)) return lines_[i].value;
    return std::nullopt;
}

std::size_t Fields::count(std::string_view name) const {
    std::size_t out = 0;
    for_each(name, [&out](std::string_view) { ++out; });
    return out;
}

void Fields::rebase(const char* from, const char* to) {
    // The old octets may be gone: their address is only a number.
    const auto moved = [&](std::string_view view) {
        const auto offset = reinterpret_cast<std::uintptr_t>(view.data()) - reinterpret_cast<std::uintptr_t>(from);
        return std::string_view(to + offset, view.size());
    };
    for (NameValue& line : lines_) line = {moved(line.name), moved(line.value)};
}

}  // namespace sluice::http1
