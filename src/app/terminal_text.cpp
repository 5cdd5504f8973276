// SPDX-License-Identifier: Apache-2.0
#include "app/terminal_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace sluice::app {

namespace {

struct Range {
    char32_t first, last;
};

// Unicode 15: Cc, Cf, Zl, Zp, variation selectors, the fillers that show nothing, private use and noncharacters as far as fonts may draw them
// as nothing.
constexpr std::array unsafe{
    Range{0x00, 0x1f},       Range{0x7f, 0x9f},       Range{0xad, 0xad},       Range{0x34f, 0x34f},      Range{0x600, 0x605},
    Range{0x61c, 0x61c},     Range{0x6dd, 0x6dd},     Range{0x70f, 0x70f},     Range{0x890, 0x891},      Range{0x8e2, 0x8e2},
    Range{0x115f, 0x1160},   Range{0x17b4, 0x17b5},   Range{0x180b, 0x180f},   Range{0x200b, 0x200f},    Range{0x2028, 0x202e},
    Range{0x2060, 0x206f},   Range{0x3164, 0x3164},   Range{0xe000, 0xf8ff},   Range{0xfdd0, 0xfdef},    Range{0xfe00, 0xfe0f},
    Range{0xfeff, 0xfeff},   Range{0xffa0, 0xffa0},   Range{0xfff0, 0xfffb},   Range{0xfffe, 0xffff},    Range{0x110bd, 0x110cd},
    Range{0x13430, 0x1345f}, Range{0x1bca0, 0x1bca3}, Range{0x1d173, 0x1d17a}, Range{0xe0000, 0x10ffff},
};

// Two columns wide in terminals (East Asian Width W and F, as far as fonts of today go).
constexpr std::array wide{
    Range{0x1100, 0x115e},   Range{0x2e80, 0x303e},   Range{0x3041, 0xa4cf},   Range{0xa960, 0xa97c}, Range{0xac00, 0xd7a3},
    Range{0xf900, 0xfaff},   Range{0xfe30, 0xfe6f},   Range{0xff01, 0xff60},   Range{0xffe0, 0xffe6}, Range{0x1f300, 0x1f64f},
    Range{0x1f680, 0x1f6ff}, Range{0x1f900, 0x1faff}, Range{0x20000, 0x3fffd},
};

// Combining marks of the commonest scripts: no column of their own.
constexpr std::array combining{
    Range{0x300, 0x36f},   Range{0x483, 0x489},   Range{0x591, 0x5bd},   Range{0x610, 0x61a},   Range{0x64b, 0x65f},
    Range{0x1ab0, 0x1aff}, Range{0x1dc0, 0x1dff}, Range{0x20d0, 0x20ff}, Range{0xfe20, 0xfe2f},
};

template <std::size_t N>
bool is_in(const std::array<Range, N>& ranges, char32_t c) {
    return std::ranges::any_of(ranges, [c](const Range& range) { return c >= range.first && c <= range.last; });
}

struct Character {
    char32_t code = 0;
    std::size_t size = 1;  // bytes
    bool is_valid = false;  // false: one byte that is no UTF-8
};

// The character at the front of a text that is not empty (RFC 3629: no overlong forms, no surrogates, nothing beyond U+10FFFF).
Character first_character(std::string_view text) {
    const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned lead = byte(0);
    if (lead < 0x80) return {lead, 1, true};
    const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return {};
    char32_t code = lead & (0x7fU >> size);
    for (std::size_t i = 1; i < size; ++i) {
        if ((byte(i) & 0xc0U) != 0x80) return {};
        code = code << 6U | (byte(i) & 0x3fU);
    }
    const char32_t least = size == 4 ? 0x10000 : size == 3 ? 0x800 : 0x80;
    if (code < least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return {};
    return {code, size, true};
}

struct Shown {
    std::string text;
    std::size_t width = 0;
};

// Takes a character from the front.
Shown take_shown(std::string_view& text) {
    const Character character = first_character(text);
    const std::string_view raw = text.substr(0, character.size);
    text.remove_prefix(character.size);
    Shown shown;
    if (!character.is_valid) shown.text = fmt::format("\\x{:02x}", static_cast<unsigned char>(raw[0]));
    else if (character.code == '\\') shown.text = "\\\\";
    else if (!is_in(unsafe, character.code)) shown.text = raw;
    else if (character.code < 0x80) shown.text = fmt::format("\\x{:02x}", static_cast<std::uint32_t>(character.code));
    else shown.text = fmt::format("\\u{{{:x}}}", static_cast<std::uint32_t>(character.code));
    if (shown.text != raw) shown.width = shown.text.size();
    else shown.width = is_in(wide, character.code) ? 2 : is_in(combining, character.code) ? 0 : 1;
    return shown;
}

}  // namespace

std::string for_terminal(std::string_view text) {
    std::string out;
    while (!text.empty()) out += take_shown(text).text;
    return out;
}

std::size_t terminal_width(std::string_view text) {
    std::size_t width = 0;
    while (!text.empty()) width += take_shown(text).width;
    return width;
}

std::string terminal_cell(std::string_view text, std::size_t width) {
    std::string out;
    std::string::size_type cut = 0;  // where "…" still fits
    std::size_t used = 0, cut_used = 0;
    while (!text.empty()) {
        const Shown shown = take_shown(text);
        if (used + shown.width > width) {
            out.resize(cut);
            return out + "\xe2\x80\xa6" + std::string(width - cut_used - 1, ' ');
        }
        out += shown.text;
        used += shown.width;
        if (used < width) {
            cut = out.size();
            cut_used = used;
        }
    }
    return out + std::string(width - used, ' ');
}

std::string json_for_terminal(std::string_view json) {
    std::string out;
    while (!json.empty()) {
        const Character character = first_character(json);
        const auto code = static_cast<std::uint32_t>(character.code);
        if (!character.is_valid) out += "\\ufffd";
        else if (code < 0x20 || !is_in(unsafe, character.code)) out += json.substr(0, character.size);
        else if (code < 0x10000) out += fmt::format("\\u{:04x}", code);
        else out += fmt::format("\\u{:04x}\\u{:04x}", 0xd7c0 + (code >> 10U), 0xdc00 + (code & 0x3ffU));
        json.remove_prefix(character.size);
    }
    return out;
}

}  // namespace sluice::app
