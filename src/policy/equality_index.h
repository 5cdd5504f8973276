// SPDX-License-Identifier: Apache-2.0
// The values that atoms compare a text with for equality: one hash and one probe, however many there are. Immutable once built.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace sluice::policy {

class EqualityIndex {
public:
    void add(std::string_view value, std::uint32_t id) { building_[std::string(value)].push_back(id); }

    void build() {
        if (building_.empty()) return;
        table_.assign(std::bit_ceil(building_.size() * 2 + 1), 0);
        for (auto& [value, ids] : building_) {
            std::ranges::sort(ids);
            values_.push_back({value, ids});
            lengths_ |= length_bit(value.size());
            std::size_t at = hash(value) & (table_.size() - 1);
            while (table_[at] != 0) at = (at + 1) & (table_.size() - 1);
            table_[at] = static_cast<std::uint32_t>(values_.size());
        }
        building_.clear();
    }

    bool empty() const { return values_.empty(); }

    std::span<const std::uint32_t> lookup(std::string_view text) const {
        if ((lengths_ & length_bit(text.size())) == 0) return {};
        // Half of the table is empty, so runs are short; which values are in it is the administrator's choice, not a peer's.
        for (std::size_t at = hash(text) & (table_.size() - 1); table_[at] != 0; at = (at + 1) & (table_.size() - 1)) {
            const Value& value = values_[table_[at] - 1];
            if (value.text == text) return value.ids;
        }
        return {};
    }

private:
    struct Value {
        std::string text;
        std::vector<std::uint32_t> ids;
    };
    static std::uint64_t length_bit(std::size_t length) { return std::uint64_t{1} << std::min<std::size_t>(length, 63); }
    // Over at most 256 bytes and the length: enough to tell written values apart, and bounded.
    static std::size_t hash(std::string_view text) {
        std::uint64_t h = text.size() * 0x9e3779b97f4a7c15U;
        const auto mix = [&](std::string_view part) {
            for (; part.size() >= 8; part.remove_prefix(8)) h = fold(h, load(part.data(), 8));
            if (!part.empty()) h = fold(h, load(part.data(), part.size()));
        };
        if (text.size() <= 256) {
            mix(text);
        } else {
            mix(text.substr(0, 128));
            mix(text.substr(text.size() - 128));
        }
        return h;
    }
    static std::uint64_t load(const char* at, std::size_t size) {
        std::uint64_t value = 0;
        __builtin_memcpy(&value, at, size);
        return value;
    }
    static std::uint64_t fold(std::uint64_t h, std::uint64_t value) {
        const unsigned __int128 product = static_cast<unsigned __int128>(h ^ value) * 0xd6e8feb86659fd93U;
        return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
    }

    std::unordered_map<std::string, std::vector<std::uint32_t>> building_;
    std::vector<std::uint32_t> table_;                   // index of the value + 1; 0: empty
    std::vector<Value> values_;
    std::uint64_t lengths_ = 0;
};

}  // namespace sluice::policy
