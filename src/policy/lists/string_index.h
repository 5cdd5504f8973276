// SPDX-License-Identifier: Apache-2.0
// One index for all lists whose entries are compared whole: strings, byte for byte, and SHA-256 hashes (as their 32 bytes).
#pragma once

#include "policy/lists/entry_table.h"

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

namespace sluice::policy {

class StringIndex {
public:
    class Builder {
    public:
        // False: not new in that list, or too long.
        bool add(std::string_view entry, ListId list) { return table_.add(entry, list); }
        void remove(ListId list) { table_.remove(list); }
        StringIndex build() &&;

    private:
        EntryTable::Builder table_{&hash_bytes};
    };

    StringIndex() = default;
    bool lookup(std::string_view text, std::span<std::uint64_t> out) const;
    bool contains(std::string_view text, ListId list) const;
    void for_each(const std::function<void(std::string_view, std::span<const ListId>)>& each) const { table_.for_each(each); }
    std::size_t size() const { return table_.size(); }
    std::size_t memory_bytes() const { return table_.memory_bytes(); }

private:
    EntryTable table_;
};

}  // namespace sluice::policy
