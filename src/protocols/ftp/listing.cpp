// SPDX-License-Identifier: Apache-2.0
#include "protocols/ftp/listing.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"

namespace sluice::ftp {

namespace {

using Kind = Entry::Kind;

constexpr auto months =
    std::to_array<std::string_view>({"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"});

bool is_number(std::string_view text) { return !text.empty() && std::ranges::all_of(text, is_digit); }

bool is_within(std::string_view text, int low, int high) {
    const auto value = text.size() <= 2 ? parse_decimal<int>(text) : std::nullopt;
    return value && *value >= low && *value <= high;
}

// "9:05", "10:00".
bool is_time(std::string_view text) {
    const std::size_t colon = std::min(text.find(':'), text.size());
    return text.size() == colon + 3 && is_within(text.substr(0, colon), 0, 23) && is_within(text.substr(colon + 1), 0, 59);
}

// Behind the spaces at the front of `rest`; empty: there is none.
std::string_view next_word(std::string_view& rest) {
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    const std::string_view word = rest.substr(0, rest.find(' '));
    rest.remove_prefix(word.size());
    return word;
}

std::optional<Entry> checked(Entry&& entry) {
    const std::string_view name = entry.name;
    if (name.empty() || name == "." || name == ".." || name.find_first_of(std::string_view("\r\n\0/", 4)) != std::string_view::npos)
        return std::nullopt;
    if (entry.kind != Kind::file) entry.size.reset();
    return std::move(entry);
}

// YYYYMMDDHHMMSS[.sss] (RFC 3659 2.3), UTC. Empty: it is none.
std::string shown_time(std::string_view value) {
    if (value.size() < 14 || !is_number(value.substr(0, 14)) || (value.size() > 14 && value[14] != '.')) return {};
    if (!is_within(value.substr(4, 2), 1, 12) || !is_within(value.substr(6, 2), 1, 31) || !is_within(value.substr(8, 2), 0, 23) ||
        !is_within(value.substr(10, 2), 0, 59))
        return {};
    return fmt::format("{}-{}-{} {}:{}", value.substr(0, 4), value.substr(4, 2), value.substr(6, 2), value.substr(8, 2),
                       value.substr(10, 2));
}

// RFC 3659 7.5.1. nullopt: the directory itself or the one above.
std::optional<Kind> kind_of_type(std::string_view value) {
    const std::string type = lower(value);
    if (type == "cdir" || type == "pdir") return std::nullopt;
    if (type == "file") return Kind::file;
    if (type == "dir") return Kind::directory;
    if (type.starts_with("os.unix=slink") || type.starts_with("os.unix=symlink")) return Kind::link;
    return Kind::other;
}

constexpr Kind kind_of_mode(char c) {
    switch (c) {
        case '-': return Kind::file;
        case 'd': return Kind::directory;
        case 'l': return Kind::link;
        default: return Kind::other;
    }
}

// "drwxr-xr-x", and a sign of what else guards it ("+", ".", "@").
bool is_mode(std::string_view word) {
    return word.size() >= 10 && word.size() <= 11 && std::string_view("-dlbcpsD").find(word.front()) != std::string_view::npos &&
           word.substr(1, 9).find_first_not_of("rwxsStTlL-") == std::string_view::npos;
}

// The month is read. What is left of `rest` begins with the space before the name. Empty: it is no date.
std::string unix_date(std::string_view month, std::string_view& rest) {
    if (std::ranges::none_of(months, [month](std::string_view each) { return equals_ignoring_case(each, month); })) return {};
    std::string_view behind = rest;
    const std::string_view day = next_word(behind);
    const std::string_view year_or_time = next_word(behind);
    if (!is_within(day, 1, 31) || !(is_time(year_or_time) || (is_number(year_or_time) && year_or_time.size() == 4))) return {};
    rest = behind;
    return fmt::format("{} {} {}", month, day, year_or_time);
}

// "mode links owner group size date name". Owners may have spaces, and some servers have no group: the date is what is looked for, behind a
// number. One space before the name: others are the name's.
std::optional<Entry> parse_unix_line(std::string_view line) {
    std::string_view rest = line;
    Entry out;
    out.kind = kind_of_mode(next_word(rest).front());
    std::string_view size;
    for (std::string_view word = next_word(rest); !word.empty(); size = word, word = next_word(rest)) {
        if (!is_number(size)) continue;
        out.modified = unix_date(word, rest);
        if (out.modified.empty()) continue;
        out.size = parse_decimal<std::uint64_t>(size);
        std::string_view name = rest.substr(std::min<std::size_t>(rest.size(), 1));
        if (out.kind == Kind::link) name = name.substr(0, name.find(" -> "));
        out.name = name;
        return checked(std::move(out));
    }
    return std::nullopt;
}

// "11-27-26", "11-27-2026": month and day change places with the server's language.
bool is_windows_date(std::string_view word) {
    return (word.size() == 8 || word.size() == 10) && is_within(word.substr(0, 2), 1, 31) && word[2] == '-' &&
           is_within(word.substr(3, 2), 1, 31) && word[5] == '-' && is_number(word.substr(6));
}

// "10:00AM", or of 24 hours.
bool is_windows_time(std::string_view word) {
    if (word.ends_with("AM") || word.ends_with("PM")) word.remove_suffix(2);
    return is_time(word);
}

// "date time <DIR> name", "date time size name".
std::optional<Entry> parse_windows_line(std::string_view line) {
    std::string_view rest = line;
    const std::string_view date = next_word(rest);
    const std::string_view time = next_word(rest);
    const std::string_view what = next_word(rest);
    if (!is_windows_date(date) || !is_windows_time(time)) return std::nullopt;
    Entry out;
    out.modified = fmt::format("{} {}", date, time);
    if (what == "<DIR>") {
        out.kind = Kind::directory;
        out.name = rest.substr(std::min(rest.find_first_not_of(' '), rest.size()));
    } else if (is_number(what)) {
        out.kind = Kind::file;
        out.size = parse_decimal<std::uint64_t>(what);
        out.name = rest.substr(std::min<std::size_t>(rest.size(), 1));
    } else {
        return std::nullopt;
    }
    return checked(std::move(out));
}

}  // namespace

// "fact=value;fact=value; name": the first space ends the facts, and one is all there is (RFC 3659 7.2).
std::optional<Entry> parse_mlsd_line(std::string_view line) {
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos) return std::nullopt;
    Entry out;
    out.name = line.substr(space + 1);
    for (std::string_view facts = line.substr(0, space); !facts.empty();) {
        const std::size_t end = facts.find(';');
        const std::size_t equals = facts.find('=');
        if (end == std::string_view::npos || equals > end) return std::nullopt;
        const std::string_view fact = facts.substr(0, equals);
        const std::string_view value = facts.substr(equals + 1, end - equals - 1);
        facts.remove_prefix(end + 1);
        if (equals_ignoring_case(fact, "size")) out.size = parse_decimal<std::uint64_t>(value);
        if (equals_ignoring_case(fact, "modify")) out.modified = shown_time(value);
        if (equals_ignoring_case(fact, "type")) {
            const auto kind = kind_of_type(value);
            if (!kind) return std::nullopt;
            out.kind = *kind;
        }
    }
    return checked(std::move(out));
}

std::optional<Entry> parse_list_line(std::string_view line) {
    return is_mode(line.substr(0, line.find(' '))) ? parse_unix_line(line) : parse_windows_line(line);
}

}  // namespace sluice::ftp
