// SPDX-License-Identifier: Apache-2.0
#include "net/proxy_protocol.h"

#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

namespace sluice::net {

namespace {

constexpr std::string_view v1_start = "PROXY ";
constexpr std::string_view v2_signature{"\r\n\r\n\0\r\nQUIT\n", 12};
constexpr std::size_t v2_fixed = 16;                         // signature, version and command, family, length
constexpr std::uint8_t tlv_crc32c = 0x03;

using Outcome = Result<std::optional<ProxyHeader>>;

std::unexpected<Error> malformed(std::string_view what) { return fail(Errc::malformed, Side::client, what); }

bool is_start_of(std::string_view bytes, std::string_view whole) { return whole.starts_with(bytes.substr(0, whole.size())); }

std::uint8_t byte_at(std::string_view bytes, std::size_t at) { return static_cast<std::uint8_t>(bytes[at]); }

std::uint16_t number_at(std::string_view bytes, std::size_t at) {
    return static_cast<std::uint16_t>((byte_at(bytes, at) << 8) | byte_at(bytes, at + 1));
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
    if (text.size() > 1 && text.front() == '0') return std::nullopt;
    return parse_decimal<std::uint16_t>(text);
}

Outcome parse_v1_line(std::string_view line) {
    ProxyHeader header;
    header.consumed = line.size() + 2;
    const auto words = split(line.substr(v1_start.size()), ' ');
    if (words[0] == "UNKNOWN") return header;                // what follows is to be ignored
    const bool v6 = words[0] == "TCP6";
    if (!v6 && words[0] != "TCP4") return malformed("PROXY header: unknown protocol");
    if (words.size() != 5) return malformed("PROXY header: not four addresses and ports");
    const auto source = IpAddress::parse(words[1]);
    const auto destination = IpAddress::parse(words[2]);
    const auto source_port = parse_port(words[3]);
    const auto destination_port = parse_port(words[4]);
    if (!source || !destination || source->is_v6() != v6 || destination->is_v6() != v6) return malformed("PROXY header: bad address");
    if (!source_port || !destination_port) return malformed("PROXY header: bad port");
    header.source = IpPort{source->unmapped(), *source_port};
    header.destination = IpPort{destination->unmapped(), *destination_port};
    return header;
}

Outcome parse_v1(std::string_view bytes) {
    const std::size_t end = bytes.find_first_of("\r\n");
    if (end == std::string_view::npos || (bytes[end] == '\r' && end + 1 == bytes.size())) {
        const std::size_t shortest = end == std::string_view::npos ? bytes.size() + 2 : bytes.size() + 1;
        if (shortest > proxy_v1_longest) return fail(Errc::too_large, Side::client, "PROXY header: line too long");
        return std::nullopt;
    }
    if (bytes[end] == '\n' || bytes[end + 1] != '\n') return malformed("PROXY header: line does not end in CRLF");
    if (end + 2 > proxy_v1_longest) return fail(Errc::too_large, Side::client, "PROXY header: line too long");
    return parse_v1_line(bytes.substr(0, end));
}

constexpr std::array<std::uint32_t, 256> crc32c_table = [] {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < table.size(); ++i) {
        std::uint32_t value = i;
        for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? 0x82f63b78U : 0U);
        table[i] = value;
    }
    return table;
}();

// Of the whole header, the four bytes at `field` counted as zero (section 2.2.3).
std::uint32_t crc32c_without(std::string_view header, std::size_t field) {
    std::uint32_t crc = 0xffffffffU;
    for (std::size_t i = 0; i < header.size(); ++i) {
        const std::uint8_t byte = i >= field && i < field + 4 ? std::uint8_t{0} : byte_at(header, i);
        crc = crc32c_table[(crc ^ byte) & 0xff] ^ (crc >> 8);
    }
    return ~crc;
}

Result<void> check_tlvs(std::string_view header, std::size_t at) {
    while (at < header.size()) {
        if (header.size() - at < 3) return malformed("PROXY header: cut TLV");
        const std::size_t length = number_at(header, at + 1);
        const std::size_t value = at + 3;
        if (header.size() - value < length) return malformed("PROXY header: cut TLV");
        if (byte_at(header, at) == tlv_crc32c) {
            if (length != 4) return malformed("PROXY header: bad checksum length");
            const std::uint32_t said = (std::uint32_t{number_at(header, value)} << 16) | number_at(header, value + 2);
            if (said != crc32c_without(header, value)) return malformed("PROXY header: wrong checksum");
        }
        at = value + length;
    }
    return {};
}

IpAddress v6_at(std::string_view bytes, std::size_t at) {
    std::array<std::uint8_t, 16> address;
    std::memcpy(address.data(), bytes.data() + at, address.size());
    return IpAddress::v6(address).unmapped();
}

IpAddress v4_at(std::string_view bytes, std::size_t at) {
    return IpAddress::v4((std::uint32_t{number_at(bytes, at)} << 16) | number_at(bytes, at + 2));
}

// Bytes of addresses and ports that a family and transport have (section 2.2); nullopt: there is no such family.
std::optional<std::size_t> address_bytes(std::uint8_t family) {
    switch (family) {
        case 0x00: return 0;
        case 0x11:
        case 0x12: return 12;
        case 0x21:
        case 0x22: return 36;
        case 0x31:
        case 0x32: return 216;
        default: return std::nullopt;
    }
}

Outcome parse_v2(std::string_view bytes) {
    if (bytes.size() > 12 && byte_at(bytes, 12) != 0x20 && byte_at(bytes, 12) != 0x21)
        return malformed("PROXY header: unknown version or command");
    if (bytes.size() > 13 && !address_bytes(byte_at(bytes, 13))) return malformed("PROXY header: unknown family");
    if (bytes.size() < v2_fixed) return std::nullopt;
    const std::uint8_t family = byte_at(bytes, 13);
    const std::size_t whole = v2_fixed + number_at(bytes, 14);
    if (whole > proxy_v2_longest) return fail(Errc::too_large, Side::client, "PROXY header: too long");
    if (bytes.size() < whole) return std::nullopt;
    const std::string_view header = bytes.substr(0, whole);

    ProxyHeader out;
    out.consumed = whole;
    out.local = byte_at(header, 12) == 0x20;
    if (out.local) return out;                               // the addresses are to be discarded (section 2.2)
    const std::size_t addresses = *address_bytes(family);
    if (whole - v2_fixed < addresses) return malformed("PROXY header: shorter than its addresses");
    if (family != 0x00) TRY(check_tlvs(header, v2_fixed + addresses));
    if (family == 0x11) {
        out.source = IpPort{v4_at(header, 16), number_at(header, 24)};
        out.destination = IpPort{v4_at(header, 20), number_at(header, 26)};
    } else if (family == 0x21) {
        out.source = IpPort{v6_at(header, 16), number_at(header, 48)};
        out.destination = IpPort{v6_at(header, 32), number_at(header, 50)};
    }
    return out;
}

void append_address(std::string& out, const IpAddress& address, bool is_mapped) {
    const std::string_view octets(reinterpret_cast<const char*>(address.bytes().data()), address.is_v4() ? 4 : 16);
    if (is_mapped && address.is_v4()) out.append(std::string_view("\0\0\0\0\0\0\0\0\0\0\xff\xff", 12));
    out += octets;
}

}  // namespace

Outcome parse_proxy_header(std::string_view bytes) {
    if (is_start_of(bytes, v1_start)) return bytes.size() < v1_start.size() ? Outcome(std::nullopt) : parse_v1(bytes);
    if (is_start_of(bytes, v2_signature)) return bytes.size() < v2_signature.size() ? Outcome(std::nullopt) : parse_v2(bytes);
    return malformed("no PROXY header");
}

std::string encode_proxy_v1(const IpPort& source, const IpPort& destination) {
    if (source.address.is_v4() != destination.address.is_v4()) return "PROXY UNKNOWN\r\n";
    return fmt::format("PROXY {} {} {} {} {}\r\n", source.address.is_v4() ? "TCP4" : "TCP6", source.address.to_string(),
                       destination.address.to_string(), source.port, destination.port);
}

std::string encode_proxy_v2(const IpPort& source, const IpPort& destination) {
    const bool is_v4 = source.address.is_v4() && destination.address.is_v4();
    std::string out(v2_signature);
    out += '\x21';  // version 2, PROXY
    out += is_v4 ? '\x11' : '\x21';
    out += '\0';
    out += static_cast<char>(is_v4 ? 12 : 36);
    for (const IpPort* end : {&source, &destination}) append_address(out, end->address, !is_v4);
    for (const IpPort* end : {&source, &destination}) {
        out += static_cast<char>(end->port >> 8);
        out += static_cast<char>(end->port & 0xff);
    }
    return out;
}

}  // namespace sluice::net
