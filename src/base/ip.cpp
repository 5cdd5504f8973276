// SPDX-License-Identifier: Apache-2.0
#include "base/ip.h"

#include "base/text.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <algorithm>

#include <cstring>

namespace sluice {

IpAddress IpAddress::v4(std::uint32_t host_order) {
    IpAddress out;
    for (int i = 0; i < 4; ++i) out.bytes_[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(host_order >> (24 - 8 * i));
    return out;
}

IpAddress IpAddress::v6(const std::array<std::uint8_t, 16>& network_order) {
    IpAddress out;
    out.v4_ = false;
    out.bytes_ = network_order;
    return out;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
    char zero_terminated[INET6_ADDRSTRLEN + 1];
    if (text.empty() || text.size() >= sizeof zero_terminated) return std::nullopt;
    text.copy(zero_terminated, text.size());
    zero_terminated[text.size()] = '\0';
    if (std::strlen(zero_terminated) != text.size()) return std::nullopt;
    std::array<std::uint8_t, 16> bytes{};
    if (text.find(':') == std::string_view::npos) {
        if (inet_pton(AF_INET, zero_terminated, bytes.data()) != 1) return std::nullopt;
        IpAddress out;
        out.bytes_ = bytes;
        return out;
    }
    if (inet_pton(AF_INET6, zero_terminated, bytes.data()) != 1) return std::nullopt;
    return v6(bytes);
}

std::optional<IpAddress> IpAddress::from_sockaddr(const sockaddr* address) {
    if (address->sa_family == AF_INET) {
        sockaddr_in in{};
        std::memcpy(&in, address, sizeof in);
        return v4(ntohl(in.sin_addr.s_addr));
    }
    if (address->sa_family == AF_INET6) {
        sockaddr_in6 in6{};
        std::memcpy(&in6, address, sizeof in6);
        std::array<std::uint8_t, 16> bytes{};
        std::memcpy(bytes.data(), &in6.sin6_addr, bytes.size());
        return v6(bytes);
    }
    return std::nullopt;
}

std::uint32_t IpAddress::to_v4() const {
    return (std::uint32_t{bytes_[0]} << 24) | (std::uint32_t{bytes_[1]} << 16) | (std::uint32_t{bytes_[2]} << 8) | bytes_[3];
}

bool IpAddress::is_loopback() const {
    if (is_v4()) return bytes_[0] == 127;
    return bytes_[15] == 1 && std::all_of(bytes_.begin(), bytes_.end() - 1, [](std::uint8_t octet) { return octet == 0; });
}

IpAddress IpAddress::unmapped() const {
    static constexpr std::array<std::uint8_t, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (v4_ || std::memcmp(bytes_.data(), mapped.data(), mapped.size()) != 0) return *this;
    IpAddress out;
    std::memcpy(out.bytes_.data(), bytes_.data() + 12, 4);
    return out;
}

std::size_t IpAddress::format(char* out) const {
    if (!v4_) return inet_ntop(AF_INET6, bytes_.data(), out, INET6_ADDRSTRLEN) ? std::strlen(out) : 0;
    // Not inet_ntop, which goes through sprintf: the log writes two addresses for every request.
    char* to = out;
    for (std::size_t i = 0; i < 4; ++i) {
        const unsigned byte = bytes_[i];
        if (i > 0) *to++ = '.';
        if (byte >= 100) *to++ = static_cast<char>('0' + byte / 100);
        if (byte >= 10) *to++ = static_cast<char>('0' + byte / 10 % 10);
        *to++ = static_cast<char>('0' + byte % 10);
    }
    return static_cast<std::size_t>(to - out);
}

std::string IpAddress::to_string() const {
    char text[INET6_ADDRSTRLEN];
    return {text, format(text)};
}

std::string IpPort::to_string() const {
    const std::string host = address.to_string();
    return (address.is_v6() ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::optional<IpPort> IpPort::parse(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    std::string_view host = text.substr(0, colon);
    const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) host = host.substr(1, host.size() - 2);
    const auto address = IpAddress::parse(host);
    const auto port = parse_decimal<std::uint16_t>(text.substr(colon + 1));
    if (!address || !port || address->is_v6() != bracketed) return std::nullopt;
    return IpPort{*address, *port};
}

IpNetwork::IpNetwork(IpAddress address, int prefix) : prefix_(prefix) {
    auto bytes = address.bytes();
    for (int bit = prefix; bit < address.bits(); ++bit)
        bytes[static_cast<std::size_t>(bit / 8)] &= static_cast<std::uint8_t>(~(0x80U >> (bit % 8)));
    address_ =
        address.is_v6()
            ? IpAddress::v6(bytes)
            : IpAddress::v4((std::uint32_t{bytes[0]} << 24) | (std::uint32_t{bytes[1]} << 16) | (std::uint32_t{bytes[2]} << 8) | bytes[3]);
}

std::optional<IpNetwork> IpNetwork::parse(std::string_view text) {
    const std::size_t slash = text.find('/');
    const auto address = IpAddress::parse(text.substr(0, slash));
    if (!address) return std::nullopt;
    if (slash == std::string_view::npos) return IpNetwork(*address, address->bits());
    const auto prefix = parse_decimal<int>(text.substr(slash + 1));
    if (!prefix || *prefix > address->bits()) return std::nullopt;
    return IpNetwork(*address, *prefix);
}

bool IpNetwork::contains(const IpAddress& address) const {
    if (address.is_v4() != address_.is_v4()) return false;
    const auto whole = static_cast<std::size_t>(prefix_ / 8);
    if (std::memcmp(address.bytes().data(), address_.bytes().data(), whole) != 0) return false;
    const int rest = prefix_ % 8;
    if (rest == 0) return true;
    const auto mask = static_cast<std::uint8_t>(0xff00U >> rest);
    return (address.bytes()[whole] & mask) == (address_.bytes()[whole] & mask);
}

std::string IpNetwork::to_string() const { return address_.to_string() + "/" + std::to_string(prefix_); }

}  // namespace sluice
