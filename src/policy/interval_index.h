// SPDX-License-Identifier: Apache-2.0
// Which of many ranges a value lies in: the line is cut at every end of a range, and each piece knows its ranges. One binary search.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

namespace sluice::policy {

// Key: ordered, copied freely. Immutable once built.
template <class Key>
class IntervalIndex {
public:
    // Both ends included. `after_high`: the key that follows `high`; nullptr where there is none.
    void add(const Key& low, const Key* after_high, std::uint32_t id) {
        changes_.push_back({low, id, +1});
        if (after_high != nullptr) changes_.push_back({*after_high, id, -1});
    }

    void build() {
        std::ranges::sort(changes_, [](const Change& a, const Change& b) { return a.key < b.key; });
        std::map<std::uint32_t, int> open;               // overlapping ranges of one id count
        std::map<std::vector<std::uint32_t>, std::uint32_t> known;
        for (std::size_t i = 0; i < changes_.size();) {
            const Key key = changes_[i].key;
            for (; i < changes_.size() && !(key < changes_[i].key); ++i) {
                int& count = open[changes_[i].id];
                count += changes_[i].delta;
                if (count == 0) open.erase(changes_[i].id);
            }
            std::vector<std::uint32_t> ids;
            for (const auto& [id, count] : open) ids.push_back(id);
            const auto [found, added] = known.try_emplace(ids, static_cast<std::uint32_t>(sets_.size()));
            if (added) {
                sets_.push_back({static_cast<std::uint32_t>(ids_.size()), static_cast<std::uint32_t>(ids.size())});
                ids_.insert(ids_.end(), ids.begin(), ids.end());
            }
            keys_.push_back(key);
            piece_sets_.push_back(found->second);
        }
        changes_.clear();
    }

    bool empty() const { return keys_.empty(); }

    std::span<const std::uint32_t> lookup(const Key& key) const {
        const auto after = std::ranges::upper_bound(keys_, key);
        if (after == keys_.begin()) return {};
        const Set& set = sets_[piece_sets_[static_cast<std::size_t>(after - keys_.begin()) - 1]];
        return std::span(ids_).subspan(set.first, set.count);
    }

private:
    struct Change {
        Key key;
        std::uint32_t id;
        int delta;
    };
    struct Set {
        std::uint32_t first, count;
    };
    std::vector<Change> changes_;
    std::vector<Key> keys_;
    std::vector<std::uint32_t> piece_sets_;
    std::vector<Set> sets_;
    std::vector<std::uint32_t> ids_;
};

}  // namespace sluice::policy
