// SPDX-License-Identifier: Apache-2.0
#include "policy/lists/domain_index.h"
#include "policy/lists/ip_index.h"
#include "policy/lists/string_index.h"
#include "policy/lists/url_index.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>

namespace sluice::policy {
namespace {

using Ids = std::set<ListId>;

Ids ids_in(std::span<const std::uint64_t> bits) {
    Ids out;
    for (std::size_t i = 0; i < bits.size() * 64; ++i)
        if (bits[i / 64] >> (i % 64) & 1) out.insert(static_cast<ListId>(i));
    return out;
}

Ids lists_of(const DomainIndex& index, std::string_view name) {
    std::array<std::uint64_t, 16> bits{};
    const bool any = index.lookup(name, bits);
    const Ids out = ids_in(bits);
    EXPECT_EQ(any, !out.empty()) << name;
    for (ListId list = 0; list < 1024; ++list) EXPECT_EQ(index.contains(name, list), out.contains(list)) << name << " " << list;
    return out;
}

Ids lists_of(const IpIndex& index, std::string_view address) {
    std::array<std::uint64_t, 16> bits{};
    const bool any = index.lookup(*IpAddress::parse(address), bits);
    const Ids out = ids_in(bits);
    EXPECT_EQ(any, !out.empty()) << address;
    return out;
}

TEST(DomainIndex, a_domain_is_itself_and_all_below) {
    DomainIndex::Builder builder;
    EXPECT_TRUE(builder.add("example.com", 3));
    EXPECT_TRUE(builder.add("ads.example.com", 700));
    EXPECT_TRUE(builder.add("example.com", 4));
    EXPECT_FALSE(builder.add("example.com", 3)) << "it is in that list already";
    EXPECT_TRUE(builder.add("zip", 5));
    const DomainIndex index = std::move(builder).build();
    EXPECT_EQ(index.size(), 3U);
    EXPECT_EQ(lists_of(index, "example.com"), (Ids{3, 4}));
    EXPECT_EQ(lists_of(index, "www.example.com"), (Ids{3, 4}));
    EXPECT_EQ(lists_of(index, "x.ads.example.com"), (Ids{3, 4, 700}));
    EXPECT_EQ(lists_of(index, "a.zip"), (Ids{5}));
    for (const std::string_view other :
         {"com", "xample.com", "badexample.com", "example.co", "example.comm", "example.com.org", "", ".", "..", "zip.", ".zip2", "e"})
        EXPECT_EQ(lists_of(index, other), Ids{}) << other;
}

TEST(DomainIndex, nothing_is_listed_in_an_empty_one) {
    EXPECT_EQ(lists_of(DomainIndex(), "example.com"), Ids{});
    EXPECT_EQ(lists_of(DomainIndex::Builder().build(), "example.com"), Ids{});
}

TEST(DomainIndex, names_that_cannot_be_are_refused_or_not_found) {
    DomainIndex::Builder builder;
    EXPECT_FALSE(builder.add("", 0));
    EXPECT_FALSE(builder.add(std::string(254, 'a'), 0));
    EXPECT_TRUE(builder.add(std::string(253, 'a'), 0));
    std::string deep = "a";
    while (deep.size() < 253) deep += ".a";
    EXPECT_TRUE(builder.add(deep, 1));
    const DomainIndex index = std::move(builder).build();
    EXPECT_EQ(lists_of(index, deep), (Ids{1}));
    EXPECT_EQ(lists_of(index, "x." + deep), (Ids{1}));
    EXPECT_EQ(lists_of(index, std::string(100'000, '.')), Ids{});
    EXPECT_EQ(lists_of(index, std::string(100'000, 'a')), Ids{});
}

// Against the plainest way to say the same.
TEST(DomainIndex, agrees_with_a_map_of_sets) {
    std::mt19937 random(7);
    const auto label = [&] {
        std::string out;
        for (auto n = 1 + random() % 12; n > 0; --n) out += static_cast<char>('a' + random() % 3);
        return out;
    };
    std::map<std::string, Ids> expected;
    DomainIndex::Builder builder;
    for (int i = 0; i < 20'000; ++i) {
        std::string name = label();
        for (auto n = random() % 3; n > 0; --n) name += "." + label();
        const auto list = static_cast<ListId>(random() % 70);
        EXPECT_EQ(builder.add(name, list), expected[name].insert(list).second);
    }
    builder.remove(7);
    for (auto& [name, lists] : expected) lists.erase(7);
    EXPECT_TRUE(builder.add("back.again", 7));
    expected["back.again"] = {7};
    std::erase_if(expected, [](const auto& entry) { return entry.second.empty(); });

    const DomainIndex index = std::move(builder).build();
    EXPECT_EQ(index.size(), expected.size());
    const auto expect = [&](std::string_view name) {
        Ids out;
        for (;;) {
            if (const auto found = expected.find(std::string(name)); found != expected.end())
                out.insert(found->second.begin(), found->second.end());
            const auto dot = name.find('.');
            if (dot == std::string_view::npos) return out;
            name.remove_prefix(dot + 1);
        }
    };
    std::array<std::uint64_t, 2> bits{};
    for (int i = 0; i < 20'000; ++i) {
        std::string name = label();
        for (auto n = random() % 4; n > 0; --n) name += "." + label();
        bits = {};
        (void)index.lookup(name, bits);
        ASSERT_EQ(ids_in(bits), expect(name)) << name;
    }
    std::map<std::string, Ids> all;
    index.for_each([&](std::string_view name, std::span<const ListId> lists) { all[std::string(name)] = Ids(lists.begin(), lists.end()); });
    EXPECT_EQ(all, expected);
}

TEST(DomainIndex, bits_already_set_stay) {
    DomainIndex::Builder builder;
    builder.add("a.b", 1);
    const DomainIndex index = std::move(builder).build();
    std::array<std::uint64_t, 1> bits{1};
    EXPECT_FALSE(index.lookup("c", bits));
    EXPECT_TRUE(index.lookup("a.b", bits));
    EXPECT_EQ(bits[0], 3U);
}

TEST(IpIndex, networks_nest_overlap_and_end) {
    IpIndex::Builder builder;
    builder.add(*IpNetwork::parse("10.0.0.0/8"), 0);
    builder.add(*IpNetwork::parse("10.1.0.0/16"), 1);
    builder.add(*IpNetwork::parse("10.1.2.3"), 2);
    builder.add(*IpNetwork::parse("255.255.255.255"), 3);
    builder.add(*IpNetwork::parse("0.0.0.0"), 3);
    builder.add(*IpNetwork::parse("2001:db8::/32"), 4);
    builder.add(*IpNetwork::parse("2001:db8::1"), 5);
    builder.add(*IpNetwork::parse("ff00::/8"), 5);
    builder.add(*IpNetwork::parse("::ffff:192.0.2.0/120"), 6);
    EXPECT_TRUE(builder.add(*IpAddress::parse("10.0.255.250"), *IpAddress::parse("10.1.0.5"), 100));
    EXPECT_FALSE(builder.add(*IpAddress::parse("10.0.0.2"), *IpAddress::parse("10.0.0.1"), 0));
    EXPECT_FALSE(builder.add(*IpAddress::parse("10.0.0.2"), *IpAddress::parse("::1"), 0));
    const IpIndex index = std::move(builder).build();
    EXPECT_EQ(lists_of(index, "10.0.0.0"), (Ids{0}));
    EXPECT_EQ(lists_of(index, "10.0.255.249"), (Ids{0}));
    EXPECT_EQ(lists_of(index, "10.0.255.250"), (Ids{0, 100}));
    EXPECT_EQ(lists_of(index, "10.1.0.5"), (Ids{0, 1, 100}));
    EXPECT_EQ(lists_of(index, "10.1.0.6"), (Ids{0, 1}));
    EXPECT_EQ(lists_of(index, "10.1.2.3"), (Ids{0, 1, 2}));
    EXPECT_EQ(lists_of(index, "10.1.2.4"), (Ids{0, 1}));
    EXPECT_EQ(lists_of(index, "10.255.255.255"), (Ids{0}));
    EXPECT_EQ(lists_of(index, "11.0.0.0"), Ids{});
    EXPECT_EQ(lists_of(index, "9.255.255.255"), Ids{});
    EXPECT_EQ(lists_of(index, "255.255.255.255"), (Ids{3}));
    EXPECT_EQ(lists_of(index, "0.0.0.0"), (Ids{3}));
    EXPECT_EQ(lists_of(index, "0.0.0.1"), Ids{});
    EXPECT_EQ(lists_of(index, "2001:db8::1"), (Ids{4, 5}));
    EXPECT_EQ(lists_of(index, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"), (Ids{4}));
    EXPECT_EQ(lists_of(index, "2001:db9::"), Ids{});
    EXPECT_EQ(lists_of(index, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), (Ids{5}));
    EXPECT_EQ(lists_of(index, "::"), Ids{});
    EXPECT_EQ(lists_of(index, "192.0.2.7"), (Ids{6}));
    EXPECT_EQ(lists_of(index, "::ffff:10.1.2.3"), (Ids{0, 1, 2})) << "mapped addresses are unmapped";
    EXPECT_TRUE(index.contains(*IpAddress::parse("10.1.2.3"), 2));
    EXPECT_FALSE(index.contains(*IpAddress::parse("10.1.2.3"), 3));
}

TEST(IpIndex, everything_is_a_network_too) {
    IpIndex::Builder builder;
    builder.add(*IpNetwork::parse("0.0.0.0/0"), 0);
    builder.add(*IpNetwork::parse("::/0"), 1);
    const IpIndex index = std::move(builder).build();
    EXPECT_EQ(index.size(), 2U);
    for (const auto* address : {"0.0.0.0", "127.0.0.1", "255.255.255.255"}) EXPECT_EQ(lists_of(index, address), (Ids{0}));
    for (const auto* address : {"::", "2001:db8::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"})
        EXPECT_EQ(lists_of(index, address), (Ids{1}));
}

TEST(IpIndex, agrees_with_asking_every_network) {
    std::mt19937 random(11);
    std::vector<std::pair<IpNetwork, ListId>> networks;
    IpIndex::Builder builder;
    for (int i = 0; i < 2'000; ++i) {
        const IpNetwork network(IpAddress::v4(0x0a000000U | (static_cast<std::uint32_t>(random()) & 0x0003ffffU)),
                                static_cast<int>(14 + random() % 19));
        const auto list = static_cast<ListId>(random() % 10);
        networks.emplace_back(network, list);
        builder.add(network, list);
    }
    EXPECT_LE(builder.count(3), 400U);
    builder.remove(3);
    EXPECT_EQ(builder.count(3), 0U);
    std::erase_if(networks, [](const auto& entry) { return entry.second == 3; });
    const IpIndex index = std::move(builder).build();
    IpIndex::Builder copy;
    index.for_each([&](const IpAddress& first, const IpAddress& last, std::span<const ListId> lists) {
        for (const ListId list : lists) copy.add(first, last, list);
    });
    const IpIndex copied = std::move(copy).build();
    EXPECT_EQ(copied.size(), index.size());
    for (int i = 0; i < 5'000; ++i) {
        const IpAddress address = IpAddress::v4(0x0a000000U | (static_cast<std::uint32_t>(random()) & 0x0007ffffU));
        Ids expected;
        for (const auto& [network, list] : networks)
            if (network.contains(address)) expected.insert(list);
        ASSERT_EQ(lists_of(index, address.to_string()), expected) << address.to_string();
        ASSERT_EQ(lists_of(copied, address.to_string()), expected) << address.to_string();
    }
}

TEST(UrlIndex, a_prefix_ends_at_a_segment) {
    UrlIndex::Builder builder;
    EXPECT_TRUE(builder.add("example.com/a/b", 0));
    EXPECT_TRUE(builder.add("example.org", 1));
    EXPECT_TRUE(builder.add("example.net:8080/x", 2));
    EXPECT_TRUE(builder.add("example.com/a", 65));
    EXPECT_TRUE(builder.add("[2001:db8::1]/v6", 3));
    EXPECT_TRUE(builder.add("[2001:db8::1]:8080/v6", 4));
    const UrlIndex index = std::move(builder).build();
    const auto lists = [&](std::string_view host, std::string_view path, std::uint16_t port = 0) {
        std::array<std::uint64_t, 2> bits{};
        const bool any = index.lookup(host, path, port, bits);
        const Ids out = ids_in(bits);
        EXPECT_EQ(any, !out.empty());
        for (ListId list = 0; list < 128; ++list) EXPECT_EQ(index.contains(host, path, port, list), out.contains(list));
        return out;
    };
    EXPECT_EQ(lists("example.com", "/a/b"), (Ids{0, 65}));
    EXPECT_EQ(lists("example.com", "/a/b/"), (Ids{0, 65}));
    EXPECT_EQ(lists("example.com", "/a/b/c"), (Ids{0, 65}));
    EXPECT_EQ(lists("example.com", "/a/bc"), (Ids{65}));
    EXPECT_EQ(lists("example.com", "/a"), (Ids{65}));
    EXPECT_EQ(lists("example.com", "/ab"), Ids{});
    EXPECT_EQ(lists("example.com", "/"), Ids{});
    EXPECT_EQ(lists("example.com", "//a"), Ids{});
    EXPECT_EQ(lists("www.example.com", "/a/b"), Ids{}) << "the host is exact";
    EXPECT_EQ(lists("example.org", "/"), (Ids{1}));
    EXPECT_EQ(lists("example.org", ""), (Ids{1}));
    EXPECT_EQ(lists("example.org", "/any/thing", 8080), (Ids{1}));
    EXPECT_EQ(lists("www.example.org", "/"), Ids{});
    EXPECT_EQ(lists("example.net", "/x"), Ids{});
    EXPECT_EQ(lists("example.net", "/x", 80), Ids{});
    EXPECT_EQ(lists("example.net", "/x/y", 8080), (Ids{2}));
    EXPECT_EQ(lists("2001:db8::1", "/v6"), (Ids{3}));
    EXPECT_EQ(lists("2001:db8::1", "/v6/", 8080), (Ids{3, 4}));
    EXPECT_EQ(lists("2001:db8::1:8080", "/v6"), Ids{});
    EXPECT_EQ(lists("", "/a"), Ids{});
    EXPECT_EQ(lists("example.com", std::string(100'000, '/')), Ids{});
    EXPECT_EQ(lists("example.com", "/a/" + std::string(100'000, 'x')), (Ids{65}));
    EXPECT_EQ(lists(std::string(100'000, 'x'), "/a"), Ids{});
}

// An entry as long as an entry can be must not hold for a path that goes on in the same segment.
TEST(UrlIndex, a_path_longer_than_any_entry_is_cut_at_no_segment) {
    UrlIndex::Builder builder;
    const std::string path = "/" + std::string(EntryTable::longest_entry - 4, 'p');
    EXPECT_TRUE(builder.add("a.b" + path, 0));
    EXPECT_FALSE(builder.add("a.b" + path + "p", 0));
    const UrlIndex index = std::move(builder).build();
    EXPECT_TRUE(index.contains("a.b", path, 0, 0));
    EXPECT_FALSE(index.contains("a.b", path + "p", 0, 0));
}

TEST(StringIndex, strings_are_compared_whole) {
    StringIndex::Builder builder;
    EXPECT_TRUE(builder.add("ann", 0));
    EXPECT_TRUE(builder.add("bo", 1));
    EXPECT_TRUE(builder.add(std::string_view("a\0b", 3), 1));
    EXPECT_FALSE(builder.add("", 1));
    const StringIndex index = std::move(builder).build();
    EXPECT_TRUE(index.contains("ann", 0));
    EXPECT_FALSE(index.contains("ann", 1));
    EXPECT_FALSE(index.contains("Ann", 0));
    EXPECT_FALSE(index.contains("anna", 0));
    EXPECT_FALSE(index.contains("an", 0));
    EXPECT_FALSE(index.contains("", 0));
    EXPECT_TRUE(index.contains(std::string_view("a\0b", 3), 1));
    std::array<std::uint64_t, 1> bits{};
    EXPECT_TRUE(index.lookup("bo", bits));
    EXPECT_EQ(bits[0], 2U);
    EXPECT_FALSE(index.lookup(std::string(10'000, 'x'), bits));
}

TEST(ListSets, sets_are_kept_once) {
    ListSets sets;
    const SetId one = sets.with(0, 5);
    const SetId both = sets.with(one, 2);
    EXPECT_EQ(sets.with(sets.with(0, 2), 5), both);
    EXPECT_EQ(sets.with(both, 5), both);
    EXPECT_EQ(std::vector(sets.members(both).begin(), sets.members(both).end()), (std::vector<ListId>{2, 5}));
    EXPECT_TRUE(sets.members(0).empty());
    EXPECT_FALSE(sets.contains(0, 0));
    const auto left = sets.without(2);
    EXPECT_EQ(left[both], one);
    EXPECT_EQ(left[one], one);
    EXPECT_EQ(left[0], 0U);
}

}  // namespace
}  // namespace sluice::policy
