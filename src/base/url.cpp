// SPDX-License-Identifier: Apache-2.0
// Targets: path and query. The host is in authority.cpp.
#include "base/url.h"

#include "base/text.h"

#include <algorithm>
#include <array>

namespace sluice {

namespace {

std::unexpected<Error> malformed(std::string_view what) { return fail(Errc::malformed, Side::client, what); }

enum class Octet : std::uint8_t {
    plain,                               // stands in a canonical path and query as it is
    escaped,                             // is sent raw by browsers; canonical as a triplet
    percent,
    question,
    dot,
    refused,                             // controls, space, "#", DEL
};

constexpr std::array<Octet, 256> octets = [] {
    std::array<Octet, 256> out{};
    for (std::size_t c = 0; c <= ' '; ++c) out[c] = Octet::refused;
    out[0x7f] = out['#'] = Octet::refused;
    for (std::size_t c = 0x80; c < 0x100; ++c) out[c] = Octet::escaped;
    for (const char c : std::string_view("\"<>[\\]^`{|}")) out[static_cast<unsigned char>(c)] = Octet::escaped;
    out['%'] = Octet::percent;
    out['?'] = Octet::question;
    out['.'] = Octet::dot;
    return out;
}();

Octet octet(char c) { return octets[static_cast<unsigned char>(c)]; }

// RFC 3986 2.3: the triplet and the character mean the same.
bool is_unreserved(char c) { return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~'; }

void append_triplet(std::string& out, unsigned char octet_value) {
    static constexpr char digits[] = "0123456789ABCDEF";
    out += '%';
    out += digits[octet_value >> 4];
    out += digits[octet_value & 15];
}

// RFC 3986 6.2.2.1 and 6.2.2.2. `text` has no refused octet.
Result<void> append_canonical_octets(std::string& out, std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '%') {
            const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
            const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
            if (high < 0 || low < 0) {
                out += "%25";
                continue;
            }
            const auto value = static_cast<unsigned char>(high * 16 + low);
            if (value == '\0' || value == '\r' || value == '\n') return malformed("encoded NUL, CR or LF in the URL");
            if (is_unreserved(static_cast<char>(value))) out += static_cast<char>(value);
            else append_triplet(out, value);
            i += 2;
        } else if (octet(c) == Octet::escaped) {
            append_triplet(out, static_cast<unsigned char>(c));
        } else {
            out += c;
        }
    }
    return {};
}

// RFC 3986 5.2.4, in place, of a path that starts with "/".
void remove_dot_segments(std::string& path) {
    std::size_t written = 0;
    for (std::size_t i = 0; i < path.size();) {
        const std::size_t end = std::min(path.find('/', i + 1), path.size());
        const std::string_view segment = std::string_view(path).substr(i + 1, end - i - 1);
        const bool last = end == path.size();
        if (segment == "." || segment == "..") {
            if (segment == "..") {
                const std::size_t parent = written == 0 ? std::string::npos : path.rfind('/', written - 1);
                written = parent == std::string::npos ? 0 : parent;
            }
            if (last) path[written++] = '/';
        } else {
            const std::size_t length = end - i;
            if (written != i)
                std::copy_n(path.begin() + static_cast<std::ptrdiff_t>(i), length, path.begin() + static_cast<std::ptrdiff_t>(written));
            written += length;
        }
        i = end;
    }
    path.resize(written);
    if (path.empty()) path = '/';
}

// After the last dot of the last segment.
void set_extension(Url& url) {
    url.extension_.clear();
    const std::size_t slash = url.path.rfind('/');
    const std::size_t dot = url.path.rfind('.');
    if (dot == std::string::npos || dot < slash) return;
    url.extension_.assign(url.path, dot + 1);
    for (char& c : url.extension_) c = to_lower(c);
}

// `text` is "", "/…" or "?…".
Result<void> read_target(Url& url, std::string_view text) {
    bool as_it_came = true;
    std::size_t question = std::string_view::npos;
    for (std::size_t i = 0; i < text.size(); ++i) {
        switch (octet(text[i])) {
            case Octet::plain: break;
            case Octet::refused: return malformed("control, space or fragment in the URL");
            case Octet::dot:
                if (question == std::string_view::npos && text[i - 1] == '/') as_it_came = false;
                break;
            case Octet::question:
                if (question == std::string_view::npos) question = i;
                break;
            case Octet::escaped:
            case Octet::percent: as_it_came = false; break;
        }
    }
    const std::string_view path = text.substr(0, question);
    url.has_query = question != std::string_view::npos;
    const std::string_view query = url.has_query ? text.substr(question + 1) : std::string_view{};

    url.raw_target.clear();
    if (path.empty()) url.raw_target += '/';
    url.raw_target += text;
    if (as_it_came) {
        url.path = path.empty() ? std::string_view("/") : path;
        url.query = query;
    } else {
        url.path.clear();
        url.query.clear();
        TRY(append_canonical_octets(url.path, path));
        TRY(append_canonical_octets(url.query, query));
        remove_dot_segments(url.path);
    }
    set_extension(url);
    return {};
}

std::string_view known_scheme(std::string_view text) {
    for (const std::string_view scheme : {std::string_view("http"), std::string_view("https"), std::string_view("ftp")})
        if (text == scheme || equals_ignoring_case(text, scheme)) return scheme;
    return {};
}

}  // namespace

std::uint16_t default_port(std::string_view scheme) {
    if (scheme == "http") return 80;
    if (scheme == "https") return 443;
    if (scheme == "ftp") return 21;
    return 0;
}

Result<Url> parse_url(std::string_view absolute) {
    Url url;
    TRY(parse_url(absolute, url));
    return url;
}

Result<void> parse_url(std::string_view absolute, Url& out) {
    const std::size_t colon = absolute.find(':');
    if (colon == std::string_view::npos || absolute.substr(colon, 3) != "://") return malformed("not an absolute URL");
    const std::string_view scheme = known_scheme(absolute.substr(0, colon));
    if (scheme.empty()) return malformed("URL scheme is not http, https or ftp");
    out.scheme = scheme;
    const std::string_view rest = absolute.substr(colon + 3);
    std::size_t end = 0;
    while (end < rest.size() && rest[end] != '/' && rest[end] != '?' && rest[end] != '#') ++end;
    TRY(parse_authority(rest.substr(0, end), true, out.authority));
    out.port = out.authority.port != 0 ? out.authority.port : default_port(scheme);
    return read_target(out, rest.substr(end));
}

Result<void> set_target(Url& url, std::string_view origin_form) {
    if (origin_form.empty() || origin_form.front() != '/') return malformed("request target does not start with /");
    return read_target(url, origin_form);
}

void Url::append_canonical(std::string& out) const {
    out += scheme;
    out += "://";
    authority.append_to(out, port == default_port(scheme) ? std::uint16_t{0} : port);
    out += path;
    if (has_query) {
        out += '?';
        out += query;
    }
}

std::string Url::canonical() const {
    std::string out;
    append_canonical(out);
    return out;
}

}  // namespace sluice
