// SPDX-License-Identifier: Apache-2.0
#include "policy/gram_index.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <unordered_map>

#include "base/text.h"

namespace sluice::policy {
namespace {

constexpr std::size_t longest_stride = 4;

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
    std::size_t stride = longest_stride;
    for (const Literal& literal : literals_)
        if (literal.anchor == Anchor::anywhere && literal.text.size() >= 4) stride = std::min(stride, literal.text.size() - 3);
    const auto fits = [stride](const Literal& literal) { return literal.text.size() >= stride + 3; };
    build_table<4>(scanned_, stride, true, fits);
    build_table<2>(short_, 1, true, [](const Literal& literal) { return literal.text.size() < 4; });
    build_table<4>(starts_, 1, false,
                   [&](const Literal& literal) { return literal.anchor == Anchor::start && literal.text.size() >= 4 && !fits(literal); });
    build_table<4>(ends_, 1, false,
                   [&](const Literal& literal) { return literal.anchor == Anchor::end && literal.text.size() >= 4 && !fits(literal); });
}

template <std::size_t N, class Wanted>
void GramIndex::build_table(Table& table, std::size_t stride, bool choose, Wanted wanted) {
    std::vector<Entry> entries;
    std::unordered_map<std::uint32_t, int> uses;
    for (std::uint32_t i = 0; i < literals_.size(); ++i) {
        if (!wanted(literals_[i])) continue;
        const std::string& text = literals_[i].text;
        const std::size_t last = text.size() - N - (stride - 1);
        std::size_t best = literals_[i].anchor == Anchor::end ? last : 0;
        int best_score = std::numeric_limits<int>::max();
        for (std::size_t offset = 0; choose && offset <= last; ++offset) {
            int score = 0;
            for (std::size_t k = offset; k < offset + stride; ++k) {
                for (std::size_t c = 0; c < N; ++c) score += commonness(text[k + c]);
                const auto used = uses.find(window<N>(text.data() + k));
                score += 8 * (used == uses.end() ? 0 : used->second);   // many literals behind one window are compared one by one
            }
            if (score >= best_score) continue;
            best_score = score;
            best = offset;
        }
        for (std::size_t k = best; k < best + stride; ++k) {
            const std::uint32_t gram = window<N>(text.data() + k);
            ++uses[gram];
            entries.push_back({gram, static_cast<std::uint32_t>(k), i});
        }
    }
    if (entries.empty()) return;
    table.stride = stride;
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
