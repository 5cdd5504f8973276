// SPDX-License-Identifier: Apache-2.0
#include "policy/protect_host.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace sluice::policy {
namespace {

constexpr std::string_view far = "192.0.2.50";                  // a client elsewhere
constexpr std::string_view near = "127.0.0.1";

std::string refused(const ProtectHost& check, std::string_view client, std::string_view server, std::uint16_t port = 80) {
    const auto address = IpAddress::parse(server);
    EXPECT_TRUE(address) << server;
    return std::string(check.refuses(*IpAddress::parse(client), {*address, port}).value_or(""));
}

ProtectHost gateway(std::vector<IpPort> listeners = {}) {
    return ProtectHost({{*IpAddress::parse("127.0.0.1"), *IpAddress::parse("203.0.113.7"), *IpAddress::parse("2001:db8::7"),
                         *IpAddress::parse("10.0.0.1")},
                        std::move(listeners)});
}

TEST(ProtectHost, other_machines_may_be_dialled) {
    const ProtectHost check = gateway();
    for (const auto* server : {"93.184.216.34",
                               "10.0.0.2",
                               "192.168.1.1",
                               "172.16.0.1",
                               "2606:2800:220:1::1",
                               "fd00::1",
                               "203.0.113.8",
                               "2001:db8::8",
                               "2001:4860:4860::8888",
                               "64:ff9b::5db8:d822",
                               "64:ff9b:1::5db8:d822",
                               "64:ff9b:1:5db8:d8:2200::",
                               "2002:5db8:d822::1",
                               "::ffff:93.184.216.34",
                               "1.0.0.0",
                               "128.0.0.0",
                               "126.255.255.255",
                               "223.255.255.255",
                               "169.253.255.255",
                               "169.255.0.0",
                               "2001:0:5db8:d822:0:0:a247:27dd"}) {
        EXPECT_EQ(refused(check, far, server), "") << server;
        EXPECT_EQ(refused(check, near, server), "") << server;
    }
}

TEST(ProtectHost, this_host) {
    for (const auto client : {far, near})
        for (const auto* server : {"0.0.0.0", "0.255.255.255", "0.0.0.1", "::", "::ffff:0.0.0.0"})
            EXPECT_EQ(refused(gateway(), client, server), "this host") << server;
}

TEST(ProtectHost, loopback_in_all_its_forms) {
    for (const auto* server :
         {"127.0.0.1", "127.0.0.0", "127.255.255.255", "127.1.2.3", "::1", "::ffff:127.0.0.1", "::127.0.0.1", "::ffff:0:127.0.0.1",
          "64:ff9b::127.0.0.1", "64:ff9b:1::127.0.0.1", "64:ff9b:1:7f00:0:100::", "2002:7f00:1::", "2002:7f12:3456:1::9",
          "2001:0:7f00:1::1", "2001:0:5db8:d822:0:0:80ff:fffe", "2001:470::5efe:127.0.0.1", "2001:470::200:5efe:127.0.0.1"})
        EXPECT_EQ(refused(gateway(), far, server), "loopback") << server;
}

TEST(ProtectHost, a_client_on_loopback_may_reach_loopback) {
    const ProtectHost check = gateway({{*IpAddress::parse("127.0.0.1"), 3128}});
    for (const std::string_view client : {"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"}) {
        EXPECT_EQ(refused(check, client, "127.0.0.1"), "");
        EXPECT_EQ(refused(check, client, "127.0.0.2", 3128), "");
        EXPECT_EQ(refused(check, client, "::1"), "");
        EXPECT_EQ(refused(check, client, "::ffff:127.0.0.1"), "");
        // … other than Sluice's own listeners, and nothing else
        EXPECT_EQ(refused(check, client, "127.0.0.1", 3128), "a listener of Sluice");
        EXPECT_EQ(refused(check, client, "::ffff:127.0.0.1", 3128), "a listener of Sluice");
        EXPECT_EQ(refused(check, client, "203.0.113.7"), "an address of this machine");
        EXPECT_EQ(refused(check, client, "169.254.169.254"), "cloud metadata");
        EXPECT_EQ(refused(check, client, "fe80::1"), "link-local");
        EXPECT_EQ(refused(check, client, "0.0.0.0"), "this host");
        EXPECT_EQ(refused(check, client, "64:ff9b::127.0.0.1"), "loopback") << "what a translator reaches is not ours";
    }
}

TEST(ProtectHost, link_local) {
    for (const auto client : {far, near})
        for (const auto* server :
             {"169.254.0.1", "169.254.255.255", "fe80::1", "febf::1", "::ffff:169.254.1.1", "64:ff9b::169.254.1.1", "2002:a9fe:101::"})
            EXPECT_EQ(refused(gateway(), client, server), "link-local") << server;
}

TEST(ProtectHost, cloud_metadata) {
    for (const auto client : {far, near})
        for (const auto* server : {"169.254.169.254", "169.254.170.2", "fd00:ec2::254", "100.100.100.200", "fd20:ce::254", "168.63.129.16",
                                   "192.0.0.192", "::ffff:169.254.169.254", "64:ff9b::100.100.100.200", "2002:a9fe:a9fe::1"})
            EXPECT_EQ(refused(gateway(), client, server), "cloud metadata") << server;
}

TEST(ProtectHost, multicast_and_broadcast) {
    for (const auto client : {far, near}) {
        for (const auto* server : {"224.0.0.1", "239.255.255.255", "ff02::1", "ffff::1", "64:ff9b::224.0.0.1"})
            EXPECT_EQ(refused(gateway(), client, server), "multicast") << server;
        EXPECT_EQ(refused(gateway(), client, "255.255.255.255"), "broadcast");
    }
}

TEST(ProtectHost, every_address_of_a_local_interface) {
    for (const auto client : {far, near})
        for (const auto* server : {"203.0.113.7", "10.0.0.1", "2001:db8::7", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1",
                                   "64:ff9b:1:a00:0:100::", "2002:a00:1::", "2001:0:5db8:d822:0:0:f5ff:fffe"})
            EXPECT_EQ(refused(gateway(), client, server), "an address of this machine") << server;
}

TEST(ProtectHost, sluices_own_listeners) {
    const ProtectHost one = gateway({{*IpAddress::parse("203.0.113.7"), 3128}, {*IpAddress::parse("198.51.100.9"), 2121}});
    EXPECT_EQ(refused(one, far, "203.0.113.7", 3128), "a listener of Sluice");
    EXPECT_EQ(refused(one, far, "198.51.100.9", 2121), "a listener of Sluice") << "also where no interface has the address";
    EXPECT_EQ(refused(one, far, "198.51.100.9", 2122), "");
    EXPECT_EQ(refused(one, near, "127.0.0.1", 3128), "");
    for (const auto* any : {"0.0.0.0", "::"}) {
        const ProtectHost all = gateway({{*IpAddress::parse(any), 3128}});
        for (const auto* server :
             {"127.0.0.1", "127.0.0.2", "::1", "203.0.113.7", "2001:db8::7", "0.0.0.0", "::", "::ffff:127.0.0.1", "64:ff9b::203.0.113.7"})
            EXPECT_EQ(refused(all, near, server, 3128), "a listener of Sluice") << any << " " << server;
        EXPECT_EQ(refused(all, near, "127.0.0.1", 3129), "");
        EXPECT_EQ(refused(all, far, "93.184.216.34", 3128), "") << "another machine's port of that number";
    }
}

TEST(ProtectHost, interfaces_of_this_machine_have_loopback) {
    const auto addresses = interface_addresses();
    EXPECT_NE(std::ranges::find(addresses, *IpAddress::parse("127.0.0.1")), addresses.end());
}

}  // namespace
}  // namespace sluice::policy
