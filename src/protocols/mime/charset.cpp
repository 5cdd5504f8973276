// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/charset.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
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

std::string from_utf32(std::string_view in, bool is_little) {
    std::string out;
    for (; in.size() >= 4; in.remove_prefix(4)) {
        std::uint32_t point = 0;
        for (std::size_t i = 0; i < 4; ++i) point = point << 8U | static_cast<unsigned char>(in[is_little ? 3 - i : i]);
        if (point < 0x110000) append(out, point);
        else out += replacement;
    }
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

// ISO 2022: without the sequences and controls that choose a set.
std::string without_shifts(std::string_view in) {
    std::string out;
    for (std::size_t at = 0; at < in.size(); ++at) {
        if (in[at] == '\x0e' || in[at] == '\x0f') continue;
        if (in[at] != '\x1b') {
            out += in[at];
            continue;
        }
        while (at + 1 < in.size() && in[at + 1] >= 0x20 && in[at + 1] < 0x30) ++at;
        if (at + 1 < in.size() && in[at + 1] >= 0x30 && in[at + 1] < 0x7f) ++at;
    }
    return out;
}

// HZ (RFC 1843): the same.
std::string without_tildes(std::string_view in) {
    std::string out;
    for (std::size_t at = 0; at < in.size(); ++at) {
        const char next = in[at] == '~' && at + 1 < in.size() ? in[at + 1] : '\0';
        if (next == '~') out += '~';
        else if (next != '{' && next != '}' && next != '\n') out += in[at];
        if (next == '~' || next == '{' || next == '}' || next == '\n') ++at;
    }
    return out;
}

// Readers do not mind how a charset's name is punctuated.
std::string bare_name(std::string_view charset) {
    std::string out;
    for (const char c : charset)
        if (is_alpha(c) || is_digit(c)) out += to_lower(c);
    if (out.starts_with("cs") && out.size() > 2) out.erase(0, 2);  // IANA's aliases
    return out;
}

enum class Family : std::uint8_t { utf8, utf7, utf16, utf32, latin, iso_2022, hz, table, ascii, unknown };

bool is_any(std::string_view name, std::initializer_list<std::string_view> names) { return std::ranges::find(names, name) != names.end(); }

const CharsetTable* table_of(std::string_view name) {
    for (const CharsetTable& table : charset_tables)
        if (name == bare_name(table.name) || name == bare_name(table.other_name)) return &table;
    return nullptr;
}

Family family_of(std::string_view name) {
    if (name.empty()) return Family::ascii;
    const auto begins = [&](std::string_view beginning) { return name.starts_with(beginning); };
    if (begins("utf8") || is_any(name, {"unicode11utf8", "xutf8", "u8"})) return Family::utf8;
    if (is_any(name, {"utf7", "unicode11utf7", "u7"})) return Family::utf7;
    if (begins("utf16") || begins("ucs2") || begins("iso10646ucs2") || begins("unicode") || name == "u16") return Family::utf16;
    if (begins("utf32") || begins("ucs4") || begins("iso10646ucs4") || name == "u32") return Family::utf32;
    if (is_any(name, {"iso88591", "windows1252", "cp1252", "latin1", "l1"})) return Family::latin;
    if (begins("iso2022")) return Family::iso_2022;
    if (begins("hz")) return Family::hz;
    if (table_of(name) != nullptr) return Family::table;
    // Those that have ASCII where it is. Of IBM's only those of personal computers: all others are EBCDIC.
    for (const std::string_view beginning :
         {"ascii",      "usascii",    "ansix34",     "iso646us", "iso8859", "isolatin",  "latin",    "windows", "win1",        "cp125",
          "koi8",       "gb",         "xgb",         "euc",      "xeuc",    "big5",      "shiftjis", "xsjis",   "sjis",        "mssjis",
          "msshiftjis", "windows31j", "ksc56",       "korean",   "tis620",  "iso885911", "mac",      "xmac",    "viscii",      "tcvn",
          "armscii",    "georgian",   "unknown8bit", "xunknown", "unknown", "default",   "ansi",     "8bit",    "xuserdefined"})
        if (begins(beginning)) return Family::ascii;
    for (const std::string_view page : {"437", "720", "737", "775", "850", "852", "855", "857", "858", "860", "861",
                                        "862", "863", "864", "865", "866", "869", "874", "932", "936", "949", "950"})
        if (is_any(name, {page}) || ((begins("cp") || begins("ms")) && name.substr(2) == page) || (begins("ibm") && name.substr(3) == page))
            return Family::ascii;
    return Family::unknown;
}

// The order of octets that the name says, or the text itself.
bool is_little_endian(std::string_view octets, std::string_view name, bool is_turned) {
    bool is_little = name.ends_with("le");
    if (octets.starts_with("\xff\xfe") || octets.starts_with("\xfe\xff")) is_little = octets.front() == '\xff';
    return is_little != is_turned;
}

std::string_view without_mark(std::string_view octets) {
    const bool has_mark = octets.starts_with("\xff\xfe") || octets.starts_with("\xfe\xff");
    return has_mark ? octets.substr(2) : octets;
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

std::string to_utf8(std::string_view octets, std::string_view charset, CharsetReading reading) {
    const std::string name = bare_name(charset);
    const bool is_turned = reading == CharsetReading::turned;
    switch (reading == CharsetReading::unknown ? Family::unknown : family_of(name)) {
        case Family::utf8: return repaired_utf8(octets);
        case Family::utf7: return from_utf7(octets);
        case Family::utf16: return from_utf16(without_mark(octets), is_little_endian(octets, name, is_turned));
        case Family::utf32: return from_utf32(octets, is_little_endian(octets, name, is_turned));
        case Family::latin: return from_latin(octets);
        case Family::table: return from_table(octets, table_of(name)->upper);
        case Family::iso_2022: return to_utf8(without_shifts(octets), charset, CharsetReading::unknown);
        case Family::hz: return to_utf8(without_tildes(octets), charset, CharsetReading::unknown);
        case Family::ascii:
        case Family::unknown: break;
    }
    if (is_utf8(octets)) return std::string(octets);
    return name.empty() || name.ends_with("ascii") ? from_latin(octets) : ascii_alone(octets);
}

bool keeps_ascii(std::string_view charset) { return family_of(bare_name(charset)) != Family::unknown; }

bool has_other_readings(std::string_view charset) {
    const Family family = family_of(bare_name(charset));
    return family == Family::utf16 || family == Family::utf32 || family == Family::utf7 || family == Family::iso_2022 ||
           family == Family::hz;
}

void cut_utf8(std::string& text, std::size_t most) {
    if (text.size() <= most) return;
    while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xc0U) == 0x80) --most;
    text.resize(most);
}

}  // namespace sluice::mime
