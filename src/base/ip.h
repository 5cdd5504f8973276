// SPDX-License-Identifier: Apache-2.0
// IP addresses and networks as values. IPv4 is kept as itself, never as an IPv6-mapped address: `unmapped` is applied wherever
// an address comes in, so that rules and checks see one form.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

struct sockaddr;

namespace sluice {

class IpAddress {
public:
    constexpr IpAddress() = default;                       // 0.0.0.0
    static IpAddress v4(std::uint32_t host_order);
    static IpAddress v6(const std::array<std::uint8_t, 16>& network_order);
    // "192.0.2.1" (four decimal numbers, no leading zeros), "2001:db8::1" (RFC 4291 2.2, without brackets or zone).
    static std::optional<IpAddress> parse(std::string_view text);
    static std::optional<IpAddress> from_sockaddr(const sockaddr* address);

    bool is_v4() const { return v4_; }
    bool is_v6() const { return !v4_; }
    int bits() const { return v4_ ? 32 : 128; }
    // Network order; the first 4 bytes for IPv4.
    const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }
    std::uint32_t to_v4() const;
    bool is_loopback() const;                              // 127.0.0.0/8, ::1
    IpAddress unmapped() const;                            // ::ffff:a.b.c.d becomes a.b.c.d
    std::string to_string() const;                         // RFC 5952
    // Writes without allocating; returns the length. `out` holds at least 46 bytes.
    std::size_t format(char* out) const;

    friend auto operator<=>(const IpAddress&, const IpAddress&) = default;
    friend bool operator==(const IpAddress&, const IpAddress&) = default;

private:
    bool v4_ = true;
    std::array<std::uint8_t, 16> bytes_{};
};

struct IpPort {
    IpAddress address;
    std::uint16_t port = 0;
    std::string to_string() const;                         // "192.0.2.1:80", "[2001:db8::1]:80"
    static std::optional<IpPort> parse(std::string_view text);
    friend auto operator<=>(const IpPort&, const IpPort&) = default;
    friend bool operator==(const IpPort&, const IpPort&) = default;
};

// A network in CIDR form. Host bits are cleared; an IPv4 network never contains an IPv6 address.
class IpNetwork {
public:
    IpNetwork() = default;
    IpNetwork(IpAddress address, int prefix);
    static std::optional<IpNetwork> parse(std::string_view text);  // "10.0.0.0/8", "2001:db8::/32", or an address alone
    bool contains(const IpAddress& address) const;
    const IpAddress& address() const { return address_; }
    int prefix() const { return prefix_; }
    std::string to_string() const;
    friend auto operator<=>(const IpNetwork&, const IpNetwork&) = default;
    friend bool operator==(const IpNetwork&, const IpNetwork&) = default;

private:
    IpAddress address_;
    int prefix_ = 32;
};

}  // namespace sluice

template <>
struct std::hash<sluice::IpAddress> {
    std::size_t operator()(const sluice::IpAddress& address) const noexcept {
        return std::hash<std::string_view>{}({reinterpret_cast<const char*>(address.bytes().data()), address.is_v4() ? 4U : 16U});
    }
};
