// SPDX-License-Identifier: Apache-2.0
#include "base/ip.h"

#include <gtest/gtest.h>

#include <netinet/in.h>

#include <cstring>

namespace sluice {
namespace {

TEST(IpAddress, parses_and_writes) {
    for (const std::string_view text : {"0.0.0.0", "192.0.2.1", "255.255.255.255", "10.20.30.40", "9.99.100.199", "::", "::1",
                                        "2001:db8::1", "fe80::1:2:3:4", "1:2:3:4:5:6:7:8"}) {
        const auto address = IpAddress::parse(text);
        ASSERT_TRUE(address) << text;
        EXPECT_EQ(address->to_string(), text);
        char out[46];
        EXPECT_EQ(std::string_view(out, address->format(out)), text);
        EXPECT_EQ(address->is_v6(), text.find(':') != std::string_view::npos);
    }
    EXPECT_EQ(IpAddress::parse("2001:DB8:0:0:0::1")->to_string(), "2001:db8::1");
    for (const std::string_view bad : {"", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.4 ", " 1.2.3.4", "0x1.2.3.4", ":",
                                       ":::", "1::2::3", "::g", "[::1]", "fe80::1%lo", "1:2:3:4:5:6:7:8:9"})
        EXPECT_FALSE(IpAddress::parse(bad)) << bad;
    EXPECT_FALSE(IpAddress::parse(std::string_view("1.2.3.4\0", 8)));
    EXPECT_FALSE(IpAddress::parse(std::string(100, '1')));
}

TEST(IpAddress, every_last_octet_is_written_as_it_is_read) {
    for (std::uint32_t octet = 0; octet < 256; ++octet) {
        const IpAddress address = IpAddress::v4((octet << 24) | octet);
        EXPECT_EQ(address.to_string(), std::to_string(octet) + ".0.0." + std::to_string(octet));
        EXPECT_EQ(IpAddress::parse(address.to_string()), address);
    }
}

TEST(IpAddress, mapped_ones_are_ipv4) {
    const auto mapped = IpAddress::parse("::ffff:192.0.2.1");
    ASSERT_TRUE(mapped);
    EXPECT_TRUE(mapped->is_v6());
    EXPECT_EQ(mapped->unmapped(), IpAddress::v4(0xc0000201));
    EXPECT_EQ(mapped->unmapped().to_v4(), 0xc0000201U);
    EXPECT_EQ(IpAddress::parse("::192.0.2.1")->unmapped(), IpAddress::parse("::192.0.2.1"));
    EXPECT_EQ(IpAddress::v4(1).unmapped(), IpAddress::v4(1));
}

TEST(IpAddress, kinds_are_never_equal) {
    EXPECT_NE(*IpAddress::parse("0.0.0.0"), *IpAddress::parse("::"));
    EXPECT_EQ(IpAddress(), *IpAddress::parse("0.0.0.0"));
    EXPECT_LT(*IpAddress::parse("10.0.0.1"), *IpAddress::parse("10.0.0.2"));
    EXPECT_EQ(std::hash<IpAddress>{}(IpAddress::v4(7)), std::hash<IpAddress>{}(IpAddress::v4(7)));
}

TEST(IpAddress, from_sockaddr) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_addr.s_addr = htonl(0x7f000001);
    EXPECT_EQ(IpAddress::from_sockaddr(reinterpret_cast<const sockaddr*>(&in)), IpAddress::v4(0x7f000001));
    sockaddr_in6 in6{};
    in6.sin6_family = AF_INET6;
    in6.sin6_addr = in6addr_loopback;
    EXPECT_EQ(IpAddress::from_sockaddr(reinterpret_cast<const sockaddr*>(&in6)), IpAddress::parse("::1"));
    sockaddr other{};
    other.sa_family = AF_UNIX;
    EXPECT_FALSE(IpAddress::from_sockaddr(&other));
}

TEST(IpPort, parses_and_writes) {
    for (const std::string_view text : {"192.0.2.1:80", "[2001:db8::1]:65535", "0.0.0.0:0"}) {
        const auto endpoint = IpPort::parse(text);
        ASSERT_TRUE(endpoint) << text;
        EXPECT_EQ(endpoint->to_string(), text);
    }
    for (const std::string_view bad : {"", ":80", "192.0.2.1", "192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:-1", "[192.0.2.1]:80", "::1:80",
                                       "2001:db8::1", "[::1]80", "a:80"})
        EXPECT_FALSE(IpPort::parse(bad)) << bad;
}

TEST(IpNetwork, contains_what_it_should) {
    const auto contains = [](std::string_view network, std::string_view address) {
        return IpNetwork::parse(network)->contains(*IpAddress::parse(address));
    };
    EXPECT_TRUE(contains("10.0.0.0/8", "10.255.0.1"));
    EXPECT_FALSE(contains("10.0.0.0/8", "11.0.0.0"));
    EXPECT_TRUE(contains("192.0.2.128/25", "192.0.2.128"));
    EXPECT_FALSE(contains("192.0.2.128/25", "192.0.2.127"));
    EXPECT_TRUE(contains("0.0.0.0/0", "255.255.255.255"));
    EXPECT_FALSE(contains("0.0.0.0/0", "::1"));
    EXPECT_FALSE(contains("::/0", "1.2.3.4"));
    EXPECT_TRUE(contains("2001:db8::/33", "2001:db8:7fff::1"));
    EXPECT_FALSE(contains("2001:db8::/33", "2001:db8:8000::1"));
    EXPECT_TRUE(contains("192.0.2.1", "192.0.2.1"));
    EXPECT_FALSE(contains("192.0.2.1", "192.0.2.2"));
}

TEST(IpNetwork, host_bits_are_cleared) {
    EXPECT_EQ(IpNetwork::parse("10.1.2.3/8")->to_string(), "10.0.0.0/8");
    EXPECT_EQ(IpNetwork::parse("2001:db8::1/32")->to_string(), "2001:db8::/32");
    EXPECT_EQ(IpNetwork::parse("10.1.2.3/8"), IpNetwork::parse("10.0.0.0/8"));
    EXPECT_EQ(IpNetwork::parse("10.1.2.3")->prefix(), 32);
    EXPECT_EQ(IpNetwork::parse("::1")->prefix(), 128);
    for (const std::string_view bad :
         {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0/8", "::/129", "10.0.0.0/8/8", "10.0.0.0/0x8"})
        EXPECT_FALSE(IpNetwork::parse(bad)) << bad;
}

}  // namespace
}  // namespace sluice
