// SPDX-License-Identifier: Apache-2.0
#include "protocols/http1/syntax.h"

#include "base/limits.h"

#include "base/text.h"
#include "protocols/http1/scan.h"

#include <algorithm>

namespace sluice::http1 {

namespace {

constexpr std::array<bool, 256> token_table = [] {
    std::array<bool, 256> out{};
    for (std::size_t c = 0; c < 128; ++c) out[c] = is_alpha(static_cast<char>(c)) || is_digit(static_cast<char>(c));
    for (const char c : std::string_view("!#$%&'*+-.^_`|~")) out[static_cast<unsigned char>(c)] = true;
    return out;
}();

// reg-name of RFC 3986 3.2.2, its triplets' "%" included.
constexpr std::array<bool, 256> name_octets = [] {
    std::array<bool, 256> out{};
    for (std::size_t c = 0; c < 128; ++c) out[c] = is_alpha(static_cast<char>(c)) || is_digit(static_cast<char>(c));
    for (const char c : std::string_view("-._~!$&'()*+,;=%")) out[static_cast<unsigned char>(c)] = true;
    return out;
}();

}  // namespace

namespace detail {
const std::array<bool, 256> token_octets = token_table;
}

std::string_view to_string(Version version) { return version == Version::http_1_0 ? "1.0" : "1.1"; }

bool is_token(std::string_view text) { return !text.empty() && std::ranges::all_of(text, is_token_octet); }

bool is_field_value(std::string_view text) { return find_control(text, 0) == text.size(); }

std::size_t find_control(std::string_view text, std::size_t from) { return detail::find_first<detail::Controls>(text, from); }

bool is_host_and_port(std::string_view text) {
    std::size_t colon = text.size();
    if (text.starts_with('[')) {
        const std::size_t end = text.find(']');
        if (end == std::string_view::npos || end < 3) return false;
        for (const char c : text.substr(1, end - 1))
            if (hex_value(c) < 0 && c != ':' && c != '.') return false;
        colon = end + 1;
    } else {
        char previous = '.';                       // so that an empty first label is seen
        for (std::size_t i = 0; i < text.size(); ++i) {
            if (text[i] == ':') {
                colon = i;
                break;
            }
            if (!name_octets[static_cast<unsigned char>(text[i])] || (text[i] == '.' && previous == '.')) return false;
            previous = text[i];
        }
        if (colon == 0) return false;
    }
    if (colon == text.size()) return true;
    if (text[colon] != ':' || text.size() - colon > 6) return false;
    return std::ranges::all_of(text.substr(colon + 1), is_digit);
}

std::string_view reason_phrase(int status) {
    switch (status) {
        case 100: return "Continue";
        case 101: return "Switching Protocols";
        case 102: return "Processing";
        case 103: return "Early Hints";
        case 200: return "OK";
        case 201: return "Created";
        case 202: return "Accepted";
        case 203: return "Non-Authoritative Information";
        case 204: return "No Content";
        case 205: return "Reset Content";
        case 206: return "Partial Content";
        case 207: return "Multi-Status";
        case 208: return "Already Reported";
        case 226: return "IM Used";
        case 300: return "Multiple Choices";
        case 301: return "Moved Permanently";
        case 302: return "Found";
        case 303: return "See Other";
        case 304: return "Not Modified";
        case 305: return "Use Proxy";
        case 307: return "Temporary Redirect";
        case 308: return "Permanent Redirect";
        case 400: return "Bad Request";
        case 401: return "Unauthorized";
        case 402: return "Payment Required";
        case 403: return "Forbidden";
        case 404: return "Not Found";
        case 405: return "Method Not Allowed";
        case 406: return "Not Acceptable";
        case 407: return "Proxy Authentication Required";
        case 408: return "Request Timeout";
        case 409: return "Conflict";
        case 410: return "Gone";
        case 411: return "Length Required";
        case 412: return "Precondition Failed";
        case 413: return "Content Too Large";
        case 414: return "URI Too Long";
        case 415: return "Unsupported Media Type";
        case 416: return "Range Not Satisfiable";
        case 417: return "Expectation Failed";
        case 421: return "Misdirected Request";
        case 422: return "Unprocessable Content";
        case 423: return "Locked";
        case 424: return "Failed Dependency";
        case 425: return "Too Early";
        case 426: return "Upgrade Required";
        case 428: return "Precondition Required";
        case 429: return "Too Many Requests";
        case 431: return "Request Header Fields Too Large";
        case 451: return "Unavailable For Legal Reasons";
        case 500: return "Internal Server Error";
        case 501: return "Not Implemented";
        case 502: return "Bad Gateway";
        case 503: return "Service Unavailable";
        case 504: return "Gateway Timeout";
        case 505: return "HTTP Version Not Supported";
        case 506: return "Variant Also Negotiates";
        case 507: return "Insufficient Storage";
        case 508: return "Loop Detected";
        case 511: return "Network Authentication Required";
        default: return "Unknown";
    }
}

Guess looks_like_request(std::string_view prefix) {
    // Longer than every registered method: another protocol's first word is not waited for forever.
    constexpr std::size_t longest_method = 32;
    constexpr std::string_view version = "HTTP/1.";
    // What servers pass over, or take for one space, does not hide a request from us: our own parser then says what is wrong with it.
    std::size_t i = 0;
    while (i < prefix.size() && (prefix[i] == '\r' || prefix[i] == '\n')) ++i;
    if (i > 2 * Limits{}.leading_empty_lines) return Guess::yes;
    prefix.remove_prefix(i);
    i = 0;
    while (i < prefix.size() && is_token_octet(prefix[i])) ++i;
    if (i > longest_method) return Guess::no;
    if (i == prefix.size()) return Guess::undecided;
    if (i == 0 || prefix[i] != ' ') return Guess::no;
    while (i < prefix.size() && prefix[i] == ' ') ++i;
    while (i < prefix.size() && prefix[i] != ' ') {
        if (detail::is_control(prefix[i]) || prefix[i] == '\t') return Guess::no;
        ++i;
    }
    if (i == prefix.size()) return Guess::undecided;
    while (i < prefix.size() && prefix[i] == ' ') ++i;
    const std::string_view rest = prefix.substr(i, version.size());
    if (!version.starts_with(rest)) return Guess::no;
    return rest.size() == version.size() ? Guess::yes : Guess::undecided;
}

}  // namespace sluice::http1
