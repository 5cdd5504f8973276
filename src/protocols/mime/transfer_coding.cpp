// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/transfer_coding.h"

#include <cstdint>
#include <optional>

namespace sluice::mime {

namespace {

std::optional<std::uint32_t> base64_value(char c) {
    if (c >= 'A' && c <= 'Z') return static_cast<std::uint32_t>(c - 'A');
    if (c >= 'a' && c <= 'z') return static_cast<std::uint32_t>(c - 'a' + 26);
    if (c >= '0' && c <= '9') return static_cast<std::uint32_t>(c - '0' + 52);
    if (c == '+') return 62;
    if (c == '/') return 63;
    return std::nullopt;
}

std::optional<unsigned> hex_value(char c) {
    if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
    if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
    if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
    return std::nullopt;
}

}  // namespace

std::string decode_base64(std::string_view text) {
    std::string out;
    out.reserve(text.size() / 4 * 3 + 3);
    std::uint32_t bits = 0;
    int held = 0;  // bits of it that are still to be written
    for (const char c : text) {
        if (c == '=') {
            held = 0;
            continue;
        }
        const auto value = base64_value(c);
        if (!value) continue;
        bits = bits << 6 | *value;
        held += 6;
        if (held < 8) continue;
        held -= 8;
        out += static_cast<char>(bits >> held & 0xff);
    }
    return out;
}

std::string decode_quoted_printable(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        const char c = text[at];
        if (c == ' ' || c == '\t') {
            const std::size_t end = text.find_first_not_of(" \t", at);
            const bool ends_line = end == std::string_view::npos || text[end] == '\r' || text[end] == '\n';
            const std::size_t past = end == std::string_view::npos ? text.size() : end;
            if (!ends_line) out += text.substr(at, past - at);
            at = past;
            continue;
        }
        if (c != '=') {
            out += c;
            ++at;
            continue;
        }
        // A soft line break, with the blanks that may stand before it.
        const std::size_t line_end = text.find_first_not_of(" \t", at + 1);
        if (line_end == std::string_view::npos) return out;
        if (text[line_end] == '\n' || text[line_end] == '\r') {
            at = line_end + (text.substr(line_end).starts_with("\r\n") ? 2 : 1);
            continue;
        }
        const auto high = at + 2 < text.size() ? hex_value(text[at + 1]) : std::nullopt;
        const auto low = high ? hex_value(text[at + 2]) : std::nullopt;
        out += low ? static_cast<char>(*high << 4 | *low) : '=';
        at += low ? 3 : 1;
    }
    return out;
}

}  // namespace sluice::mime
