// SPDX-License-Identifier: Apache-2.0
#include "policy/lists/ip_index.h"

#include <algorithm>
#include <limits>
#include <tuple>

namespace sluice::policy {

namespace {

using Bits128 = unsigned __int128;

Bits128 bits_of(const IpAddress& address) {
    Bits128 out = 0;
    for (std::size_t i = 0; i < (address.is_v4() ? 4U : 16U); ++i) out = out << 8 | address.bytes()[i];
    return out;
}

IpAddress address_of(std::uint32_t bits) { return IpAddress::v4(bits); }

IpAddress address_of(Bits128 bits) {
    std::array<std::uint8_t, 16> bytes{};
    for (std::size_t i = 16; i-- > 0; bits >>= 8) bytes[i] = static_cast<std::uint8_t>(bits);
    return IpAddress::v6(bytes);
}

template <class Bits>
constexpr Bits highest = static_cast<Bits>(~Bits{0});
template <class Bits>
constexpr int below_directory = static_cast<int>(sizeof(Bits)) * 8 - 16;

}  // namespace

void IpIndex::Builder::add(const IpNetwork& network, ListId list) {
    const IpAddress& first = network.address();
    const Bits128 host_bits = network.prefix() == first.bits() ? 0 : highest<Bits128> >> (128 - first.bits() + network.prefix());
    const Bits128 last = bits_of(first) | host_bits;
    add(first, first.is_v4() ? address_of(static_cast<std::uint32_t>(last)) : address_of(last), list);
}

bool IpIndex::Builder::add(const IpAddress& first, const IpAddress& last, ListId list) {
    IpAddress from = first.unmapped();
    IpAddress to = last.unmapped();
    if (from.is_v4() != to.is_v4()) {                           // only one end is mapped: a range of IPv6 after all
        from = first;
        to = last;
    }
    if (from.is_v4() != to.is_v4() || bits_of(to) < bits_of(from)) return false;
    (from.is_v4() ? v4_ : v6_).push_back({bits_of(from), bits_of(to), list});
    return true;
}

void IpIndex::Builder::remove(ListId list) {
    for (auto* ranges : {&v4_, &v6_}) std::erase_if(*ranges, [&](const Range& range) { return range.list == list; });
}

std::size_t IpIndex::Builder::count(ListId list) const {
    std::size_t out = 0;
    for (const auto* ranges : {&v4_, &v6_}) {
        std::vector<Range> own;
        std::ranges::copy_if(*ranges, std::back_inserter(own), [&](const Range& range) { return range.list == list; });
        std::ranges::sort(own, {}, [](const Range& r) { return std::tuple(r.first, r.last); });
        const auto twice = std::ranges::unique(own, {}, [](const Range& r) { return std::tuple(r.first, r.last); });
        out += own.size() - twice.size();
    }
    return out;
}

IpIndex IpIndex::Builder::build() && {
    IpIndex out;
    out.v4_.build(std::move(v4_), out.sets_);
    out.v6_.build(std::move(v6_), out.sets_);
    out.sets_.freeze();
    return out;
}

template <class Bits>
void IpIndex::Family<Bits>::build(std::vector<Builder::Range> ranges, ListSets& lists) {
    if (ranges.empty()) return;
    // The ranges of one list become disjoint, so that a list begins or ends at most once at any place.
    std::ranges::sort(ranges, {}, [](const Builder::Range& r) { return std::tuple(r.list, r.first, r.last); });
    std::size_t kept = 0;
    for (std::size_t i = 1; i < ranges.size(); ++i) {
        auto& last = ranges[kept];
        const bool touches = ranges[i].list == last.list && (ranges[i].first <= last.last || ranges[i].first - 1 == last.last);
        if (touches) last.last = std::max(last.last, ranges[i].last);
        else ranges[++kept] = ranges[i];
    }
    ranges.resize(kept + 1);

    struct Edge {
        Bits at;
        ListId list;
        bool begins;
    };
    std::vector<Edge> edges;
    edges.reserve(2 * ranges.size());
    for (const auto& range : ranges) {
        edges.push_back({static_cast<Bits>(range.first), range.list, true});
        if (const auto last = static_cast<Bits>(range.last); last != highest<Bits>)
            edges.push_back({static_cast<Bits>(last + 1), range.list, false});
    }
    ranges = {};
    std::ranges::sort(edges, {}, &Edge::at);

    starts.push_back(0);
    sets.push_back(0);
    std::vector<ListId> covering;                               // ascending
    for (std::size_t i = 0; i < edges.size();) {
        const Bits at = edges[i].at;
        for (; i < edges.size() && edges[i].at == at; ++i) {
            const auto place = std::ranges::lower_bound(covering, edges[i].list);
            if (edges[i].begins) covering.insert(place, edges[i].list);
            else covering.erase(place);
        }
        SetId set = 0;
        for (const ListId list : covering) set = lists.with(set, list);
        if (at == 0) {
            sets.back() = set;
        } else if (set != sets.back()) {
            starts.push_back(at);
            sets.push_back(set);
        }
    }
    starts.shrink_to_fit();
    sets.shrink_to_fit();

    directory.resize(65536 + 1);
    std::uint32_t piece = 0;
    for (std::size_t i = 0; i < 65536; ++i) {
        const auto border = static_cast<Bits>(static_cast<Bits>(i) << below_directory<Bits>);
        while (piece + 1 < starts.size() && starts[piece + 1] <= border) ++piece;
        directory[i] = piece;
    }
    directory[65536] = static_cast<std::uint32_t>(starts.size() - 1);
}

template <class Bits>
SetId IpIndex::Family<Bits>::find(Bits address) const {
    if (starts.empty()) return 0;
    const auto top = static_cast<std::size_t>(address >> below_directory<Bits>);
    std::uint32_t low = directory[top];
    std::uint32_t length = directory[top + 1] - low + 1;        // the answer is one of so many pieces, from `low` on
    while (length > 1) {
        const std::uint32_t half = length / 2;
        if (starts[low + half] <= address) low += half;
        length -= half;
    }
    return sets[low];
}

SetId IpIndex::find(const IpAddress& address) const {
    const IpAddress plain = address.unmapped();
    return plain.is_v4() ? v4_.find(plain.to_v4()) : v6_.find(bits_of(plain));
}

bool IpIndex::lookup(const IpAddress& address, std::span<std::uint64_t> out) const {
    const SetId set = find(address);
    sets_.mark(set, out);
    return set != 0;
}

bool IpIndex::contains(const IpAddress& address, ListId list) const { return sets_.contains(find(address), list); }

void IpIndex::for_each(const std::function<void(const IpAddress&, const IpAddress&, std::span<const ListId>)>& each) const {
    const auto pieces = [&]<class Bits>(const Family<Bits>& family) {
        for (std::size_t i = 0; i < family.starts.size(); ++i) {
            if (family.sets[i] == 0) continue;
            const Bits last = i + 1 < family.starts.size() ? static_cast<Bits>(family.starts[i + 1] - 1) : highest<Bits>;
            each(address_of(family.starts[i]), address_of(last), sets_.members(family.sets[i]));
        }
    };
    pieces(v4_);
    pieces(v6_);
}

std::size_t IpIndex::size() const {
    std::size_t out = 0;
    for_each([&](const auto&, const auto&, auto) { ++out; });
    return out;
}

std::size_t IpIndex::memory_bytes() const {
    const auto bytes = [](const auto& family) {
        return family.starts.capacity() * sizeof family.starts[0] + family.sets.capacity() * sizeof family.sets[0] +
               family.directory.capacity() * sizeof family.directory[0];
    };
    return bytes(v4_) + bytes(v6_) + sets_.memory_bytes();
}

}  // namespace sluice::policy
