// SPDX-License-Identifier: Apache-2.0
#include "protocols/ftp/listing.h"

#include <gtest/gtest.h>

#include "shown.h"

namespace sluice::ftp {
namespace {

std::string render(const std::optional<Entry>& entry) {
    if (!entry) return "none";
    std::string out;
    switch (entry->kind) {
        case Entry::Kind::file: out = "file"; break;
        case Entry::Kind::directory: out = "directory"; break;
        case Entry::Kind::link: out = "link"; break;
        case Entry::Kind::other: out = "other"; break;
    }
    out += " " + shown(entry->name);
    if (entry->size) out += " " + std::to_string(*entry->size);
    if (!entry->modified.empty()) out += " at " + entry->modified;
    return out;
}

// "LIST line" or "MLSD line".
TEST(FtpListing, wire_cases) {
    const auto cases = wire_cases("listing.wire");
    ASSERT_FALSE(cases.empty());
    for (const test::WireCase& wire : cases) {
        ASSERT_GE(wire.input.size(), 5U) << wire.where;
        const std::string_view line = std::string_view(wire.input).substr(5);
        EXPECT_EQ(render(wire.input.starts_with("LIST") ? parse_list_line(line) : parse_mlsd_line(line)), wire.outcome) << wire.where;
    }
}

TEST(FtpListing, no_prefix_is_read_for_another_kind_or_size) {
    const std::string unix_line = "-rw-r--r--    1 ftp      ftp          1024 Nov 27 10:00 name";
    for (std::size_t size = 0; size < unix_line.size() - 3; ++size)
        EXPECT_FALSE(parse_list_line(std::string_view(unix_line).substr(0, size))) << size;
    const std::string windows_line = "11-27-26  10:00AM                 1024 name";
    for (std::size_t size = 0; size < windows_line.size() - 3; ++size)
        EXPECT_FALSE(parse_list_line(std::string_view(windows_line).substr(0, size))) << size;
    const std::string mlsd_line = "type=file;size=1; name";
    for (std::size_t size = 0; size < mlsd_line.size() - 3; ++size)
        EXPECT_FALSE(parse_mlsd_line(std::string_view(mlsd_line).substr(0, size))) << size;
}

}  // namespace
}  // namespace sluice::ftp
