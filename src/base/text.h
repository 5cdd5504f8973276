// SPDX-License-Identifier: Apache-2.0
// Small text functions that work on ASCII alone: protocols' words are ASCII, and a locale must never decide what a word is.
#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sluice {

constexpr char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }
constexpr char to_upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - ('a' - 'A')) : c; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
constexpr int hex_value(char c) {                                        // -1: not a hexadecimal digit
    if (is_digit(c)) return c - '0';
    const char lower = to_lower(c);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::string lower(std::string_view text);
std::string upper(std::string_view text);
std::string to_hex(std::span<const std::uint8_t> bytes);                 // small digits
bool equals_ignoring_case(std::string_view a, std::string_view b);
// What stands behind a file name's last dot, in small letters; none where that is its first octet. Dots and blanks at the end do not count.
std::string file_extension(std::string_view name);
// Without spaces and tabs at both ends (OWS of RFC 9110 5.6.3).
std::string_view trim(std::string_view text);
std::vector<std::string_view> split(std::string_view text, char separator);

// Digits only, whole text, no sign, no overflow: nullopt otherwise.
template <std::integral T>
std::optional<T> parse_decimal(std::string_view text) {
    if (text.empty() || !is_digit(text.front())) return std::nullopt;
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

// Calls `each` with every element of a comma-separated list (RFC 9110 5.6.1), trimmed, empty ones left out. Commas inside quoted strings do not
// separate.
template <class F>
void for_each_list_element(std::string_view list, F&& each) {
    const auto give = [&each](std::string_view element) {
        if (const std::string_view trimmed = trim(element); !trimmed.empty()) each(trimmed);
    };
    std::size_t start = 0;
    bool quoted = false;
    for (std::size_t i = 0; i < list.size(); ++i) {
        if (quoted && list[i] == '\\') {
            ++i;
        } else if (list[i] == '"') {
            quoted = !quoted;
        } else if (list[i] == ',' && !quoted) {
            give(list.substr(start, i - start));
            start = i + 1;
        }
    }
    give(list.substr(start));
}

// The candidate with the smallest edit distance to `name`, if it is close enough to be meant; empty otherwise.
std::string_view nearest_name(std::string_view name, std::span<const std::string_view> candidates);

}  // namespace sluice
