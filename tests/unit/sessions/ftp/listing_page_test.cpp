// SPDX-License-Identifier: Apache-2.0
#include "sessions/ftp/listing_page.h"

#include <gtest/gtest.h>

namespace sluice::ftp {
namespace {

std::string row(const Entry& entry) {
    std::string out;
    append_page_entry(out, entry);
    return out;
}

TEST(ListingPage, has_a_row_for_an_entry) {
    EXPECT_EQ(row({Entry::Kind::file, "a.txt", 12, "2026-11-27 10:00"}),
              "<tr><td><a href=\"./a.txt\">a.txt</a></td><td class=\"size\">12 B</td><td class=\"time\">2026-11-27 10:00</td></tr>\n");
    EXPECT_EQ(row({Entry::Kind::directory, "sub", {}, ""}),
              "<tr><td><a href=\"./sub/\">sub/</a></td><td class=\"size\"></td><td class=\"time\"></td></tr>\n");
}

TEST(ListingPage, takes_no_name_for_markup_or_for_a_scheme) {
    const std::string out = row({Entry::Kind::file, "javascript:alert(1)\"'><script>&\xff", {}, "<i>"});
    EXPECT_NE(out.find("href=\"./javascript%3Aalert%281%29%22%27%3E%3Cscript%3E%26%FF\""), std::string::npos) << out;
    EXPECT_NE(out.find(">javascript:alert(1)&quot;&#39;&gt;&lt;script&gt;&amp;\xff<"), std::string::npos) << out;
    EXPECT_EQ(out.find("<script"), std::string::npos);
    EXPECT_EQ(out.find("<i>"), std::string::npos);
}

TEST(ListingPage, says_sizes_as_people_do) {
    const auto size = [](std::uint64_t octets) {
        const std::string out = row({Entry::Kind::file, "a", octets, ""});
        const std::size_t at = out.find("size\">") + 6;
        return out.substr(at, out.find('<', at) - at);
    };
    EXPECT_EQ(size(0), "0 B");
    EXPECT_EQ(size(1023), "1023 B");
    EXPECT_EQ(size(1024), "1.0 KiB");
    EXPECT_EQ(size(1536), "1.5 KiB");
    EXPECT_EQ(size(5ULL << 30U), "5.0 GiB");
    EXPECT_EQ(size(~std::uint64_t{0}), "16384.0 PiB");
}

TEST(ListingPage, is_whole) {
    std::string out;
    append_page_start(out, "ftp://ftp.example/<a>/", true);
    append_page_end(out, 1);
    EXPECT_TRUE(out.starts_with("<!doctype html>"));
    EXPECT_TRUE(out.ends_with("</html>\n"));
    EXPECT_NE(out.find("<title>Index of ftp://ftp.example/&lt;a&gt;/</title>"), std::string::npos);
    EXPECT_NE(out.find("href=\"../\""), std::string::npos);
    EXPECT_NE(out.find("1 entry<"), std::string::npos);
    std::string top;
    append_page_start(top, "ftp://ftp.example/", false);
    append_page_end(top, 0);
    EXPECT_EQ(top.find("href=\"../\""), std::string::npos);
    EXPECT_NE(top.find("0 entries<"), std::string::npos);
}

}  // namespace
}  // namespace sluice::ftp
