// SPDX-License-Identifier: Apache-2.0
#include "audit/redact.h"

#include "base/text.h"

#include <algorithm>

namespace sluice::audit {

namespace {

constexpr std::size_t longest_counted = 63;

std::uint64_t length_bit(std::size_t length) { return std::uint64_t{1} << std::min(length, longest_counted); }

bool separates(char c) { return c == '&' || c == ';'; }

// Percent-decoded (a stray "%" stands for itself), "+" is a space, lower case.
std::string decoded(std::string_view name) {
    std::string out;
    out.reserve(name.size());
    for (std::size_t i = 0; i < name.size(); ++i) {
        if (name[i] == '%' && i + 2 < name.size() && hex_value(name[i + 1]) >= 0 && hex_value(name[i + 2]) >= 0) {
            out += to_lower(static_cast<char>(hex_value(name[i + 1]) * 16 + hex_value(name[i + 2])));
            i += 2;
        } else {
            out += name[i] == '+' ? ' ' : to_lower(name[i]);
        }
    }
    return out;
}

}  // namespace

Redaction::Redaction(const std::vector<std::string>& names) {
    for (const std::string& name : names) {
        if (name.empty()) continue;
        names_.push_back(lower(name));
        lengths_ |= length_bit(name.size());
    }
}

bool Redaction::names_it(std::string_view name, bool encoded) const {
    if (encoded) return std::ranges::find(names_, decoded(name)) != names_.end();
    if ((lengths_ & length_bit(name.size())) == 0) return false;
    return std::ranges::any_of(names_, [&](const std::string& known) { return equals_ignoring_case(known, name); });
}

Redaction::Range Redaction::next(std::string_view query, std::size_t from) const {
    if (empty()) return {std::string_view::npos, std::string_view::npos};
    std::size_t start = from;
    while (start < query.size()) {
        if (query[start] == '&') {                                 // where the last value ended, or an empty parameter
            ++start;
            continue;
        }
        std::size_t stop = start;
        bool encoded = false;
        for (; stop < query.size() && query[stop] != '=' && !separates(query[stop]); ++stop)
            encoded |= query[stop] == '%' || query[stop] == '+';
        const bool has_value = stop < query.size() && query[stop] == '=';
        if (has_value && names_it(query.substr(start, stop - start), encoded))
            return {stop + 1, std::min(query.find('&', stop), query.size())};
        while (stop < query.size() && !separates(query[stop])) ++stop;
        start = stop + 1;
    }
    return {std::string_view::npos, std::string_view::npos};
}

UrlParts without_userinfo(std::string_view url) {
    UrlParts parts;
    url = url.substr(0, url.find('#'));
    if (const std::size_t question = url.find('?'); question != std::string_view::npos) {
        parts.query = url.substr(question + 1);
        parts.has_query = true;
        url = url.substr(0, question);
    }
    // A scheme (RFC 3986 3.1), then any slashes: browsers take both kinds and any number of them.
    std::size_t authority = 0;
    if (!url.empty() && is_alpha(url.front())) {
        std::size_t i = 1;
        while (i < url.size() && (is_alpha(url[i]) || is_digit(url[i]) || url[i] == '+' || url[i] == '-' || url[i] == '.')) ++i;
        if (i < url.size() && url[i] == ':') authority = i + 1;
    }
    const std::size_t after_scheme = authority;
    while (authority < url.size() && (url[authority] == '/' || url[authority] == '\\')) ++authority;
    const bool is_path = after_scheme == 0 && authority < 2;       // "path", "/path": no authority, an "@" belongs to it
    const std::string_view rest = url.substr(authority);
    const std::size_t at = is_path ? std::string_view::npos : rest.substr(0, rest.find_first_of("/\\")).rfind('@');
    parts.before = url.substr(0, authority);
    parts.after = at == std::string_view::npos ? rest : rest.substr(at + 1);
    return parts;
}

std::string redacted_url(std::string_view url, const Redaction& redaction) {
    const UrlParts parts = without_userinfo(url);
    std::string out;
    out += parts.before;
    out += parts.after;
    if (!parts.has_query) return out;
    out += '?';
    std::size_t shown = 0;
    for (auto range = redaction.next(parts.query, 0); range.begin != std::string_view::npos;
         range = redaction.next(parts.query, range.end)) {
        out += parts.query.substr(shown, range.begin - shown);
        out += Redaction::replacement;
        shown = range.end;
    }
    out += parts.query.substr(shown);
    return out;
}

}  // namespace sluice::audit
