// SPDX-License-Identifier: Apache-2.0
// Finds which of many literals stand in a short text, in one pass: each literal gives windows of 4 (or, when short, 2) bytes, the rarest it
// has; the text's windows are looked up in a bitmap that fits the first-level cache, and what hits is compared in full. Where all literals
// are long enough, each gives several neighbouring windows, and only every second, third or fourth of the text's is looked up. Time
// is linear in the text, whatever a peer writes; the factor depends on the rules alone. Immutable once built.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::policy {

class GramIndex {
public:
    enum class Anchor : std::uint8_t { anywhere, start, end };

    // At least 2 bytes. `ignoring_case`: of ASCII letters; then `literal` is lower case.
    void add(std::string_view literal, Anchor anchor, bool ignoring_case, std::uint32_t id);
    void build();
    bool empty() const { return literals_.empty(); }

    // Calls found(id) for each literal that stands in the text, at least once, in no order.
    template <class F>
    void search(std::string_view text, F&& found) const {
        if (!scanned_.filter.empty() && text.size() >= 4) search_table<4>(scanned_, text, found);
        if (!short_.filter.empty() && text.size() >= 2) search_table<2>(short_, text, found);
        if (!starts_.filter.empty() && text.size() >= 4) search_window<4>(starts_, text, 0, found);
        if (!ends_.filter.empty() && text.size() >= 4) search_window<4>(ends_, text, text.size() - 4, found);
    }

private:
    struct Literal {
        std::string text;
        Anchor anchor = Anchor::anywhere;
        bool ignoring_case = false;
        std::uint32_t id = 0;
    };
    struct Entry {
        std::uint32_t gram = 0;  // folded
        std::uint32_t offset = 0;  // of the window in the literal
        std::uint32_t literal = 0;
    };
    struct Table {
        int shift = 0;  // 32 - bits of the hash
        std::size_t stride = 1;  // of the windows that are looked up
        std::vector<std::uint64_t> filter;  // a bit for each hash that occurs
        std::vector<std::uint32_t> starts;  // by hash: its entries; one more at the end
        std::vector<Entry> entries;
    };

    // Bit 5 is set in every byte: letters lose their case, and what else becomes equal is told apart by the comparison.
    template <std::size_t N>
    static std::uint32_t window(const char* at) {
        if constexpr (N == 4) {
            std::uint32_t value = 0;
            __builtin_memcpy(&value, at, 4);
            return value | 0x20202020U;
        } else {
            std::uint16_t value = 0;
            __builtin_memcpy(&value, at, 2);
            return value | 0x2020U;
        }
    }
    static std::uint32_t hash(std::uint32_t gram, int shift) { return (gram * 0x9e3779b1U) >> shift; }

    template <std::size_t N, class F>
    void search_table(const Table& table, std::string_view text, F&& found) const {
        const std::size_t last = text.size() - N;
        const std::size_t stride = table.stride;
        for (std::size_t at = 0; at <= last; at += stride) search_window<N>(table, text, at, found);
    }

    template <std::size_t N, class F>
    void search_window(const Table& table, std::string_view text, std::size_t at, F&& found) const {
        const std::uint32_t gram = window<N>(text.data() + at);
        const std::uint32_t bucket = hash(gram, table.shift);
        if ((table.filter[bucket >> 6] >> (bucket & 63) & 1) == 0) [[likely]]
            return;
        for (std::uint32_t i = table.starts[bucket]; i < table.starts[bucket + 1]; ++i) {
            const Entry& entry = table.entries[i];
            if (entry.gram == gram && stands_at(literals_[entry.literal], text, at, entry.offset)) found(literals_[entry.literal].id);
        }
    }

    static bool stands_at(const Literal& literal, std::string_view text, std::size_t position, std::size_t offset);
    // The windows of those literals that are `wanted`: `stride` neighbours each, the rarest if `choose`, else those at its anchored end.
    template <std::size_t N, class Wanted>
    void build_table(Table& table, std::size_t stride, bool choose, Wanted wanted);

    std::vector<Literal> literals_;
    Table scanned_;  // 4 bytes or longer
    Table short_;  // 2 or 3 bytes
    Table starts_, ends_;  // anchored and too short to be among `scanned_` at its stride
};

}  // namespace sluice::policy
