// SPDX-License-Identifier: Apache-2.0
#include "protocols/ftp/path.h"

namespace sluice::ftp {

namespace {

// Appends the segments of `path` to `out`, which is "" for the root or ends in a name.
void append_segments(std::string& out, std::string_view path) {
    while (!path.empty()) {
        const std::size_t slash = path.find('/');
        const std::string_view segment = path.substr(0, slash);
        path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
        if (segment.empty() || segment == ".") continue;
        if (segment != "..") out.append("/").append(segment);
        else if (const std::size_t last = out.rfind('/'); last != std::string::npos) out.erase(last);
    }
}

// What is between quotes, doubled ones undone; nullopt: there are none, or no second.
std::optional<std::string> quoted_name(std::string_view text) {
    const std::size_t begin = text.find('"');
    if (begin == std::string_view::npos) return std::nullopt;
    std::string out;
    for (std::size_t i = begin + 1; i < text.size(); ++i) {
        if (text[i] == '"' && (i + 1 == text.size() || text[i + 1] != '"')) return out;
        if (text[i] == '"') ++i;
        out += text[i];
    }
    return std::nullopt;
}

}  // namespace

bool WorkingDirectory::set_from_reply(std::string_view text) {
    const auto name = quoted_name(text);
    if (!name || name->empty()) return false;
    path_ = "/";
    change(*name);
    return true;
}

std::string WorkingDirectory::resolve(std::string_view argument) const {
    std::string out;
    if (!argument.starts_with('/')) append_segments(out, path_);
    append_segments(out, argument);
    if (out.empty()) out = "/";
    return out;
}

std::string_view name_of(std::string_view path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::optional<std::string> name_from_stou(std::string_view text) {
    constexpr std::string_view mark = "FILE: ";
    std::size_t at = text.find(mark);
    while (at != std::string_view::npos && at > 0 && text[at - 1] != ' ') at = text.find(mark, at + 1);  // "PROFILE: "
    if (at == std::string_view::npos || at + mark.size() == text.size()) return std::nullopt;
    return std::string(text.substr(at + mark.size()));
}

}  // namespace sluice::ftp
