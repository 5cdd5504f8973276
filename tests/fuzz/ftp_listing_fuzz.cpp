// SPDX-License-Identifier: Apache-2.0
// Lines of LIST and MLSD: names are within bounds and stand in the line, and an entry that is written anew in either form reads the same again.
#include "protocols/ftp/listing.h"

#include <algorithm>
#include <cstdlib>

using namespace sluice;
using namespace sluice::ftp;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

void require_same(const std::optional<Entry>& got, const Entry& entry) {
    require(got && got->kind == entry.kind && got->name == entry.name && got->size == entry.size);
}

std::string_view type_of(Entry::Kind kind) {
    switch (kind) {
        case Entry::Kind::file: return "file";
        case Entry::Kind::directory: return "dir";
        case Entry::Kind::link: return "OS.unix=slink";
        case Entry::Kind::other: return "OS.unix=chr";
    }
    return {};
}

std::string_view mode_of(Entry::Kind kind) {
    switch (kind) {
        case Entry::Kind::file: return "-rw-r--r--";
        case Entry::Kind::directory: return "drwxr-xr-x";
        case Entry::Kind::link: return "lrwxrwxrwx";
        case Entry::Kind::other: return "crw-rw-rw-";
    }
    return {};
}

void check(const std::optional<Entry>& entry, std::string_view line) {
    if (!entry) return;
    require(!entry->name.empty() && entry->name != "." && entry->name != ".." && line.find(entry->name) != std::string_view::npos);
    require(entry->name.find_first_of(std::string_view("\r\n\0/", 4)) == std::string::npos);
    require(entry->modified.size() <= 20 && std::ranges::all_of(entry->modified, [](char c) { return c >= ' ' && c < 0x7f; }));
    require(!entry->size || entry->kind == Entry::Kind::file);

    std::string facts = "type=" + std::string(type_of(entry->kind)) + ";";
    if (entry->size) facts += "size=" + std::to_string(*entry->size) + ";";
    require_same(parse_mlsd_line(facts + " " + entry->name), *entry);
    // LIST has a size always, and ends a link's name at the first arrow.
    if (entry->kind == Entry::Kind::file && !entry->size) return;
    if (entry->kind == Entry::Kind::link && (entry->name + " -> ").find(" -> ") != entry->name.size()) return;
    std::string listed = std::string(mode_of(entry->kind)) + "   1 ftp      ftp      " + std::to_string(entry->size.value_or(0)) +
                         " Nov 27 10:00 " + entry->name;
    if (entry->kind == Entry::Kind::link) listed += " -> /target";
    require_same(parse_list_line(listed), *entry);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view line(reinterpret_cast<const char*>(data), size);
    check(parse_list_line(line), line);
    check(parse_mlsd_line(line), line);
    return 0;
}
