// SPDX-License-Identifier: Apache-2.0
// Hosts and ports of URLs: one host, one spelling.
#include "base/text.h"
#include "base/url.h"

#include <idn2.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace sluice {

namespace {

constexpr std::size_t longest_label = 63;     // RFC 1035 2.3.4
constexpr std::size_t longest_name = 253;     // 255 octets on the wire

std::unexpected<Error> malformed(std::string_view what) { return fail(Errc::malformed, Side::client, what); }

// A reg-name's octets once it is decoded (RFC 3986 3.2.2): unreserved and sub-delims. The rest is forbidden in a host (WHATWG URL 3.1)
// or has no business there.
constexpr std::array<bool, 256> host_octets = [] {
    std::array<bool, 256> out{};
    for (std::size_t c = 0; c < 128; ++c) out[c] = is_alpha(static_cast<char>(c)) || is_digit(static_cast<char>(c));
    for (const char c : std::string_view("-._~!$&'()*+,;=")) out[static_cast<unsigned char>(c)] = true;
    return out;
}();

// What needs no work: lower-case letters, digits, "-", "_" and "." of a host name.
constexpr std::array<bool, 256> canonical_octets = [] {
    std::array<bool, 256> out{};
    for (std::size_t c = 'a'; c <= 'z'; ++c) out[c] = true;
    for (std::size_t c = '0'; c <= '9'; ++c) out[c] = true;
    out['-'] = out['.'] = out['_'] = true;
    return out;
}();

bool all_of(std::string_view text, const std::array<bool, 256>& set) {
    return std::ranges::all_of(text, [&set](char c) { return set[static_cast<unsigned char>(c)]; });
}

// Decodes triplets; a "%" that starts none is refused: it is a forbidden host code point.
Result<std::string> percent_decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
        const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
        if (high < 0 || low < 0) return malformed("bad escape in the host");
        out += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return out;
}

// To ASCII: UTS 46, non-transitional, as browsers do.
Result<std::string> idna_ascii(const std::string& name) {
    char* ascii = nullptr;
    const int code = idn2_lookup_u8(reinterpret_cast<const std::uint8_t*>(name.c_str()), reinterpret_cast<std::uint8_t**>(&ascii),
                                    IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    if (code != IDN2_OK) return fail(Errc::malformed, Side::client, "not an international domain name", code);
    std::string out(ascii);
    idn2_free(ascii);
    return out;
}

// One number of an IPv4 address as the WHATWG URL standard reads it: decimal, 0octal, 0xhexadecimal ("0x" is 0). nullopt: not a number,
// or one beyond 32 bits.
std::optional<std::uint32_t> ipv4_number(std::string_view text) {
    if (text.empty()) return std::nullopt;
    int base = 10;
    if (text.size() >= 2 && text[0] == '0' && to_lower(text[1]) == 'x') {
        base = 16;
        text.remove_prefix(2);
    } else if (text.size() >= 2 && text[0] == '0') {
        base = 8;
        text.remove_prefix(1);
    }
    if (text.empty()) return 0;
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

// Whether the name is a number as far as the WHATWG URL standard (3.5, "ends in a number") is concerned: then it is an IPv4 address or nothing.
bool ends_in_number(std::string_view name) {
    const std::size_t dot = name.rfind('.');
    const std::string_view last = dot == std::string_view::npos ? name : name.substr(dot + 1);
    if (last.empty() || !is_digit(last.front())) return false;
    if (std::ranges::all_of(last, is_digit)) return true;
    return last.size() >= 2 && last[0] == '0' && to_lower(last[1]) == 'x' &&
           std::ranges::all_of(last.substr(2), [](char c) { return hex_value(c) >= 0; });
}

// The last number fills all octets that are left.
std::optional<IpAddress> lenient_ipv4(std::string_view name) {
    std::array<std::uint32_t, 4> numbers{};
    std::size_t count = 0;
    for (;;) {
        if (count == numbers.size()) return std::nullopt;
        const std::size_t dot = name.find('.');
        const auto number = ipv4_number(name.substr(0, dot));
        if (!number) return std::nullopt;
        numbers[count++] = *number;
        if (dot == std::string_view::npos) break;
        name.remove_prefix(dot + 1);
    }
    const std::uint32_t last = numbers[count - 1];
    const std::size_t octets_left = 5 - count;
    if (octets_left < 4 && last >= (std::uint32_t{1} << (8 * octets_left))) return std::nullopt;
    std::uint32_t value = last;
    for (std::size_t i = 0; i + 1 < count; ++i) {
        if (numbers[i] > 255) return std::nullopt;
        value |= numbers[i] << (24 - 8 * i);
    }
    return IpAddress::v4(value);
}

Result<void> check_labels(std::string_view name) {
    if (name.size() > longest_name) return malformed("host name too long");
    std::size_t label = 0;
    for (const char c : name) {
        if (c != '.') {
            if (++label > longest_label) return malformed("label of the host name too long");
            continue;
        }
        if (label == 0) return malformed("empty label in the host name");
        label = 0;
    }
    return {};
}

void set_address(Authority& out, const IpAddress& address) {
    out.address = address;
    char text[64];
    out.host.assign(text, address.format(text));
}

// Not in brackets.
Result<void> read_name(std::string_view text, Authority& out) {
    if (all_of(text, canonical_octets)) {
        out.host = text;
    } else {
        std::string name = TRY(percent_decoded(text));
        if (!std::ranges::all_of(name, [](char c) { return static_cast<unsigned char>(c) < 0x80; })) {
            if (name.find('\0') != std::string::npos) return malformed("forbidden character in the host");
            name = TRY(idna_ascii(name));
        }
        if (!all_of(name, host_octets)) return malformed("forbidden character in the host");
        for (char& c : name) c = to_lower(c);
        out.host = std::move(name);
    }
    if (out.host.ends_with('.')) out.host.pop_back();
    if (out.host.empty() || out.host.ends_with('.')) return malformed("empty host");
    TRY(check_labels(out.host));
    if (ends_in_number(out.host)) {
        const auto address = lenient_ipv4(out.host);
        if (!address) return malformed("not an IPv4 address");
        set_address(out, *address);
    }
    return {};
}

// In brackets: an IPv6 address. One that is an IPv4 address in disguise is that address.
Result<void> read_literal(std::string_view text, Authority& out) {
    const auto address = IpAddress::parse(text);
    if (!address || !address->is_v6()) return malformed("not an IPv6 address");
    const IpAddress plain = address->unmapped();
    out.is_ip_literal = plain.is_v6();
    set_address(out, plain);
    return {};
}

// ":", ":80" or nothing.
Result<std::uint16_t> read_port(std::string_view text) {
    if (text.empty() || text == ":") return 0;
    const auto port = text.front() == ':' ? parse_decimal<std::uint16_t>(text.substr(1)) : std::nullopt;
    if (!port || *port == 0) return malformed("bad port");
    return *port;
}

bool is_userinfo(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return host_octets[static_cast<unsigned char>(c)] || c == ':' || c == '%'; });
}

}  // namespace

Result<Authority> parse_authority(std::string_view text, bool userinfo_allowed) {
    Authority out;
    TRY(parse_authority(text, userinfo_allowed, out));
    return out;
}

Result<void> parse_authority(std::string_view text, bool userinfo_allowed, Authority& out) {
    out.userinfo.clear();
    out.address.reset();
    out.is_ip_literal = false;
    if (const std::size_t at = text.rfind('@'); at != std::string_view::npos) {
        if (!userinfo_allowed) return malformed("user name in the host");
        out.userinfo = text.substr(0, at);
        if (!is_userinfo(out.userinfo)) return malformed("bad user name in the URL");
        text.remove_prefix(at + 1);
    }
    if (text.starts_with('[')) {
        const std::size_t end = text.find(']');
        if (end == std::string_view::npos) return malformed("bracket without an end in the host");
        TRY(read_literal(text.substr(1, end - 1), out));
        out.port = TRY(read_port(text.substr(end + 1)));
        return {};
    }
    const std::size_t colon = std::min(text.find(':'), text.size());
    out.port = TRY(read_port(text.substr(colon)));
    return read_name(text.substr(0, colon), out);
}

Result<std::string> canonical_host(std::string_view host) {
    Authority authority;
    if (host.find(':') != std::string_view::npos && !host.starts_with('[')) TRY(read_literal(host, authority));
    else if (host.starts_with('[') && host.ends_with(']')) TRY(read_literal(host.substr(1, host.size() - 2), authority));
    else TRY(read_name(host, authority));
    return std::move(authority.host);
}

void Authority::append_to(std::string& out, std::uint16_t written_port) const {
    if (is_ip_literal) out += '[';
    out += host;
    if (is_ip_literal) out += ']';
    if (written_port == 0) return;
    char digits[8];
    const auto end = std::to_chars(digits, digits + sizeof digits, written_port).ptr;
    out += ':';
    out.append(digits, end);
}

}  // namespace sluice
