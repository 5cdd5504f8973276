// SPDX-License-Identifier: Apache-2.0
#include "net/proxy_protocol.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::net {
namespace {

constexpr std::string_view signature{"\r\n\r\n\0\r\nQUIT\n", 12};

std::string v2(char command, char family, const std::string& rest) {
    std::string header(signature);
    header += command;
    header += family;
    header += static_cast<char>(rest.size() >> 8);
    header += static_cast<char>(rest.size() & 0xff);
    return header + rest;
}

const std::string tcp4_addresses{"\xc0\x00\x02\x01\xc6\x33\x64\x02\x30\x39\x01\xbb", 12};

// Every prefix asks for more (and is never refused), the whole is taken, and so it is with bytes behind it.
ProxyHeader at_every_split(const std::string& header) {
    for (std::size_t cut = 0; cut < header.size(); ++cut) {
        const auto got = parse_proxy_header(std::string_view(header).substr(0, cut));
        EXPECT_TRUE(got && !*got) << cut;
    }
    const auto whole = parse_proxy_header(header);
    const auto more = parse_proxy_header(header + "GET / HTTP/1.1\r\n");
    EXPECT_TRUE(whole && *whole);
    EXPECT_TRUE(more && *more);
    if (!whole || !*whole || !more || !*more) return {};
    EXPECT_EQ((*whole)->consumed, header.size());
    EXPECT_EQ((*more)->consumed, header.size());
    return **whole;
}

Errc error_of(std::string_view bytes) {
    const auto got = parse_proxy_header(bytes);
    EXPECT_FALSE(got) << bytes;
    if (got) return Errc::closed;
    EXPECT_EQ(got.error().side, Side::client);
    return got.error().code;
}

TEST(ProxyProtocol, v1_tcp4) {
    const auto header = at_every_split("PROXY TCP4 192.0.2.1 198.51.100.2 12345 443\r\n");
    EXPECT_EQ(header.source->to_string(), "192.0.2.1:12345");
    EXPECT_EQ(header.destination->to_string(), "198.51.100.2:443");
    EXPECT_FALSE(header.local);
}

TEST(ProxyProtocol, v1_tcp6_and_mapped_addresses_are_unmapped) {
    const auto header = at_every_split("PROXY TCP6 2001:db8::1 ::ffff:192.0.2.7 1 65535\r\n");
    EXPECT_EQ(header.source->to_string(), "[2001:db8::1]:1");
    EXPECT_EQ(header.destination->to_string(), "192.0.2.7:65535");
}

TEST(ProxyProtocol, v1_unknown_has_no_addresses) {
    EXPECT_FALSE(at_every_split("PROXY UNKNOWN\r\n").source);
    EXPECT_FALSE(at_every_split("PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n").source);
}

TEST(ProxyProtocol, v1_is_strict) {
    EXPECT_EQ(error_of("GET / HTTP/1.1\r\n"), Errc::malformed);
    EXPECT_EQ(error_of("proxy TCP4"), Errc::malformed);
    EXPECT_EQ(error_of("PROXY TCP4 192.0.2.1 198.51.100.2 1 2\n"), Errc::malformed);
    EXPECT_EQ(error_of("PROXY TCP4 192.0.2.1 198.51.100.2 1 2\rX"), Errc::malformed);
    EXPECT_EQ(error_of("PROXY TCP4 192.0.2.1  198.51.100.2 1 2\r\n"), Errc::malformed);
    EXPECT_EQ(error_of("PROXY TCP4 192.0.2.1 198.51.100.2 01 2\r\n"), Errc::malformed);
    EXPECT_EQ(error_of("PROXY TCP4 192.0.2.1 198.51.100.2 1 65536\r\n"), Errc::malformed);
    EXPECT_EQ(error_of("PROXY TCP4 192.0.2.1 198.51.100.2 1 2 \r\n"), Errc::malformed);
    EXPECT_EQ(error_of("PROXY TCP4 192.0.02.1 198.51.100.2 1 2\r\n"), Errc::malformed);
    EXPECT_EQ(error_of("PROXY TCP4 ::1 ::1 1 2\r\n"), Errc::malformed);
    EXPECT_EQ(error_of("PROXY TCP6 192.0.2.1 ::1 1 2\r\n"), Errc::malformed);
    EXPECT_EQ(error_of("PROXY UDP4 192.0.2.1 198.51.100.2 1 2\r\n"), Errc::malformed);
    EXPECT_EQ(error_of("PROXY \r\n"), Errc::malformed);
    EXPECT_EQ(error_of("PROXY UNKNOWN " + std::string(120, 'x')), Errc::too_large);
    EXPECT_EQ(error_of("PROXY UNKNOWN " + std::string(120, 'x') + "\r\n"), Errc::too_large);
    EXPECT_EQ(at_every_split("PROXY UNKNOWN " + std::string(107 - 16, 'x') + "\r\n").consumed, 107U);
}

TEST(ProxyProtocol, v2_tcp4_tcp6) {
    const auto four = at_every_split(v2('\x21', '\x11', tcp4_addresses));
    EXPECT_EQ(four.source->to_string(), "192.0.2.1:12345");
    EXPECT_EQ(four.destination->to_string(), "198.51.100.2:443");
    std::string addresses(36, '\0');
    addresses[0] = '\x20';
    addresses[15] = '\x01';
    addresses[33] = '\x50';
    const auto six = at_every_split(v2('\x21', '\x21', addresses));
    EXPECT_EQ(six.source->to_string(), "[2000::1]:80");
}

TEST(ProxyProtocol, v2_local_and_foreign_families_have_no_addresses) {
    const auto local = at_every_split(v2('\x20', '\x00', ""));
    EXPECT_TRUE(local.local);
    EXPECT_FALSE(local.source);
    EXPECT_FALSE(at_every_split(v2('\x20', '\x11', tcp4_addresses)).source);
    EXPECT_FALSE(at_every_split(v2('\x21', '\x00', "")).source);
    EXPECT_FALSE(at_every_split(v2('\x21', '\x12', tcp4_addresses)).source);
    EXPECT_FALSE(at_every_split(v2('\x21', '\x31', std::string(216, 'u'))).source);
}

TEST(ProxyProtocol, v2_tlvs_are_passed_over_and_the_checksum_is_checked) {
    EXPECT_TRUE(at_every_split(v2('\x21', '\x11', tcp4_addresses + std::string("\x04\x00\x01\x00", 4))).source);
    // CRC32C by definition: bit by bit, over the header with a zero checksum.
    std::string header = v2('\x21', '\x11', tcp4_addresses + std::string("\x03\x00\x04\x00\x00\x00\x00", 7));
    std::uint32_t crc = ~0U;
    for (const char c : header) {
        crc ^= static_cast<std::uint8_t>(c);
        for (int i = 0; i < 8; ++i) crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82f63b78U : crc >> 1;
    }
    crc = ~crc;
    for (std::size_t i = 0; i < 4; ++i) header[header.size() - 4 + i] = static_cast<char>(crc >> (24 - 8 * i));
    EXPECT_TRUE(at_every_split(header).source);
    header[20] ^= 1;
    EXPECT_EQ(error_of(header), Errc::malformed);
}

TEST(ProxyProtocol, v2_is_strict) {
    EXPECT_EQ(error_of(std::string(signature) + "\x11"), Errc::malformed);          // version 1
    EXPECT_EQ(error_of(std::string(signature) + "\x22"), Errc::malformed);          // no such command
    EXPECT_EQ(error_of(std::string(signature) + "\x21\x13"), Errc::malformed);      // no such family
    EXPECT_EQ(error_of(v2('\x21', '\x11', tcp4_addresses.substr(1))), Errc::malformed);
    EXPECT_EQ(error_of(v2('\x21', '\x11', tcp4_addresses + "\x04")), Errc::malformed);
    EXPECT_EQ(error_of(v2('\x21', '\x11', tcp4_addresses + std::string("\x04\x00\x02\x00", 4))), Errc::malformed);
    EXPECT_EQ(error_of(v2('\x21', '\x11', tcp4_addresses + std::string("\x03\x00\x01\x00", 4))), Errc::malformed);
    EXPECT_EQ(error_of(v2('\x21', '\x11', std::string(5000, '\0')).substr(0, 16)), Errc::too_large);
}

}  // namespace
}  // namespace sluice::net
