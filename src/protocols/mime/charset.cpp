// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/charset.h"

#include <array>
#include <cstdint>
#include <optional>

#include "base/text.h"
#include "protocols/mime/charset_tables.h"

namespace sluice::mime {
namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd";

void append(std::string& out, std::uint32_t point) {
    if (point >= 0xd800 && point < 0xe000) {
        out += replacement;
    } else if (point < 0x80) {
        out += static_cast<char>(point);
    } else if (point < 0x800) {
        out += static_cast<char>(0xc0U | (point >> 6U));
        out += static_cast<char>(0x80U | (point & 0x3fU));
    } else if (point < 0x10000) {
        out += static_cast<char>(0xe0U | (point >> 12U));
        out += static_cast<char>(0x80U | ((point >> 6U) & 0x3fU));
        out += static_cast<char>(0x80U | (point & 0x3fU));
    } else {
        out += static_cast<char>(0xf0U | (point >> 18U));
        out += static_cast<char>(0x80U | ((point >> 12U) & 0x3fU));
        out += static_cast<char>(0x80U | ((point >> 6U) & 0x3fU));
        out += static_cast<char>(0x80U | (point & 0x3fU));
    }
}

// Octets of the character at the front; 0: none that is well-formed.
std::size_t character_size(std::string_view in) {
    const auto octet = [&](std::size_t i) { return static_cast<unsigned char>(in[i]); };
    const unsigned first = octet(0);
    if (first < 0x80) return 1;
    const std::size_t size = first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : first >= 0xf0 && first < 0xf5 ? 4 : 0;
    if (size == 0 || in.size() < size) return 0;
    for (std::size_t i = 1; i < size; ++i)
        if ((octet(i) & 0xc0U) != 0x80) return 0;
    const unsigned second = octet(1);
    if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second >= 0xa0)) return 0;
    if ((first == 0xf0 && second < 0x90) || (first == 0xf4 && second >= 0x90)) return 0;
    return size;
}

std::string repaired_utf8(std::string_view in) {
    std::string out;
    while (!in.empty()) {
        const std::size_t size = character_size(in);
        out += size == 0 ? replacement : in.substr(0, size);
        in.remove_prefix(std::max<std::size_t>(size, 1));
    }
    return out;
}

// Windows-1252 from 0x80 to 0x9f; what it leaves out is the control of that number.
constexpr std::array<std::uint16_t, 32> windows_1252{0x20ac, 0x0081, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
                                                     0x2039, 0x0152, 0x008d, 0x017d, 0x008f, 0x0090, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
                                                     0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x009d, 0x017e, 0x0178};

std::string from_latin(std::string_view in) {
    std::string out;
    for (const char c : in) {
        const auto octet = static_cast<unsigned char>(c);
        append(out, octet >= 0x80 && octet < 0xa0 ? windows_1252[octet - 0x80U] : octet);
    }
    return out;
}

std::string from_table(std::string_view in, std::u16string_view upper) {
    std::string out;
    for (const char c : in) {
        const std::size_t octet = static_cast<unsigned char>(c);
        const std::size_t first = 0x100 - upper.size();
        append(out, octet < 0x80 || octet < first ? static_cast<std::uint32_t>(octet) : upper[octet - first]);
    }
    return out;
}

std::string ascii_alone(std::string_view in) {
    std::string out;
    for (const char c : in) {
        if (static_cast<unsigned char>(c) < 0x80) out += c;
        else out += replacement;
    }
    return out;
}

// Joins surrogates; a lone one is broken.
class Utf16 {
public:
    explicit Utf16(std::string& out) : out_(out) {}
    void add(std::uint32_t unit) {
        if (high_ != 0 && unit >= 0xdc00 && unit < 0xe000) {
            append(out_, 0x10000 + ((high_ - 0xd800) << 10U) + (unit - 0xdc00));
            high_ = 0;
            return;
        }
        if (high_ != 0) out_ += replacement;
        high_ = unit >= 0xd800 && unit < 0xdc00 ? unit : 0;
        if (high_ == 0) append(out_, unit);
    }
    void end() {
        if (high_ != 0) out_ += replacement;
        high_ = 0;
    }

private:
    std::string& out_;
    std::uint32_t high_ = 0;
};

std::string from_utf16(std::string_view in, bool is_little) {
    if (in.starts_with("\xff\xfe") || in.starts_with("\xfe\xff")) {
        is_little = in.front() == '\xff';
        in.remove_prefix(2);
    }
    std::string out;
    Utf16 units(out);
    for (; in.size() >= 2; in.remove_prefix(2)) {
        const auto a = static_cast<unsigned char>(in[0]);
        const auto b = static_cast<unsigned char>(in[1]);
        units.add(is_little ? a | static_cast<unsigned>(b << 8U) : b | static_cast<unsigned>(a << 8U));
    }
    units.end();
    return out;
}

std::optional<std::uint32_t> base64_digit(char c) {
    if (c >= 'A' && c <= 'Z') return static_cast<std::uint32_t>(c - 'A');
    if (c >= 'a' && c <= 'z') return static_cast<std::uint32_t>(c - 'a' + 26);
    if (is_digit(c)) return static_cast<std::uint32_t>(c - '0' + 52);
    if (c == '+') return 62;
    if (c == '/') return 63;
    return std::nullopt;
}

std::string from_utf7(std::string_view in) {
    std::string out;
    while (!in.empty()) {
        const char c = in.front();
        in.remove_prefix(1);
        if (c != '+') {
            if (static_cast<unsigned char>(c) < 0x80) out += c;
            else out += replacement;
            continue;
        }
        if (in.starts_with('-')) {
            out += '+';
            in.remove_prefix(1);
            continue;
        }
        Utf16 units(out);
        std::uint32_t bits = 0;
        unsigned held = 0;
        for (; !in.empty() && base64_digit(in.front()); in.remove_prefix(1)) {
            bits = (bits << 6U) | *base64_digit(in.front());
            held += 6;
            if (held < 16) continue;
            held -= 16;
            units.add((bits >> held) & 0xffffU);
        }
        units.end();
        if (in.starts_with('-')) in.remove_prefix(1);
    }
    return out;
}

}  // namespace

bool is_utf8(std::string_view octets) {
    while (!octets.empty()) {
        const std::size_t size = character_size(octets);
        if (size == 0) return false;
        octets.remove_prefix(size);
    }
    return true;
}

std::string to_utf8(std::string_view octets, std::string_view charset) {
    const auto is = [&](std::string_view name) { return equals_ignoring_case(charset, name); };
    if (is("utf-8") || is("utf8")) return repaired_utf8(octets);
    for (const CharsetTable& table : charset_tables)
        if (is(table.name) || is(table.other_name)) return from_table(octets, table.upper);
    if (is("iso-8859-1") || is("windows-1252") || is("cp1252") || is("latin1")) return from_latin(octets);
    if (is("utf-7") || is("unicode-1-1-utf-7")) return from_utf7(octets);
    if (is("utf-16") || is("utf-16be")) return from_utf16(octets, false);
    if (is("utf-16le")) return from_utf16(octets, true);
    if (is_utf8(octets)) return std::string(octets);
    return charset.empty() || is("us-ascii") ? from_latin(octets) : ascii_alone(octets);
}

void cut_utf8(std::string& text, std::size_t most) {
    if (text.size() <= most) return;
    while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xc0U) == 0x80) --most;
    text.resize(most);
}

}  // namespace sluice::mime
