// SPDX-License-Identifier: Apache-2.0
#include "policy/gram_index.h"

#include <algorithm>
#include <bit>
#include <unordered_map>

#include "base/text.h"

namespace sluice::policy {
namespace {

// How common a byte is in URLs and header values, roughly: a window of rare bytes wakes its literal seldom.
int commonness(char c) {
    c = to_lower(c);
    if (std::string_view("etaoinsrc/.").contains(c)) return 4;
    if (std::string_view("dlmphugw-").contains(c)) return 3;
    if (is_digit(c) || std::string_view("fbyvk_=&").contains(c)) return 2;
    return 1;
}

}  // namespace

void GramIndex::add(std::string_view literal, Anchor anchor, bool ignoring_case, std::uint32_t id) {
    literals_.push_back({std::string(literal), anchor, ignoring_case, id});
}

void GramIndex::build() {
    build_table<4>(four_);
    build_table<2>(two_);
}

template <std::size_t N>
void GramIndex::build_table(Table& table) {
    std::vector<Entry> entries;
    std::unordered_map<std::uint32_t, int> uses;
    for (std::uint32_t i = 0; i < literals_.size(); ++i) {
        const std::string& text = literals_[i].text;
        if ((text.size() >= 4) != (N == 4)) continue;
        int best_score = 0;
        Entry best{};
        for (std::size_t offset = 0; offset + N <= text.size(); ++offset) {
            const std::uint32_t gram = window<N>(text.data() + offset);
            int score = 0;
            for (std::size_t k = 0; k < N; ++k) score += commonness(text[offset + k]);
            const auto used = uses.find(gram);
            score += 8 * (used == uses.end() ? 0 : used->second);     // many literals behind one window are compared one by one
            if (best_score == 0 || score < best_score) {
                best_score = score;
                best = {gram, static_cast<std::uint32_t>(offset), i};
            }
        }
        ++uses[best.gram];
        entries.push_back(best);
    }
    if (entries.empty()) return;
    const int bits = std::clamp(static_cast<int>(std::bit_width(entries.size() * 48)), 8, 20);
    table.shift = 32 - bits;
    const std::size_t buckets = std::size_t{1} << bits;
    table.filter.assign(buckets / 64, 0);
    table.starts.assign(buckets + 1, 0);
    std::ranges::sort(entries, {}, [&](const Entry& entry) { return hash(entry.gram, table.shift); });
    for (const Entry& entry : entries) {
        const std::uint32_t bucket = hash(entry.gram, table.shift);
        table.filter[bucket >> 6] |= std::uint64_t{1} << (bucket & 63);
        ++table.starts[bucket + 1];
    }
    for (std::size_t i = 1; i <= buckets; ++i) table.starts[i] += table.starts[i - 1];
    table.entries = std::move(entries);
}

bool GramIndex::stands_at(const Literal& literal, std::string_view text, std::size_t position, std::size_t offset) {
    const std::size_t length = literal.text.size();
    if (position < offset || text.size() - (position - offset) < length) return false;
    const std::size_t start = position - offset;
    if (literal.anchor == Anchor::start && start != 0) return false;
    if (literal.anchor == Anchor::end && start + length != text.size()) return false;
    const std::string_view part = text.substr(start, length);
    if (!literal.ignoring_case) return part == literal.text;
    return std::ranges::equal(part, literal.text, [](char a, char b) { return to_lower(a) == b; });
}

}  // namespace sluice::policy
