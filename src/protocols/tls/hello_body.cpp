// SPDX-License-Identifier: Apache-2.0
#include "protocols/tls/hello_body.h"

#include "base/ip.h"
#include "base/text.h"
#include "protocols/tls/cursor.h"

#include <algorithm>
#include <iterator>

namespace sluice::tls {

namespace {

constexpr std::size_t random_octets = 32;
constexpr std::size_t longest_session_id = 32;
constexpr std::size_t longest_name = 255;                    // RFC 1035 2.3.4
constexpr std::uint8_t host_name = 0;                        // RFC 6066 3
constexpr std::uint8_t outer_hello = 0;                      // RFC 9849 5
constexpr std::uint8_t inner_hello = 1;

std::unexpected<Error> malformed(std::string_view what) { return fail(Errc::malformed, Side::client, what); }

// Numbers of two octets each, at least one of them.
Result<std::vector<std::uint16_t>> read_numbers(std::string_view list, std::string_view what) {
    if (list.empty() || list.size() % 2 != 0) return malformed(what);
    std::vector<std::uint16_t> out;
    out.reserve(list.size() / 2);
    for (Cursor cursor(list); cursor.has_more();)
        if (const std::uint16_t number = cursor.number16(); !is_grease(number)) out.push_back(number);
    return out;
}

// A list of numbers that fills `data`.
Result<std::vector<std::uint16_t>> read_number_list(std::string_view data, std::string_view what) {
    Cursor cursor(data);
    const std::string_view list = cursor.vector16();
    if (!cursor.is_at_end()) return malformed(what);
    return read_numbers(list, what);
}

bool is_host_name(std::string_view name) {
    char before = '.';
    for (const char c : name) {
        if (c == '.' ? before == '.' : !is_alpha(c) && !is_digit(c) && c != '-' && c != '_') return false;
        before = c;
    }
    return before != '.';                                    // no label is empty
}

// One name, as nobody has ever sent more; another type of name has never been defined (RFC 6066 3).
Result<std::string> read_server_name(std::string_view data) {
    Cursor extension(data);
    Cursor list(extension.vector16());
    const std::uint8_t type = list.number8();
    const std::string_view sent = list.vector16();
    if (!extension.is_at_end() || !list.is_at_end() || type != host_name) return malformed("ClientHello: server_name is not one host name");
    if (sent.empty() || sent.size() > longest_name) return malformed("ClientHello: bad length of the server's name");
    const std::string_view name = sent.ends_with('.') ? sent.substr(0, sent.size() - 1) : sent;
    if (!is_host_name(name) && !IpAddress::parse(sent)) return malformed("ClientHello: the server's name is no host name");
    return lower(name);
}

Result<std::vector<std::string>> read_alpn(std::string_view data) {
    Cursor extension(data);
    Cursor list(extension.vector16());
    if (!extension.is_at_end() || !list.has_more()) return malformed("ClientHello: bad ALPN");
    std::vector<std::string> out;
    while (list.has_more()) {
        const std::string_view name = list.vector8();
        if (name.empty()) return malformed("ClientHello: bad ALPN");   // or cut
        if (name.size() != 2 || !is_grease(Cursor(name).number16())) out.emplace_back(name);
    }
    return out;
}

Result<std::vector<std::uint16_t>> read_versions(std::string_view data) {
    Cursor extension(data);
    const std::string_view list = extension.vector8();
    if (!extension.is_at_end()) return malformed("ClientHello: bad supported_versions");
    auto out = TRY(read_numbers(list, "ClientHello: bad supported_versions"));
    if (out.empty()) return malformed("ClientHello: supported_versions names no version");
    return out;
}

// Whether this is an outer ClientHello (RFC 9849 5).
Result<bool> read_encrypted_hello(std::string_view data) {
    Cursor cursor(data);
    const std::uint8_t type = cursor.number8();
    if (type == outer_hello) {
        cursor.take(2 + 2 + 1);                              // KDF, AEAD, the configuration's number
        cursor.vector16();                                   // the key; empty in a second ClientHello
        if (cursor.vector16().empty()) return malformed("ClientHello: bad encrypted_client_hello");
    }
    if (type > inner_hello || !cursor.is_at_end()) return malformed("ClientHello: bad encrypted_client_hello");
    return type == outer_hello;
}

Result<void> read_extension(std::uint16_t type, std::string_view data, ClientHello& out) {
    switch (type) {
        case extension::server_name: out.server_name = TRY(read_server_name(data)); break;
        case extension::supported_groups: out.groups = TRY(read_number_list(data, "ClientHello: bad supported_groups")); break;
        case extension::signature_algorithms:
            out.signature_algorithms = TRY(read_number_list(data, "ClientHello: bad signature_algorithms"));
            break;
        case extension::alpn: out.alpn = TRY(read_alpn(data)); break;
        case extension::early_data:
            if (!data.empty()) return malformed("ClientHello: bad early_data");
            out.early_data = true;
            break;
        case extension::supported_versions: out.versions = TRY(read_versions(data)); break;
        case extension::encrypted_client_hello: out.encrypted_client_hello = TRY(read_encrypted_hello(data)); break;
        default: break;                                      // not ours to read: the TLS library does
    }
    return {};
}

Result<void> read_extensions(std::string_view list, ClientHello& out) {
    std::vector<std::uint16_t> types;                        // GREASE too: it may not be there twice either
    for (Cursor cursor(list); cursor.has_more();) {
        const std::uint16_t type = cursor.number16();
        const std::string_view data = cursor.vector16();
        if (cursor.has_failed()) return malformed("ClientHello: cut extension");
        if (type == extension::pre_shared_key && cursor.has_more())
            return malformed("ClientHello: pre_shared_key is not last");   // RFC 8446 4.2.11
        TRY(read_extension(type, data, out));
        types.push_back(type);
    }
    std::ranges::copy_if(types, std::back_inserter(out.extensions), [](std::uint16_t type) { return !is_grease(type); });
    std::ranges::sort(types);
    if (std::ranges::adjacent_find(types) != types.end()) return malformed("ClientHello: an extension twice");   // RFC 8446 4.2
    return {};
}

}  // namespace

Result<void> read_hello_body(std::string_view body, ClientHello& out) {
    Cursor cursor(body);
    out.legacy_version = cursor.number16();
    cursor.take(random_octets);
    const std::string_view session = cursor.vector8();
    const std::string_view ciphers = cursor.vector16();
    const std::string_view compressions = cursor.vector8();
    if (cursor.has_failed()) return malformed("ClientHello: cut");
    if (out.legacy_version >> 8 != 3) return malformed("ClientHello: unknown version");
    if (session.size() > longest_session_id) return malformed("ClientHello: session id too long");
    out.ciphers = TRY(read_numbers(ciphers, "ClientHello: bad cipher suites"));
    if (compressions.find('\0') == std::string_view::npos) return malformed("ClientHello: does not offer to leave out compression");
    if (!cursor.has_more()) return {};                       // before RFC 3546 there were no extensions
    const std::string_view extensions = cursor.vector16();
    if (!cursor.is_at_end()) return malformed("ClientHello: wrong length of the extensions");
    return read_extensions(extensions, out);
}

}  // namespace sluice::tls
