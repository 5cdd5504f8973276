// SPDX-License-Identifier: Apache-2.0
#include "protocols/http1/known_field.h"

#include "base/text.h"

#include <array>
#include <cstring>

namespace sluice::http1 {

namespace {

constexpr std::size_t count = static_cast<std::size_t>(KnownField::count_);

// In the order of KnownField.
constexpr std::array<std::string_view, count> names = {
    "",
    "Connection",
    "Content-Length",
    "Expect",
    "Forwarded",
    "Host",
    "Keep-Alive",
    "Max-Forwards",
    "Proxy-Authenticate",
    "Proxy-Authentication-Info",
    "Proxy-Authorization",
    "Proxy-Connection",
    "Proxy-Status",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    "Via",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "Accept",
    "Accept-Encoding",
    "Accept-Language",
    "Accept-Ranges",
    "Authorization",
    "Cache-Control",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Range",
    "Content-Type",
    "Cookie",
    "Date",
    "ETag",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "Last-Modified",
    "Location",
    "Origin",
    "Pragma",
    "Range",
    "Referer",
    "Retry-After",
    "Sec-WebSocket-Accept",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Version",
    "Server",
    "Set-Cookie",
    "User-Agent",
    "Vary",
    "WWW-Authenticate",
};
static_assert(!names.back().empty());

constexpr std::size_t longest = 25;
constexpr std::size_t padded = 32;
constexpr std::size_t table_size = 256;

// Length, first, middle and last octet, without case: enough to tell the known names apart (the table's making proves it).
struct Hash {
    unsigned a = 0;
    unsigned b = 0;
    unsigned c = 0;
    constexpr std::size_t operator()(std::string_view name) const {
        const auto at = [&](std::size_t i) { return static_cast<unsigned>(static_cast<unsigned char>(name[i]) | 0x20U); };
        return (static_cast<unsigned>(name.size()) * a + at(0) * b + at(name.size() / 2) * c + at(name.size() - 1)) % table_size;
    }
};

consteval Hash perfect_hash() {
    for (unsigned a = 1; a < 40; ++a)
        for (unsigned b = 1; b < 40; ++b)
            for (unsigned c = 1; c < 40; ++c) {
                const Hash hash{a, b, c};
                std::array<bool, table_size> taken{};
                bool good = true;
                for (std::size_t i = 1; good && i < count; ++i) {
                    bool& slot = taken[hash(names[i])];
                    good = !slot;
                    slot = true;
                }
                if (good) return hash;
            }
    return {};
}

constexpr Hash hash = perfect_hash();
static_assert(hash.a != 0, "no perfect hash for these names");

// A name in lower case, and 0x20 where it has a letter: (octet | fold) == lower holds exactly for the two cases of a letter and for the octet itself otherwise.
struct Entry {
    std::uint8_t length = 0;
    std::array<char, padded> lower{};
    std::array<char, padded> fold{};
};

constexpr std::array<Entry, count> entries = [] {
    std::array<Entry, count> out{};
    for (std::size_t i = 1; i < count; ++i) {
        Entry& entry = out[i];
        entry.length = static_cast<std::uint8_t>(names[i].size());
        for (std::size_t j = 0; j < names[i].size(); ++j) {
            entry.lower[j] = to_lower(names[i][j]);
            entry.fold[j] = is_alpha(names[i][j]) ? 0x20 : 0;
        }
    }
    return out;
}();

// Small, so that it stays in the cache: the entries of names that do not come are not touched.
constexpr std::array<KnownField, table_size> table = [] {
    std::array<KnownField, table_size> out{};
    for (std::size_t i = 1; i < count; ++i) out[hash(names[i])] = static_cast<KnownField>(i);
    return out;
}();

template <class Word>
bool same_word(const char* name, const Entry& entry, std::size_t at) {
    Word octets;
    Word fold;
    Word lower;
    std::memcpy(&octets, name + at, sizeof octets);
    std::memcpy(&fold, entry.fold.data() + at, sizeof fold);
    std::memcpy(&lower, entry.lower.data() + at, sizeof lower);
    return static_cast<Word>(octets | fold) == lower;
}

// Words that overlap at the end, instead of octets.
bool same(std::string_view name, const Entry& entry) {
    const std::size_t size = name.size();
    if (size >= 8) {
        for (std::size_t at = 0; at + 8 < size; at += 8)
            if (!same_word<std::uint64_t>(name.data(), entry, at)) return false;
        return same_word<std::uint64_t>(name.data(), entry, size - 8);
    }
    if (size >= 4) return same_word<std::uint32_t>(name.data(), entry, 0) && same_word<std::uint32_t>(name.data(), entry, size - 4);
    return same_word<std::uint16_t>(name.data(), entry, 0) && same_word<std::uint16_t>(name.data(), entry, size - 2);
}

}  // namespace

KnownField known_field(std::string_view name) {
    if (name.size() < 2 || name.size() > longest) return KnownField::none;
    const KnownField field = table[hash(name)];
    const Entry& entry = entries[static_cast<std::size_t>(field)];
    return entry.length == name.size() && same(name, entry) ? field : KnownField::none;
}

std::string_view field_name(KnownField field) {
    return field < KnownField::count_ ? names[static_cast<std::size_t>(field)] : std::string_view{};
}

bool is_hop_by_hop(KnownField field) {
    switch (field) {
        case KnownField::connection:
        case KnownField::keep_alive:
        case KnownField::proxy_authenticate:
        case KnownField::proxy_authentication_info:
        case KnownField::proxy_authorization:
        case KnownField::proxy_connection:
        case KnownField::te:
        case KnownField::trailer:
        case KnownField::transfer_encoding:
        case KnownField::upgrade: return true;
        default: return false;
    }
}

bool is_hop_by_hop(std::string_view name) { return is_hop_by_hop(known_field(name)); }

bool may_be_trailer(std::string_view name) {
    const KnownField field = known_field(name);
    if (is_hop_by_hop(field)) return false;
    switch (field) {
        case KnownField::accept:
        case KnownField::accept_encoding:
        case KnownField::accept_language:
        case KnownField::authorization:
        case KnownField::cache_control:
        case KnownField::content_length:
        case KnownField::cookie:
        case KnownField::date:
        case KnownField::expect:
        case KnownField::forwarded:
        case KnownField::host:
        case KnownField::if_modified_since:
        case KnownField::if_none_match:
        case KnownField::if_range:
        case KnownField::location:
        case KnownField::max_forwards:
        case KnownField::origin:
        case KnownField::pragma:
        case KnownField::proxy_status:
        case KnownField::range:
        case KnownField::referer:
        case KnownField::retry_after:
        case KnownField::set_cookie:
        case KnownField::vary:
        case KnownField::via:
        case KnownField::www_authenticate:
        case KnownField::x_forwarded_for:
        case KnownField::x_forwarded_host:
        case KnownField::x_forwarded_proto: return false;
        default: break;
    }
    // Content-…, other conditions (If-…), and what authenticates.
    const auto starts_with = [&](std::string_view start) {
        return name.size() >= start.size() && equals_ignoring_case(name.substr(0, start.size()), start);
    };
    if (starts_with("Content-") || starts_with("If-") || starts_with("Sec-WebSocket-")) return false;
    for (const std::string_view other :
         {std::string_view("Age"), std::string_view("Expires"), std::string_view("Warning"), std::string_view("Authentication-Info")})
        if (equals_ignoring_case(name, other)) return false;
    return true;
}

}  // namespace sluice::http1
