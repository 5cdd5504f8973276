// SPDX-License-Identifier: Apache-2.0
// Sets of lists, each kept once: an entry that stands in several lists holds the number of such a set. Set 0 is the empty one.
#pragma once

#include "policy/lists/list.h"

#include <map>
#include <span>
#include <unordered_map>
#include <vector>

namespace sluice::policy {

using SetId = std::uint32_t;

class ListSets {
public:
    // The set with `list` added.
    SetId with(SetId set, ListId list);
    // For every set the number of what is left of it without `list`.
    std::vector<SetId> without(ListId list);
    // Ascending.
    std::span<const ListId> members(SetId set) const { return {ids_.data() + starts_[set], starts_[set + 1] - starts_[set]}; }
    bool contains(SetId set, ListId list) const;
    void mark(SetId set, std::span<std::uint64_t> out) const {
        for (const ListId list : members(set)) out[list / 64] |= std::uint64_t{1} << (list % 64);
    }
    std::size_t size() const { return starts_.size() - 1; }
    // Forgets what only building needs; `with` must not be called any more.
    void freeze();
    std::size_t memory_bytes() const { return starts_.capacity() * sizeof starts_[0] + ids_.capacity() * sizeof ids_[0]; }

private:
    SetId intern(std::vector<ListId> lists);

    std::vector<std::uint32_t> starts_{0, 0};
    std::vector<ListId> ids_;
    std::map<std::vector<ListId>, SetId> known_{{{}, 0}};
    std::unordered_map<std::uint64_t, SetId> added_;             // (set, list) -> set
};

}  // namespace sluice::policy
