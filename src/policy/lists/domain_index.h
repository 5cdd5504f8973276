// SPDX-License-Identifier: Apache-2.0
// One index for all domain lists: name -> set of lists. Exact, immutable after it is built, and read by all workers at once.
// One call answers for all lists, at the cost of about one cache line a label of the name.
#pragma once

#include "policy/lists/entry_table.h"

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

namespace sluice::policy {

class DomainIndex {
public:
    static constexpr std::size_t longest_name = 253;            // RFC 1035 2.3.4, without the final dot

    class Builder {
    public:
        // Room for about so many names; more may come.
        explicit Builder(std::size_t expected_names = 0);
        // `domain`: lower case, no final dot. False: not new in that list, empty, longer than a name can be, or the index is full.
        bool add(std::string_view domain, ListId list);
        // Takes all entries of a list out again.
        void remove(ListId list) { table_.remove(list); }
        DomainIndex build() &&;

    private:
        friend class DomainIndex;
        EntryTable::Builder table_;
        unsigned labels_ = 0;                                   // of the longest name
    };

    DomainIndex() = default;                                    // nothing is listed
    // Sets the bit of every list that holds `name` or a domain above it; bits already set stay. Whether there is any.
    // `name`: lower case, no final dot, any length.
    bool lookup(std::string_view name, std::span<std::uint64_t> out) const;
    // The same for one list.
    bool contains(std::string_view name, ListId list) const;
    // Every name with its lists, ascending, in no particular order.
    void for_each(const std::function<void(std::string_view, std::span<const ListId>)>& each) const { table_.for_each(each); }
    std::size_t size() const { return table_.size(); }          // distinct names
    std::size_t memory_bytes() const { return table_.memory_bytes(); }

private:
    template <class Visit>
    bool visit_sets(std::string_view name, Visit visit) const;

    EntryTable table_;
    unsigned labels_ = 0;
};

}  // namespace sluice::policy
