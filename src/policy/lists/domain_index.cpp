// SPDX-License-Identifier: Apache-2.0
#include "policy/lists/domain_index.h"

#include <algorithm>
#include <array>

namespace sluice::policy {

namespace {

// A name of 253 octets has at most 127 labels; of longer ones only the last so many can be listed.
constexpr std::size_t most_labels = 127;

struct Suffix {
    std::uint64_t hash;
    const char* from;
};

// Hashes label by label from the right, so that each suffix's hash continues that of the one before it. The last element is the shortest
// suffix that is not followed further: the whole name, or the `limit`th. Returns how many.
std::size_t hash_suffixes(const HashSeed& seed, std::string_view name, std::size_t limit, std::array<Suffix, most_labels>& out) {
    std::size_t count = 0;
    std::uint64_t state = hash_start(seed);
    std::size_t end = name.size();
    for (std::size_t at = name.size(); count < limit; --at) {
        if (at != 0 && name[at - 1] != '.') continue;
        state = hash_piece(seed, state, name.substr(at, end - at));
        out[count++] = {state, name.data() + at};
        if (at == 0) break;
        end = at - 1;
    }
    return count;
}

std::uint64_t hash_name(const HashSeed& seed, std::string_view name) {
    std::uint64_t state = hash_start(seed);
    std::size_t end = name.size();
    for (std::size_t at = name.size();; --at) {
        if (at != 0 && name[at - 1] != '.') continue;
        state = hash_piece(seed, state, name.substr(at, end - at));
        if (at == 0) return state;
        end = at - 1;
    }
}

}  // namespace

DomainIndex::Builder::Builder(std::size_t expected_names) : table_(&hash_name, expected_names) {}

bool DomainIndex::Builder::add(std::string_view domain, ListId list) {
    const auto labels = static_cast<unsigned>(std::ranges::count(domain, '.')) + 1;
    if (domain.size() > longest_name || labels > most_labels) return false;
    if (!table_.add(domain, list)) return false;
    labels_ = std::max(labels_, labels);
    return true;
}

DomainIndex DomainIndex::Builder::build() && {
    DomainIndex out;
    out.table_ = std::move(table_).build();
    out.labels_ = labels_;
    return out;
}

template <class Visit>
bool DomainIndex::visit_sets(std::string_view name, Visit visit) const {
    if (table_.empty() || name.empty()) return false;
    std::array<Suffix, most_labels> suffixes;
    const std::size_t count = hash_suffixes(table_.seed(), name, labels_, suffixes);
    // All lines are asked for before the first is looked at: a cold lookup waits once, not once a label.
    for (std::size_t i = 0; i < count; ++i) table_.prefetch(suffixes[i].hash);
    const char* const end = name.data() + name.size();
    bool any = false;
    for (std::size_t i = 0; i < count; ++i) {
        const auto length = static_cast<std::size_t>(end - suffixes[i].from);
        const SetId set = table_.find(suffixes[i].hash, {suffixes[i].from, length});
        if (set != 0 && visit(set)) any = true;
    }
    return any;
}

bool DomainIndex::lookup(std::string_view name, std::span<std::uint64_t> out) const {
    return visit_sets(name, [&](SetId set) {
        table_.sets().mark(set, out);
        return true;
    });
}

bool DomainIndex::contains(std::string_view name, ListId list) const {
    return visit_sets(name, [&](SetId set) { return table_.sets().contains(set, list); });
}

}  // namespace sluice::policy
