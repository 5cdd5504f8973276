// SPDX-License-Identifier: Apache-2.0
// Octets as wire cases write them in their outcomes.
#pragma once

#include "base/result.h"
#include "unit/support/wire.h"

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace sluice::smtp {

inline std::string shown(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        const auto octet = static_cast<unsigned char>(c);
        if (c == '\r') out += "\\r";
        else if (c == '\n') out += "\\n";
        else if (c == '\\') out += "\\\\";
        else if (octet < 0x20 || octet > 0x7e) out += fmt::format("\\x{:02x}", octet);
        else out += c;
    }
    return out + '"';
}

inline std::string shown(const Error& error) {
    return fmt::format("error {} {} {}", to_string(error.code), to_string(error.side), shown(error.what));
}

inline std::vector<test::WireCase> wire_cases(std::string_view name) {
    return test::read_wire(std::filesystem::path(SLUICE_SOURCE_DIR) / "tests/wire/smtp" / name);
}

}  // namespace sluice::smtp
