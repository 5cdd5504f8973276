// SPDX-License-Identifier: Apache-2.0
#include "protocols/ftp/url_path.h"

#include "base/text.h"

namespace sluice::ftp {

namespace {

constexpr std::string_view line_ends("\r\n\0", 3);

std::string decode(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const int high = text[i] == '%' && i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
        const int low = high >= 0 ? hex_value(text[i + 2]) : -1;
        if (low >= 0) {
            out += static_cast<char>(high * 16 + low);
            i += 2;
        } else {
            out += text[i];
        }
    }
    return out;
}

}  // namespace

TypedTarget split_type(std::string_view target) {
    constexpr std::string_view name = ";type=";
    if (target.size() <= name.size()) return {target};
    const char type = to_lower(target.back());
    const std::size_t at = target.size() - name.size() - 1;
    if (!equals_ignoring_case(target.substr(at, name.size()), name) || (type != 'a' && type != 'i' && type != 'd')) return {target};
    return {target.substr(0, at), type};
}

Result<UrlPath> parse_url_path(std::string_view path) {
    UrlPath out;
    out.is_directory = path.ends_with('/');
    bool is_first = true;
    for (const std::string_view segment : split(path, '/')) {
        std::string name = decode(segment);
        if (name.empty()) continue;
        const bool is_from_root = is_first && name.front() == '/';
        is_first = false;
        if (is_from_root) {
            name.erase(0, 1);
            out.path = "/";
            if (name.empty()) continue;
        }
        if (name == "." || name == ".." || name.find_first_of(line_ends) != std::string::npos || name.find('/') != std::string::npos)
            return fail(Errc::malformed, Side::client, "a name in the path is none");
        if (!out.path.empty() && out.path != "/") out.path += '/';
        out.path += name;
    }
    out.is_directory = out.is_directory || out.path == "/";
    return out;
}

bool is_login_text(std::string_view text) { return text.find_first_of(line_ends) == std::string_view::npos; }

Result<UrlLogin> parse_userinfo(std::string_view userinfo) {
    const std::size_t colon = userinfo.find(':');
    UrlLogin out{decode(userinfo.substr(0, colon)), colon == std::string_view::npos ? std::string() : decode(userinfo.substr(colon + 1))};
    if (!is_login_text(out.user) || !is_login_text(out.password))
        return fail(Errc::malformed, Side::client, "a name or a password with a line end in it");
    return out;
}

void append_url_segment(std::string& out, std::string_view name) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    for (const char c : name) {
        if (is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~') {
            out += c;
        } else {
            const auto octet = static_cast<unsigned char>(c);
            out += '%';
            out += digits[octet >> 4U];
            out += digits[octet & 15U];
        }
    }
}

}  // namespace sluice::ftp
