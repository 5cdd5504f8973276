// SPDX-License-Identifier: Apache-2.0
#include "protocols/tls/ja4.h"

#include "base/text.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <utility>

namespace sluice::tls {

namespace {

constexpr std::size_t hash_characters = 12;
constexpr std::string_view hash_of_nothing = "000000000000";

// Of the highest version that is named, known or not.
std::string_view version_code(const ClientHello& hello) {
    switch (hello.versions.empty() ? hello.legacy_version : std::ranges::max(hello.versions)) {
        case tls_1_3: return "13";
        case tls_1_2: return "12";
        case tls_1_1: return "11";
        case tls_1_0: return "10";
        case ssl_3_0: return "s3";
        case 0x0002: return "s2";
        case 0xfeff: return "d1";
        case 0xfefd: return "d2";
        case 0xfefc: return "d3";
        default: return "00";
    }
}

std::string two_digits(std::size_t count) {
    const std::size_t shown = std::min<std::size_t>(count, 99);
    return {static_cast<char>('0' + shown / 10), static_cast<char>('0' + shown % 10)};
}

// The first and the last character of the first protocol's name; of its hexadecimal form where one of the two is neither letter nor digit.
std::string alpn_code(const ClientHello& hello) {
    if (hello.alpn.empty() || hello.alpn.front().empty()) return "00";
    const std::string& name = hello.alpn.front();
    const auto is_plain = [](char c) { return is_alpha(c) || is_digit(c); };
    if (is_plain(name.front()) && is_plain(name.back())) return {name.front(), name.back()};
    const std::array<std::uint8_t, 2> ends{static_cast<std::uint8_t>(name.front()), static_cast<std::uint8_t>(name.back())};
    const std::string digits = to_hex(ends);
    return {digits.front(), digits.back()};
}

// "1301,1302,c02b"
std::string list_of(std::span<const std::uint16_t> numbers) {
    std::string out;
    for (const std::uint16_t number : numbers) {
        if (!out.empty()) out += ',';
        out += to_hex(std::array<std::uint8_t, 2>{static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number & 0xff)});
    }
    return out;
}

std::string sorted_list_of(std::vector<std::uint16_t> numbers) {
    std::ranges::sort(numbers);
    return list_of(numbers);
}

std::optional<std::string> hash_of(std::string_view text) {
    if (text.empty()) return std::string(hash_of_nothing);
    std::array<std::uint8_t, EVP_MAX_MD_SIZE> digest;
    unsigned int length = 0;
    if (EVP_Digest(text.data(), text.size(), digest.data(), &length, EVP_sha256(), nullptr) != 1) return std::nullopt;
    return to_hex(std::span(digest).first(hash_characters / 2));
}

}  // namespace

std::string ja4(const ClientHello& hello) {
    std::vector<std::uint16_t> extensions = hello.extensions;
    const bool has_name = std::ranges::find(extensions, extension::server_name) != extensions.end();
    std::erase_if(extensions, [](std::uint16_t type) { return type == extension::server_name || type == extension::alpn; });
    std::string abilities = sorted_list_of(std::move(extensions));
    if (!abilities.empty() && !hello.signature_algorithms.empty()) abilities += '_' + list_of(hello.signature_algorithms);

    const auto ciphers_hash = hash_of(sorted_list_of(hello.ciphers));
    const auto abilities_hash = hash_of(abilities);
    if (!ciphers_hash || !abilities_hash) return {};
    std::string out = "t";
    out += version_code(hello);
    out += has_name ? 'd' : 'i';
    out += two_digits(hello.ciphers.size());
    out += two_digits(hello.extensions.size());
    out += alpn_code(hello);
    return out + '_' + *ciphers_hash + '_' + *abilities_hash;
}

}  // namespace sluice::tls
