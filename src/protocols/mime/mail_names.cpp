// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/mail_names.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "base/text.h"
#include "protocols/mime/charset.h"
#include "protocols/mime/encoded_word.h"

namespace sluice::mime {
namespace {

std::string without_escapes(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool is_escape = text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0;
        out += is_escape ? static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2])) : text[i];
        if (is_escape) i += 2;
    }
    return out;
}

// Of Unicode what is not seen: controls, marks of direction, joiners, selectors and the like.
struct Range {
    char32_t first;
    char32_t last;
};
constexpr std::array unseen{Range{0x00, 0x1f},      Range{0x7f, 0x9f},     Range{0xad, 0xad},     Range{0x34f, 0x34f},
                            Range{0x61c, 0x61c},    Range{0x115f, 0x1160}, Range{0x17b4, 0x17b5}, Range{0x180b, 0x180f},
                            Range{0x200b, 0x200f},  Range{0x2028, 0x202e}, Range{0x2060, 0x206f}, Range{0x3164, 0x3164},
                            Range{0xfe00, 0xfe0f},  Range{0xfeff, 0xfeff}, Range{0xffa0, 0xffa0}, Range{0xfff0, 0xfffb},
                            Range{0xe0000, 0xe0fff}};
constexpr std::array wide_blanks{Range{0xa0, 0xa0},     Range{0x1680, 0x1680}, Range{0x2000, 0x200a},
                                 Range{0x202f, 0x202f}, Range{0x205f, 0x205f}, Range{0x3000, 0x3000}};

bool is_of(std::span<const Range> ranges, char32_t point) {
    return std::ranges::any_of(ranges, [&](const Range& one) { return point >= one.first && point <= one.last; });
}

// Takes the character at the front of what is UTF-8.
char32_t take_point(std::string_view& in) {
    const auto octet = [&](std::size_t i) { return static_cast<unsigned char>(in[i]); };
    const std::size_t size = std::min<std::size_t>(in.size(), octet(0) < 0x80 ? 1 : octet(0) < 0xe0 ? 2 : octet(0) < 0xf0 ? 3 : 4);
    char32_t point = size == 1 ? octet(0) : octet(0) & (0x7fU >> size);
    for (std::size_t i = 1; i < size; ++i) point = point << 6U | (octet(i) & 0x3fU);
    in.remove_prefix(size);
    return point;
}

// As readers have it that take out what is not seen, and quotes. `name` is UTF-8.
std::string cleaned(std::string_view name) {
    std::string out;
    const auto is_plain = [](char c) { return c > 0x1f && c < 0x7f && c != '"'; };
    if (std::ranges::all_of(name, is_plain)) out = std::exchange(name, {});
    while (!name.empty()) {
        const std::string_view before = name;
        const char32_t point = take_point(name);
        if (is_of(wide_blanks, point)) out += ' ';
        else if (point != '"' && !is_of(unseen, point)) out += before.substr(0, before.size() - name.size());
    }
    static constexpr std::string_view around = " '`";
    const std::size_t begin = out.find_first_not_of(around);
    return begin == std::string::npos ? std::string() : out.substr(begin, out.find_last_not_of(around) + 1 - begin);
}

// What is behind the last slash, or before it where nothing is behind.
std::string_view last_segment(std::string_view path) {
    const std::size_t last = path.find_last_not_of("/\\. \t");
    if (last == std::string_view::npos) return path.substr(path.find_last_of("/\\") + 1);  // npos + 1: all
    path = path.substr(0, path.find_first_of("/\\", last));
    return path.substr(path.find_last_of("/\\") + 1);
}

constexpr int most_encodings = 3;  // of words within words

}  // namespace

bool MailNames::add(std::string_view name) {
    std::string text(name);
    bool is_good = true;
    for (int i = 0; i < most_encodings; ++i) {
        DecodedWords decoded = decode_words(text);
        is_good &= !decoded.is_broken;
        add_text(decoded.text);
        if (!decoded.has_words) break;
        for (std::string& other : decoded.others) add_text(std::move(other));
        if (i == 0) add_as_it_is(to_utf8(name, {}));
        text = std::move(decoded.text);
    }
    return is_good;
}

void MailNames::add_text(std::string text) {
    if (text.contains('\0')) {
        // Some end there, some leave it out.
        add_as_it_is(std::string_view(text).substr(0, text.find('\0')));
        std::erase(text, '\0');
    }
    add_as_it_is(text);
    if (text.contains('%')) add_as_it_is(without_escapes(text));
}

void MailNames::add_as_it_is(std::string_view name) {
    name = trim(last_segment(name));
    const std::string text = is_utf8(name) ? std::string(name) : to_utf8(name, {});
    keep(text);
    keep(cleaned(text));
}

void MailNames::keep(std::string name) {
    // The end of a long one counts more than its middle: that is where the extension is.
    if (name.size() > most_octets_) {
        std::string end = name.substr(name.size() - most_octets_ / 2);
        while (!end.empty() && (static_cast<unsigned char>(end.front()) & 0xc0U) == 0x80) end.erase(0, 1);
        cut_utf8(name, most_octets_ - end.size());
        name += end;
    }
    if (name.empty() || std::ranges::find(names_, name) != names_.end()) return;
    if (names_.size() == most_) {
        is_cut_ = true;
        names_.pop_back();  // some readers take the last of all
    }
    names_.push_back(std::move(name));
}

}  // namespace sluice::mime
