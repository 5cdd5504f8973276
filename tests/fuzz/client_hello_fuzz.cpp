// SPDX-License-Identifier: Apache-2.0
// ClientHellos: what stands behind one has no part in it, a prefix is never judged otherwise than the whole, other records say the same, and what
// came out is within bounds. The octets are read as a connection's first, and again as a ClientHello's body.
#include "protocols/tls/client_hello.h"

#include <algorithm>
#include <cstdlib>
#include <string>

#include "base/text.h"
#include "protocols/tls/hello_body.h"
#include "protocols/tls/ja4.h"

using namespace sluice;
using namespace sluice::tls;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

using Outcome = Result<std::optional<std::size_t>>;

std::string in_records(std::string_view message, std::size_t size) {
    std::string out;
    for (std::size_t at = 0; at < message.size(); at += size) {
        const std::string_view piece = message.substr(at, size);
        out += {'\x16', '\x03', '\x03', static_cast<char>(piece.size() >> 8), static_cast<char>(piece.size() & 0xff)};
        out += piece;
    }
    return out;
}

std::string message_of(std::string_view flight) {
    std::string out;
    while (!flight.empty()) {
        const std::size_t length = static_cast<std::uint8_t>(flight[3]) * 256U + static_cast<std::uint8_t>(flight[4]);
        out += flight.substr(5, length);
        flight.remove_prefix(5 + length);
    }
    return out;
}

void check_hello(const ClientHello& hello) {
    for (const auto* list : {&hello.versions, &hello.ciphers, &hello.extensions, &hello.signature_algorithms, &hello.groups})
        require(std::ranges::none_of(*list, is_grease));
    require(hello.highest_version() <= tls_1_3);
    for (const std::string& name : hello.alpn) require(!name.empty() && name.size() <= 255 && hello.offers(name));
    if (hello.server_name) {
        require(!hello.server_name->empty() && hello.server_name->size() <= 255);
        for (const char c : *hello.server_name)
            require(is_digit(c) || (c >= 'a' && c <= 'z') || c == '-' || c == '_' || c == '.' || c == ':');
    }
    auto types = hello.extensions;
    std::ranges::sort(types);
    require(std::ranges::adjacent_find(types) == types.end());
    const std::string fingerprint = ja4(hello);
    require(fingerprint.size() == 36 && std::ranges::all_of(fingerprint, [](char c) { return is_alpha(c) || is_digit(c) || c == '_'; }));
}

void check_flight(std::string_view bytes, const Limits& limits) {
    ClientHello hello;
    const Outcome whole = parse_client_hello(bytes, limits, hello);
    for (const std::size_t part :
         {bytes.size() / 2, bytes.size() / 3, bytes.size() - std::min<std::size_t>(bytes.size(), 1), std::size_t{7}}) {
        ClientHello early;
        const Outcome outcome = parse_client_hello(bytes.substr(0, part), limits, early);
        if (!outcome) require(!whole && outcome.error().code == whole.error().code && outcome.error().what == whole.error().what);
        else if (*outcome) require(whole && *whole == *outcome && early == hello);
        else require(early == ClientHello{});
    }
    if (!whole || !*whole) {
        require(hello == ClientHello{});
        require(!whole || bytes.size() < limits.client_hello);
        return;
    }
    const std::size_t end = **whole;
    require(end <= bytes.size() && end <= limits.client_hello);
    check_hello(hello);

    const std::string_view flight = bytes.substr(0, end);
    for (const std::string_view tail : {"", "\x16", "\x17\x03\x03\x00\x01x", "GET / HTTP/1.1\r\n\r\n"}) {
        ClientHello again;
        const std::string longer = std::string(flight) + std::string(tail);
        const Outcome parsed = parse_client_hello(longer, limits, again);
        require(parsed && *parsed == end && again == hello);
    }
    ClientHello early;
    const Outcome cut = parse_client_hello(flight.substr(0, end - 1), limits, early);
    require(cut && !*cut);

    Limits wide = limits;
    wide.client_hello = limits.client_hello * 6;
    const std::string message = message_of(flight);
    for (const std::size_t size : {std::size_t{1}, std::size_t{2}, std::size_t{7}, message.size()}) {
        ClientHello again;
        const std::string other = in_records(message, size);
        const Outcome parsed = parse_client_hello(other, wide, again);
        require(parsed && *parsed && **parsed == other.size() && again == hello);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Limits limits;
    limits.client_hello = 4096;
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    check_flight(bytes, limits);
    if (size < 4000) {
        const std::string message =
            std::string{'\x01', '\0', static_cast<char>(size >> 8), static_cast<char>(size & 0xff)} + std::string(bytes);
        check_flight(in_records(message, 16384), limits);
    }
    return 0;
}
