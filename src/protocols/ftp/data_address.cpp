// SPDX-License-Identifier: Apache-2.0
#include "protocols/ftp/data_address.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "base/text.h"

namespace sluice::ftp {

namespace {

constexpr std::string_view digits = "0123456789";
constexpr std::size_t longest_octet = 3;
constexpr std::size_t longest_port = 5;
constexpr std::size_t longest_family = 5;  // of IANA's address family numbers

std::unexpected<Error> bad_argument(std::string_view what) { return fail(Errc::malformed, Side::client, what); }
std::unexpected<Error> bad_reply(std::string_view what) { return fail(Errc::malformed, Side::server, what); }
std::unexpected<Error> unknown_family() { return fail(Errc::unsupported, Side::client, "an address family other than 1 and 2"); }

template <class T>
std::optional<T> number(std::string_view text, std::size_t longest) {
    return text.size() > longest ? std::nullopt : parse_decimal<T>(text);
}

// Six numbers and nothing else.
std::optional<IpPort> six_numbers(std::string_view text) {
    std::array<std::uint8_t, 6> octets{};
    for (std::size_t i = 0; i < octets.size(); ++i) {
        const std::size_t comma = text.find(',');
        if ((comma == std::string_view::npos) != (i + 1 == octets.size())) return std::nullopt;
        const auto octet = number<std::uint8_t>(text.substr(0, comma), longest_octet);
        if (!octet) return std::nullopt;
        octets[i] = *octet;
        text.remove_prefix(std::min(comma, text.size() - 1) + 1);
    }
    std::uint32_t host = 0;
    for (std::size_t i = 0; i < 4; ++i) host = host << 8U | octets[i];
    return IpPort{IpAddress::v4(host), static_cast<std::uint16_t>(octets[4] << 8U | octets[5])};
}

constexpr bool is_delimiter(char c) { return c > ' ' && c <= '~' && !is_digit(c); }

bool is_number(std::string_view text) { return !text.empty() && std::ranges::all_of(text, is_digit); }

std::string comma_separated(const IpPort& address) {
    const auto& octets = address.address.bytes();
    return fmt::format("{},{},{},{},{},{}", octets[0], octets[1], octets[2], octets[3], address.port >> 8U, address.port & 0xffU);
}

}  // namespace

Result<IpPort> parse_port(std::string_view argument) {
    const auto out = six_numbers(argument);
    if (!out) return bad_argument("PORT takes six numbers");
    return *out;
}

Result<IpPort> parse_eprt(std::string_view argument) {
    constexpr std::string_view form = "EPRT takes |family|address|port|";
    if (argument.empty() || !is_delimiter(argument.front())) return bad_argument(form);
    const std::vector<std::string_view> fields = split(argument, argument.front());
    if (fields.size() != 5 || !fields.back().empty()) return bad_argument(form);
    const std::string_view family = fields[1];
    const auto port = number<std::uint16_t>(fields[3], longest_port);
    if (!port || !is_number(family) || family.size() > longest_family) return bad_argument(form);
    if (family != "1" && family != "2") return unknown_family();
    const auto address = IpAddress::parse(fields[2]);
    if (!address || address->is_v4() != (family == "1")) return bad_argument("not an address of its family");
    return IpPort{address->unmapped(), *port};
}

Result<EpsvArgument> parse_epsv(std::string_view argument) {
    if (argument.empty()) return EpsvArgument::any;
    if (argument == "1") return EpsvArgument::ipv4;
    if (argument == "2") return EpsvArgument::ipv6;
    if (equals_ignoring_case(argument, "ALL")) return EpsvArgument::all;
    if (is_number(argument) && argument.size() <= longest_family) return unknown_family();
    return bad_argument("EPSV takes a family, ALL or nothing");
}

// Runs of digits and commas are looked at whole, so that none is read from its middle.
Result<IpPort> parse_passive_reply(std::string_view text) {
    for (std::size_t at = text.find_first_of(digits); at < text.size(); at = text.find_first_of(digits, at)) {
        const std::size_t end = std::min(text.find_first_not_of("0123456789,", at), text.size());
        std::string_view run = text.substr(at, end - at);
        if (run.ends_with(',')) run.remove_suffix(1);
        const bool has_sign = at > 0 && (text[at - 1] == '-' || text[at - 1] == '+' || text[at - 1] == ',');
        at = end;
        if (std::ranges::count(run, ',') < 5) continue;
        const auto out = has_sign ? std::nullopt : six_numbers(run);
        if (!out || out->port == 0) return bad_reply("bad address in the reply to PASV");
        return *out;
    }
    return bad_reply("no address in the reply to PASV");
}

Result<std::uint16_t> parse_extended_passive_reply(std::string_view text) {
    for (std::size_t at = text.find('('); at != std::string_view::npos; at = text.find('(', at + 1)) {
        const std::string_view inner = text.substr(at + 1);
        if (inner.size() < 3 || !is_delimiter(inner[0]) || inner[1] != inner[0] || inner[2] != inner[0]) continue;
        const std::size_t end = inner.find(inner[0], 3);
        if (end == std::string_view::npos || inner.substr(end + 1, 1) != ")") break;
        const auto port = number<std::uint16_t>(inner.substr(3, end - 3), longest_port);
        if (!port || *port == 0) break;
        return *port;
    }
    return bad_reply("no port in the reply to EPSV");
}

std::string port_argument(const IpPort& address) { return comma_separated(address); }

std::string eprt_argument(const IpPort& address) {
    return fmt::format("|{}|{}|{}|", address.address.is_v4() ? 1 : 2, address.address.to_string(), address.port);
}

std::string passive_text(const IpPort& address) { return fmt::format("Entering Passive Mode ({}).", comma_separated(address)); }

std::string extended_passive_text(std::uint16_t port) { return fmt::format("Entering Extended Passive Mode (|||{}|)", port); }

}  // namespace sluice::ftp
