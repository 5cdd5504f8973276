// SPDX-License-Identifier: Apache-2.0
#include "policy/protect_host.h"

#include <ifaddrs.h>

#include <algorithm>
#include <array>

namespace sluice::policy {

namespace {

using Reason = std::optional<std::string_view>;

IpNetwork network(std::string_view text) { return *IpNetwork::parse(text); }

// What the clouds' machines ask for their own credentials. Beyond 169.254.169.254 and its like, which are link-local.
bool is_metadata(const IpAddress& address) {
    static const std::array<IpAddress, 9> known{
        *IpAddress::parse("169.254.169.254"),
        *IpAddress::parse("169.254.170.2"),                     // AWS, a container's role
        *IpAddress::parse("fd00:ec2::254"),                     // AWS
        *IpAddress::parse("100.100.100.200"),                   // Alibaba
        *IpAddress::parse("fd20:ce::254"),                      // Google
        *IpAddress::parse("168.63.129.16"),                     // Azure
        *IpAddress::parse("192.0.0.192"),                       // Oracle
        *IpAddress::parse("fd00:c1::a9fe:a9fe"),                // Oracle
        *IpAddress::parse("fd00:42::42"),                       // Scaleway
    };
    return std::ranges::find(known, address) != known.end();
}

bool is_loopback(const IpAddress& address) {
    static const IpNetwork v4 = network("127.0.0.0/8");
    static const IpNetwork v6 = network("::1/128");
    return v4.contains(address) || v6.contains(address);
}

bool is_unspecified(const IpAddress& address) {
    return std::ranges::all_of(address.bytes(), [](std::uint8_t byte) { return byte == 0; });
}

IpAddress v4_at(const IpAddress& address, std::array<std::size_t, 4> places) {
    std::uint32_t out = 0;
    for (const std::size_t place : places) out = out << 8 | address.bytes()[place];
    return IpAddress::v4(out);
}

// The IPv4 addresses that a translator, a tunnel or a stack may take the IPv6 address for; at most two.
struct Embedded {
    std::array<IpAddress, 2> addresses;
    std::size_t count = 0;
    void add(const IpAddress& address) { addresses[count++] = address; }
};

Embedded embedded_in(const IpAddress& address) {
    static const IpNetwork compatible = network("::/96");                      // RFC 4291 2.5.5.1
    static const IpNetwork mapped = network("::ffff:0:0/96");                  // RFC 4291 2.5.5.2
    static const IpNetwork translated = network("::ffff:0:0:0/96");            // RFC 2765 2.1
    static const IpNetwork nat64 = network("64:ff9b::/96");                    // RFC 6052 2.1
    static const IpNetwork local_nat64 = network("64:ff9b:1::/48");            // RFC 8215
    static const IpNetwork six_to_four = network("2002::/16");                 // RFC 3056
    static const IpNetwork teredo = network("2001::/32");                      // RFC 4380 4
    static const IpNetwork this_host = network("0.0.0.0/8");

    Embedded out;
    if (address.is_v4()) return out;
    const IpAddress at_end = v4_at(address, {12, 13, 14, 15});
    const auto& bytes = address.bytes();
    if (compatible.contains(address) || mapped.contains(address) || translated.contains(address) || nat64.contains(address)) {
        out.add(at_end);
    } else if (local_nat64.contains(address)) {
        // RFC 6052 2.2: after a prefix of 48 bits, or of 96. The place that is not in use reads as zeros.
        const IpAddress after_48 = v4_at(address, {6, 7, 9, 10});
        if (!this_host.contains(after_48)) out.add(after_48);
        if (!this_host.contains(at_end) || out.count == 0) out.add(at_end);
    } else if (six_to_four.contains(address)) {
        out.add(v4_at(address, {2, 3, 4, 5}));
    } else if (teredo.contains(address)) {
        out.add(v4_at(address, {4, 5, 6, 7}));                                 // the server
        out.add(IpAddress::v4(~at_end.to_v4()));                               // the client, its bits turned over
    } else if ((bytes[8] & 0xfdU) == 0 && bytes[9] == 0 && bytes[10] == 0x5e && bytes[11] == 0xfe) {
        out.add(at_end);                                                       // ISATAP, RFC 5214 6.1
    }
    return out;
}

}  // namespace

ProtectHost::ProtectHost(Self self) : interface_addresses_(std::move(self.interface_addresses)), listeners_(std::move(self.listeners)) {
    for (IpAddress& address : interface_addresses_) address = address.unmapped();
    for (IpPort& listener : listeners_) listener.address = listener.address.unmapped();
    std::ranges::sort(interface_addresses_);
}

std::optional<std::string_view> ProtectHost::refuses(const IpAddress& client, const IpPort& server) const {
    const IpAddress address = server.address.unmapped();
    if (const Reason reason = judge(address, server.port, is_loopback(client.unmapped()))) return reason;
    // A translated form is not loopback, whoever asks: what it reaches is for the translator to say.
    const Embedded embedded = embedded_in(address);
    const bool is_itself_loopback = is_loopback(address);                      // ::1 lies in ::/96
    for (std::size_t i = 0; i < embedded.count && !is_itself_loopback; ++i)
        if (const Reason reason = judge(embedded.addresses[i], server.port, false)) return reason;
    return std::nullopt;
}

std::optional<std::string_view> ProtectHost::judge(const IpAddress& address, std::uint16_t port, bool client_on_loopback) const {
    static const IpNetwork this_host = network("0.0.0.0/8");
    static const std::array<IpNetwork, 2> link_local{network("169.254.0.0/16"), network("fe80::/10")};
    static const std::array<IpNetwork, 2> multicast{network("224.0.0.0/4"), network("ff00::/8")};

    for (const IpPort& listener : listeners_) {
        if (listener.port != port) continue;
        if (listener.address == address || (is_unspecified(listener.address) && is_local(address))) return "a listener of Sluice";
    }
    if (this_host.contains(address) || is_unspecified(address)) return "this host";
    if (is_loopback(address)) return client_on_loopback ? Reason{} : Reason{"loopback"};
    if (is_metadata(address)) return "cloud metadata";
    for (const IpNetwork& block : link_local)
        if (block.contains(address)) return "link-local";
    for (const IpNetwork& block : multicast)
        if (block.contains(address)) return "multicast";
    if (address == IpAddress::v4(0xffffffff)) return "broadcast";
    if (std::ranges::binary_search(interface_addresses_, address)) return "an address of this machine";
    return std::nullopt;
}

bool ProtectHost::is_local(const IpAddress& address) const {
    static const IpNetwork this_host = network("0.0.0.0/8");                   // the kernel connects it to this machine
    return is_loopback(address) || is_unspecified(address) || this_host.contains(address) ||
           std::ranges::binary_search(interface_addresses_, address);
}

std::vector<IpAddress> interface_addresses() {
    std::vector<IpAddress> out;
    ifaddrs* interfaces = nullptr;
    if (getifaddrs(&interfaces) != 0) return out;
    for (const ifaddrs* at = interfaces; at != nullptr; at = at->ifa_next) {
        if (at->ifa_addr == nullptr) continue;
        if (const auto address = IpAddress::from_sockaddr(at->ifa_addr)) out.push_back(address->unmapped());
    }
    freeifaddrs(interfaces);
    return out;
}

}  // namespace sluice::policy
