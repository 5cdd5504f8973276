// SPDX-License-Identifier: Apache-2.0
// One index for all address lists. The address space is cut where any network begins or ends; each piece knows the set of lists that cover it.
// A lookup is one step through a directory of the first 16 bits and a short binary search.
#pragma once

#include "base/ip.h"
#include "policy/lists/list_sets.h"

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace sluice::policy {

class IpIndex {
public:
    class Builder {
    public:
        // An IPv6 network inside ::ffff:0:0/96 is the IPv4 one that it maps.
        void add(const IpNetwork& network, ListId list);
        // Both ends belong to the range. False: the ends are of different families, or the wrong way round.
        bool add(const IpAddress& first, const IpAddress& last, ListId list);
        void remove(ListId list);
        // Distinct ranges of a list, as they were added.
        std::size_t count(ListId list) const;
        IpIndex build() &&;

    private:
        friend class IpIndex;
        struct Range {
            unsigned __int128 first = 0, last = 0;  // both inside
            ListId list = 0;
            friend auto operator<=>(const Range&, const Range&) = default;
        };
        std::vector<Range> v4_, v6_;
    };

    IpIndex() = default;
    // Sets the bit of every list that covers the address; bits already set stay. Whether there is any. IPv4-mapped addresses are unmapped.
    bool lookup(const IpAddress& address, std::span<std::uint64_t> out) const;
    bool contains(const IpAddress& address, ListId list) const;
    // Every piece of the address space that is in a list: its first and last address and its lists.
    void for_each(const std::function<void(const IpAddress&, const IpAddress&, std::span<const ListId>)>& each) const;
    std::size_t size() const;  // pieces
    std::size_t memory_bytes() const;

private:
    // The pieces of one family: piece i reaches from starts[i] to just before starts[i + 1].
    template <class Bits>
    struct Family {
        std::vector<Bits> starts;
        std::vector<SetId> sets;
        std::vector<std::uint32_t> directory;  // of the first 16 bits: the last piece that starts at or before them
        SetId find(Bits address) const;
        void build(std::vector<Builder::Range> ranges, ListSets& lists);
    };
    SetId find(const IpAddress& address) const;

    Family<std::uint32_t> v4_;
    Family<unsigned __int128> v6_;
    ListSets sets_;
};

}  // namespace sluice::policy
