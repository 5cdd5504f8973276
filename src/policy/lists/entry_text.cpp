// SPDX-License-Identifier: Apache-2.0
#include "policy/lists/entry_text.h"

#include "base/text.h"
#include "base/url.h"
#include "policy/lists/domain_index.h"

#include <algorithm>

namespace sluice::policy {

namespace {

constexpr std::string_view white = " \t\v\f\r";

std::string_view trim_white(std::string_view text) {
    const std::size_t from = text.find_first_not_of(white);
    if (from == std::string_view::npos) return {};
    return text.substr(from, text.find_last_not_of(white) - from + 1);
}

bool is_white(char c) { return white.find(c) != std::string_view::npos; }

bool is_comment(std::string_view line) {
    return line.front() == '#' || line.front() == '!' || line.front() == ';' || line.starts_with("//");
}

// Up to a comment that stands after the entry: any of `anywhere`, or "//", "#" or ";" after white space.
std::string_view without_comment(std::string_view line, std::string_view anywhere) {
    for (std::size_t i = 1; i < line.size(); ++i) {
        const bool after_white = is_white(line[i - 1]);
        const bool starts = anywhere.find(line[i]) != std::string_view::npos ||
                            (after_white && (line[i] == '#' || line[i] == ';' || line.substr(i).starts_with("//")));
        if (starts) return trim_white(line.substr(0, i));
    }
    return line;
}

// What a name's characters become: 0 for those that no name has. Underscores are in no host name (RFC 952), but in many names that are looked up.
constexpr std::array<char, 256> name_characters = [] {
    std::array<char, 256> out{};
    for (char c = 'a'; c <= 'z'; ++c) out[static_cast<unsigned char>(c)] = c;
    for (char c = 'A'; c <= 'Z'; ++c) out[static_cast<unsigned char>(c)] = to_lower(c);
    for (char c = '0'; c <= '9'; ++c) out[static_cast<unsigned char>(c)] = c;
    for (const char c : {'-', '_', '.'}) out[static_cast<unsigned char>(c)] = c;
    return out;
}();

// Names by which a hosts file means the machine itself or its links.
bool is_own_name(std::string_view name) {
    static constexpr std::array<std::string_view, 17> known{"localhost",       "localhost.localdomain",
                                                            "localhost4",      "localhost4.localdomain4",
                                                            "localhost6",      "localhost6.localdomain6",
                                                            "local",           "localdomain",
                                                            "broadcasthost",   "ip6-localhost",
                                                            "ip6-loopback",    "ip6-localnet",
                                                            "ip6-mcastprefix", "ip6-allnodes",
                                                            "ip6-allrouters",  "ip6-allhosts",
                                                            "loopback"};
    return std::ranges::find(known, name) != known.end();
}

// Addresses that stand in lists by mistake, as the remains of a hosts file's left column.
bool is_own_address(std::string_view text) { return text == "0.0.0.0" || text == "127.0.0.1" || text == "255.255.255.255"; }

// The left column of a hosts file; a link-local address may have a zone.
bool is_address(std::string_view text) {
    if (hex_value(text.front()) < 0 && text.front() != ':') return false;
    return IpAddress::parse(text.substr(0, text.find('%'))).has_value();
}

// What may follow "$" for a filter that still means the whole domain.
bool means_whole_domain(std::string_view options) {
    static constexpr std::array<std::string_view, 4> harmless{"important", "all", "document", "doc"};
    return std::ranges::all_of(split(options, ','),
                               [](std::string_view option) { return std::ranges::find(harmless, option) != harmless.end(); });
}

}  // namespace

bool append_domain(std::string_view text, std::string& out) {
    if (text.starts_with("*.")) text.remove_prefix(2);
    else if (text.starts_with('.')) text.remove_prefix(1);
    if (text.ends_with('.')) text.remove_suffix(1);
    if (text.empty()) return false;

    const std::size_t before = out.size();
    const auto refuse = [&] {
        out.resize(before);
        return false;
    };
    if (std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) >= 0x80; })) {
        if (text.find('%') != std::string_view::npos) return false;
        const auto ascii = canonical_host(text);
        if (!ascii) return false;
        out += *ascii;
    } else {
        out += text;
    }
    if (out.size() - before > DomainIndex::longest_name) return refuse();

    std::size_t label = before;
    bool only_digits = true;
    for (std::size_t i = before; i < out.size(); ++i) {
        const char c = out[i] = name_characters[static_cast<unsigned char>(out[i])];
        if (c == 0) return refuse();
        if (c == '.') {
            if (i == label || i - label > 63) return refuse();
            label = i + 1;
            only_digits = true;
        } else {
            only_digits = only_digits && is_digit(c);
        }
    }
    if (out.size() == label || out.size() - label > 63) return refuse();
    // A name whose last label is a number is an address or nothing (WHATWG URL, "ends in a number").
    if (only_digits && !IpAddress::parse(std::string_view(out).substr(before))) return refuse();
    return true;
}

std::optional<std::string> url_entry(std::string_view text) {
    text = text.substr(0, text.find_first_of("?#"));
    std::string_view scheme;
    if (const std::size_t at = text.find("://"); at != std::string_view::npos) {
        scheme = text.substr(0, at);
        text.remove_prefix(at + 3);
        if (std::ranges::none_of(std::array{"http", "https", "ftp"},
                                 [&](std::string_view known) { return equals_ignoring_case(scheme, known); }))
            return std::nullopt;
    }
    const auto url = parse_url((scheme.empty() ? "http" : lower(scheme)) + "://" + std::string(text));
    if (!url) return std::nullopt;
    std::uint16_t port = url->authority.port;
    if (scheme.empty() ? port == 80 || port == 443 : port == default_port(lower(scheme))) port = 0;
    std::string out;
    url->authority.append_to(out, port);
    out += url->path;
    while (out.ends_with('/')) out.pop_back();
    return out;
}

std::optional<std::array<char, 32>> sha256_bytes(std::string_view hex) {
    std::array<char, 32> out;
    if (hex.size() != 2 * out.size()) return std::nullopt;
    for (std::size_t i = 0; i < out.size(); ++i) {
        const int high = hex_value(hex[2 * i]);
        const int low = hex_value(hex[2 * i + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        out[i] = static_cast<char>(high << 4 | low);
    }
    return out;
}

LineKind LineParser::parse(std::string_view line) {
    line = trim_white(line);
    entries_.clear();
    storage_.clear();
    ends_.clear();
    if (line.empty() || is_comment(line)) return LineKind::nothing;
    switch (type_) {
        case ListType::domain: return parse_domains(line);
        case ListType::ip: return parse_range(without_comment(line, "#;"));
        case ListType::sha256: return parse_hash(line);
        case ListType::url: return parse_url_entry(without_comment(line, ""));
        case ListType::string: break;
    }
    // A "#" inside a string may belong to it.
    entries_.push_back(line);
    return LineKind::entries;
}

LineKind LineParser::parse_value(std::string_view value) {
    entries_.clear();
    storage_.clear();
    ends_.clear();
    switch (type_) {
        case ListType::domain: return add_domain(value) ? finish() : LineKind::bad;
        case ListType::ip: return parse_range(value);
        case ListType::sha256: return value.size() == 64 ? parse_hash(value) : LineKind::bad;
        case ListType::url: return parse_url_entry(value);
        case ListType::string: break;
    }
    if (value.empty()) return LineKind::bad;
    entries_.push_back(value);
    return LineKind::entries;
}

LineKind LineParser::parse_domains(std::string_view line) {
    // Most lines are a name and nothing else.
    if (line.front() != '|' && line.front() != '@' && add_domain(line)) {
        if (is_own_name(storage_) || is_own_address(storage_)) return LineKind::nothing;
        return finish();
    }
    if (line.front() == '[' && line.back() == ']') return LineKind::nothing;  // "[Adblock Plus 2.0]"
    if (line.starts_with("@@")) return LineKind::not_applicable;
    for (const std::string_view part_of_page : {"##", "#@#", "#?#", "#$#", "#%#"})
        if (line.find(part_of_page) != std::string_view::npos && !is_white(line[line.find(part_of_page) - 1]))
            return LineKind::not_applicable;
    if (line.starts_with("||")) return parse_filter(without_comment(line.substr(2), ""));
    if (line.front() == '|') return LineKind::not_applicable;
    if (line.size() > 2 && line.front() == '/' && line.back() == '/') return LineKind::not_applicable;  // a regular expression

    line = without_comment(line, "#");
    const std::size_t space = line.find_first_of(white);
    if (space != std::string_view::npos && is_address(line.substr(0, space))) return parse_hosts(line.substr(space));
    return add_domain(line) ? (is_own_name(storage_) || is_own_address(storage_) ? LineKind::nothing : finish()) : LineKind::bad;
}

// After "||": the domain lines of filters for ad blockers (Adblock Plus, AdGuard, uBlock Origin).
LineKind LineParser::parse_filter(std::string_view pattern) {
    if (const std::size_t options = pattern.find('$'); options != std::string_view::npos) {
        if (!means_whole_domain(pattern.substr(options + 1))) return LineKind::not_applicable;
        pattern = pattern.substr(0, options);
    }
    if (pattern.ends_with('|')) pattern.remove_suffix(1);
    if (pattern.ends_with('^')) pattern.remove_suffix(1);
    if (add_domain(pattern)) return finish();
    // A path, a wildcard inside the name, a port: less than a domain.
    return pattern.find_first_of("/*^:?=") != std::string_view::npos ? LineKind::not_applicable : LineKind::bad;
}

// After the address of a hosts file's line: a name and its aliases.
LineKind LineParser::parse_hosts(std::string_view names) {
    bool bad = false;
    while (!(names = trim_white(names)).empty()) {
        const std::string_view name = names.substr(0, names.find_first_of(white));
        names.remove_prefix(name.size());
        const std::size_t before = storage_.size();
        if (!add_domain(name)) {
            bad = bad || !is_address(name);
            continue;
        }
        const std::string_view added = std::string_view(storage_).substr(before);
        if (is_own_name(added) || IpAddress::parse(added)) {
            storage_.resize(before);
            ends_.pop_back();
        }
    }
    if (!ends_.empty()) return finish();
    return bad ? LineKind::bad : LineKind::nothing;
}

LineKind LineParser::parse_range(std::string_view text) {
    const std::size_t dash = text.find('-');
    if (dash != std::string_view::npos) {
        const auto first = IpAddress::parse(trim_white(text.substr(0, dash)));
        const auto last = IpAddress::parse(trim_white(text.substr(dash + 1)));
        if (!first || !last || first->is_v4() != last->is_v4() || *last < *first) return LineKind::bad;
        first_ = *first;
        last_ = *last;
    } else {
        const auto network = IpNetwork::parse(text);
        if (!network) return LineKind::bad;
        first_ = network->address();
        auto bytes = first_.bytes();
        for (int bit = network->prefix(); bit < first_.bits(); ++bit)
            bytes[static_cast<std::size_t>(bit / 8)] |= static_cast<std::uint8_t>(0x80U >> (bit % 8));
        last_ =
            first_.is_v6()
                ? IpAddress::v6(bytes)
                : IpAddress::v4(std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 | bytes[3]);
    }
    if (first_.unmapped().is_v4() && last_.unmapped().is_v4()) {
        first_ = first_.unmapped();
        last_ = last_.unmapped();
    }
    return LineKind::entries;
}

// The hash alone, or the line of sha256sum: the hash, white space, a file's name.
LineKind LineParser::parse_hash(std::string_view text) {
    if (text.size() > 64 && !is_white(text[64]) && text[64] != '#') return LineKind::bad;
    const auto bytes = sha256_bytes(text.substr(0, 64));
    if (!bytes) return LineKind::bad;
    storage_.assign(bytes->data(), bytes->size());
    ends_.push_back(storage_.size());
    return finish();
}

LineKind LineParser::parse_url_entry(std::string_view text) {
    auto entry = url_entry(text);
    if (!entry) return LineKind::bad;
    storage_ = std::move(*entry);
    ends_.push_back(storage_.size());
    return finish();
}

bool LineParser::add_domain(std::string_view name) {
    if (!append_domain(name, storage_)) return false;
    ends_.push_back(storage_.size());
    return true;
}

LineKind LineParser::finish() {
    std::size_t from = 0;
    for (const std::size_t end : ends_) {
        entries_.push_back(std::string_view(storage_).substr(from, end - from));
        from = end;
    }
    return LineKind::entries;
}

}  // namespace sluice::policy
