// SPDX-License-Identifier: Apache-2.0
#include "policy/lists/list_sets.h"

#include <algorithm>

namespace sluice::policy {

SetId ListSets::with(SetId set, ListId list) {
    const std::uint64_t key = std::uint64_t{set} << 16 | list;
    if (const auto found = added_.find(key); found != added_.end()) return found->second;
    SetId out = set;
    if (!contains(set, list)) {
        const auto old = members(set);
        std::vector<ListId> lists(old.begin(), old.end());
        lists.insert(std::ranges::upper_bound(lists, list), list);
        out = intern(std::move(lists));
    }
    added_.emplace(key, out);
    return out;
}

std::vector<SetId> ListSets::without(ListId list) {
    std::vector<SetId> out(size());
    for (SetId set = 0; set < out.size(); ++set) {
        out[set] = set;
        if (!contains(set, list)) continue;
        const auto old = members(set);
        std::vector<ListId> lists(old.begin(), old.end());
        std::erase(lists, list);
        out[set] = intern(std::move(lists));
    }
    return out;
}

bool ListSets::contains(SetId set, ListId list) const { return std::ranges::binary_search(members(set), list); }

void ListSets::freeze() {
    known_.clear();
    added_.clear();
    starts_.shrink_to_fit();
    ids_.shrink_to_fit();
}

SetId ListSets::intern(std::vector<ListId> lists) {
    const auto next = static_cast<SetId>(size());
    const auto [at, is_new] = known_.try_emplace(std::move(lists), next);
    if (is_new) {
        ids_.insert(ids_.end(), at->first.begin(), at->first.end());
        starts_.push_back(static_cast<std::uint32_t>(ids_.size()));
    }
    return at->second;
}

}  // namespace sluice::policy
