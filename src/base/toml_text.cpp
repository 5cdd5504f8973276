// SPDX-License-Identifier: Apache-2.0
#include "base/toml_text.h"

#include <algorithm>
#include <string>

namespace sluice {
namespace {

struct Scan {
    std::string_view text;
    std::size_t at = 0;
    std::optional<std::size_t> stray{};
    bool is_broken = false;                              // a string does not end

    bool is_beyond_ascii(std::size_t i) const { return i < text.size() && static_cast<unsigned char>(text[i]) >= 0x80; }

    // From its first quote to behind its last.
    void pass_string() {
        const char quote = text[at];
        const bool many_lines = text.substr(at).starts_with(std::string(3, quote));
        const std::string end(many_lines ? 3 : 1, quote);
        for (at += end.size();; ++at) {
            if (at >= text.size() || (text[at] == '\n' && !many_lines)) {
                is_broken = true;
                return;
            }
            if (text.substr(at).starts_with(end)) break;
            if (text[at] != '\\' || quote != '"') continue;
            ++at;                                        // what is escaped
            const std::size_t next = std::min(text.find_first_not_of(" \t\r\n", at), text.size());
            if (!many_lines || next == at) continue;
            if (is_beyond_ascii(next)) {
                stray = next;
                return;
            }
            at = next - 1;
        }
        at += end.size();
        // Up to two quotes more belong to the string that three of them end.
        for (int more = 0; many_lines && more < 2 && at < text.size() && text[at] == quote; ++more) ++at;
    }
};

}  // namespace

std::optional<std::size_t> stray_character(std::string_view text) {
    Scan scan{text, text.starts_with("\xef\xbb\xbf") ? std::size_t{3} : 0};  // a byte order mark may begin it
    while (scan.at < text.size() && !scan.stray && !scan.is_broken) {
        if (scan.is_beyond_ascii(scan.at)) return scan.at;
        if (text[scan.at] == '#') scan.at = std::min(text.find('\n', scan.at), text.size());
        else if (text[scan.at] == '"' || text[scan.at] == '\'') scan.pass_string();
        else ++scan.at;
    }
    return scan.stray;
}

}  // namespace sluice
