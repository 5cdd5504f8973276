// SPDX-License-Identifier: Apache-2.0
// Directory listings, for pages that show them: MLSD (RFC 3659 7) and what LIST looks like on Unix and Windows servers. No rule is decided by it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::ftp {

struct Entry {
    enum class Kind : std::uint8_t { file, directory, link, other };
    Kind kind = Kind::other;
    std::string name;  // octets; may hold anything but CR, LF, NUL and "/"; of a link without where it leads
    std::optional<std::uint64_t> size;  // octets; of files alone
    std::string modified;  // as shown: "2026-11-27 10:00", or what the server wrote; ASCII; empty: not known
};

// One line without its CRLF. nullopt: no entry ("total 12", the directory itself and the one above, faults).
std::optional<Entry> parse_mlsd_line(std::string_view line);
std::optional<Entry> parse_list_line(std::string_view line);

}  // namespace sluice::ftp
