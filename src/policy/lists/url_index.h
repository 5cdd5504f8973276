// SPDX-License-Identifier: Apache-2.0
// One index for all URL lists. An entry is a host and a path: it holds for that host exactly, and for that path and all below it, at the
// border of a segment. An entry without a path holds for all of the host. An entry that names a port holds for that port alone.
#pragma once

#include "policy/lists/entry_table.h"

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

namespace sluice::policy {

class UrlIndex {
public:
    class Builder {
    public:
        // `entry`: "host[:port][/path]" in canonical form (see url_entry in entry_text.h). False: not new in that list, or too long.
        bool add(std::string_view entry, ListId list);
        void remove(ListId list) { table_.remove(list); }
        UrlIndex build() &&;

    private:
        EntryTable::Builder table_{&UrlIndex::hash};
        std::size_t pieces_ = 0;  // of the entry with the most: its host and its segments
    };

    UrlIndex() = default;
    // Sets the bit of every list that holds the URL. `host` as in the canonical URL, an IPv6 address without brackets; `path` canonical, from
    // its "/" on, without query; `port`: 0 where it does not matter.
    bool lookup(std::string_view host, std::string_view path, std::uint16_t port, std::span<std::uint64_t> out) const;
    bool contains(std::string_view host, std::string_view path, std::uint16_t port, ListId list) const;
    void for_each(const std::function<void(std::string_view, std::span<const ListId>)>& each) const { table_.for_each(each); }
    std::size_t size() const { return table_.size(); }
    std::size_t memory_bytes() const { return table_.memory_bytes(); }

private:
    static std::uint64_t hash(const HashSeed& seed, std::string_view entry);
    template <class Visit>
    bool visit_sets(std::string_view host, std::string_view path, std::uint16_t port, Visit visit) const;

    EntryTable table_;
    std::size_t pieces_ = 0;
};

}  // namespace sluice::policy
