// SPDX-License-Identifier: Apache-2.0
#include "policy/lists/entry_text.h"

#include <gtest/gtest.h>

namespace sluice::policy {
namespace {

using Names = std::vector<std::string>;

// The entries of a line; what it is instead, in angle brackets.
Names read(ListType type, std::string_view line) {
    LineParser parser(type);
    switch (parser.parse(line)) {
        case LineKind::nothing: return {"<nothing>"};
        case LineKind::not_applicable: return {"<not applicable>"};
        case LineKind::bad: return {"<bad>"};
        case LineKind::entries: break;
    }
    if (type == ListType::ip) return {parser.first().to_string() + "-" + parser.last().to_string()};
    return {parser.entries().begin(), parser.entries().end()};
}
Names domains(std::string_view line) { return read(ListType::domain, line); }
const Names nothing{"<nothing>"}, not_applicable{"<not applicable>"}, bad{"<bad>"};

TEST(DomainLine, plain_names) {
    EXPECT_EQ(domains("example.com"), (Names{"example.com"}));
    EXPECT_EQ(domains("  Example.COM.\r"), (Names{"example.com"}));
    EXPECT_EQ(domains("*.example.com"), (Names{"example.com"}));
    EXPECT_EQ(domains(".example.com"), (Names{"example.com"}));
    EXPECT_EQ(domains("_dmarc.ex-ample.com # why"), (Names{"_dmarc.ex-ample.com"}));
    EXPECT_EQ(domains("example.com#why"), (Names{"example.com"}));
    EXPECT_EQ(domains("example.com ; why"), (Names{"example.com"}));
    EXPECT_EQ(domains("example.com // why"), (Names{"example.com"}));
    EXPECT_EQ(domains("zip"), (Names{"zip"}));
    EXPECT_EQ(domains("192.0.2.1"), (Names{"192.0.2.1"}));
    EXPECT_EQ(domains("bücher.example"), (Names{"xn--bcher-kva.example"}));
    EXPECT_EQ(domains("0.0.0.0.beeglivesex.com"), (Names{"0.0.0.0.beeglivesex.com"}));
}

TEST(DomainLine, comments_and_empty_lines) {
    for (const auto* line :
         {"", " \t\r", "# example.com", "! example.com", "; example.com", "// example.com", "[Adblock Plus 2.0]", "##.banner"})
        EXPECT_EQ(domains(line), nothing) << line;
}

TEST(DomainLine, junk) {
    for (const auto* line : {"exa mple.com",
                             "example..com",
                             "..example.com",
                             ".",
                             "*.",
                             "*",
                             "example.com:80",
                             "http://example.com/",
                             "example.com/path",
                             "exam*ple.com",
                             "a,b",
                             "<html>",
                             "1.2.3",
                             "1.2.3.4.5",
                             "256.1.1.1",
                             "example.com other.com",
                             "-ad-banner.$image",
                             "a\x01.com",
                             "\xff\xfe.com",
                             "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.com"})
        EXPECT_EQ(domains(line), bad) << line;
    EXPECT_EQ(domains(std::string(63, 'a') + ".com"), (Names{std::string(63, 'a') + ".com"}));
    std::string longest = "a";
    while (longest.size() < 253) longest += ".a";
    EXPECT_EQ(domains(longest), (Names{longest}));
    EXPECT_EQ(domains(longest + "a.b"), bad);
}

TEST(DomainLine, hosts_files) {
    EXPECT_EQ(domains("0.0.0.0 ads.example.com"), (Names{"ads.example.com"}));
    EXPECT_EQ(domains("127.0.0.1\tads.example.com\tTracker.example.org # both"), (Names{"ads.example.com", "tracker.example.org"}));
    EXPECT_EQ(domains("::1 ads.example.com"), (Names{"ads.example.com"}));
    EXPECT_EQ(domains("fe80::1%lo0 ads.example.com localhost"), (Names{"ads.example.com"}));
    EXPECT_EQ(domains("0.0.0.0 .. ads.example.com"), (Names{"ads.example.com"}));
    EXPECT_EQ(domains("0.0.0.0 #ads.example.com"), nothing);
    for (const auto* line : {"127.0.0.1 localhost", "127.0.0.1 localhost.localdomain", "::1 ip6-localhost ip6-loopback",
                             "fe80::1%lo0 localhost", "255.255.255.255 broadcasthost", "0.0.0.0 0.0.0.0", "0.0.0.0 255.255.255.255",
                             "127.0.0.1 local", "ff02::1 ip6-allnodes", "localhost", "broadcasthost", "0.0.0.0"})
        EXPECT_EQ(domains(line), nothing) << line;
    for (const auto* line : {"0.0.0.0 a..b", "0.0.0.0 http://x/", "300.0.0.1 example.com"}) EXPECT_EQ(domains(line), bad) << line;
}

TEST(DomainLine, filters_of_ad_blockers) {
    EXPECT_EQ(domains("||example.com^"), (Names{"example.com"}));
    EXPECT_EQ(domains("||Example.com^|"), (Names{"example.com"}));
    EXPECT_EQ(domains("||example.com"), (Names{"example.com"}));
    EXPECT_EQ(domains("||*.example.com^"), (Names{"example.com"}));
    EXPECT_EQ(domains("||example.com^$important"), (Names{"example.com"}));
    EXPECT_EQ(domains("||example.com^ # why"), (Names{"example.com"}));
    for (const auto* line :
         {"@@||example.com^", "@@example.com", "||example.com^$third-party", "||example.com/ads/*", "||ads.*^", "|https://example.com/",
          "/ad[0-9]+/", "example.com##.banner", "example.com#@#.banner", "example.com#?#div", "||example.com^$important,badfilter"})
        EXPECT_EQ(domains(line), not_applicable) << line;
    EXPECT_EQ(domains("||exam ple^"), bad);
    EXPECT_EQ(domains("||"), bad);
}

TEST(IpLine, addresses_networks_and_ranges) {
    const auto ip = [](std::string_view line) { return read(ListType::ip, line).front(); };
    EXPECT_EQ(ip("192.0.2.1"), "192.0.2.1-192.0.2.1");
    EXPECT_EQ(ip("192.0.2.77/24 ; SBL1"), "192.0.2.0-192.0.2.255");
    EXPECT_EQ(ip("192.0.2.0/24#x"), "192.0.2.0-192.0.2.255");
    EXPECT_EQ(ip("0.0.0.0/0"), "0.0.0.0-255.255.255.255");
    EXPECT_EQ(ip("192.0.2.1 - 192.0.2.9"), "192.0.2.1-192.0.2.9");
    EXPECT_EQ(ip("2001:db8::/32"), "2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff");
    EXPECT_EQ(ip("2001:DB8::1-2001:db8::ff"), "2001:db8::1-2001:db8::ff");
    EXPECT_EQ(ip("::ffff:192.0.2.1"), "192.0.2.1-192.0.2.1");
    EXPECT_EQ(ip("::ffff:192.0.2.0/120"), "192.0.2.0-192.0.2.255");
    EXPECT_EQ(ip("# 192.0.2.1"), "<nothing>");
    for (const auto* line : {"192.0.2", "192.0.2.1/33", "192.0.2.1/", "192.0.2.1/-1", "192.0.2.9-192.0.2.1", "192.0.2.1-::1", "example.com",
                             "192.0.2.1 9", "01.2.3.4", "::/129", "-"})
        EXPECT_EQ(ip(line), "<bad>") << line;
}

TEST(HashLine, hashes_alone_or_with_a_name) {
    const std::string hex = "E3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    for (const std::string& line : {hex, " " + hex + "\r", hex + "  empty.bin", hex + " *empty.bin", hex + " # empty", hex + "\tempty"}) {
        const Names got = read(ListType::sha256, line);
        ASSERT_EQ(got.size(), 1U);
        EXPECT_EQ(got[0].size(), 32U) << line;
        EXPECT_EQ(static_cast<unsigned char>(got[0][0]), 0xe3U);
    }
    for (const std::string& line :
         {hex.substr(1), hex + "0", "g" + hex.substr(1), hex + ",x", std::string("d41d8cd98f00b204e9800998ecf8427e")})
        EXPECT_EQ(read(ListType::sha256, line), bad) << line;
}

TEST(UrlLine, becomes_host_and_path) {
    const auto url = [](std::string_view line) { return read(ListType::url, line).front(); };
    EXPECT_EQ(url("example.com/a/b"), "example.com/a/b");
    EXPECT_EQ(url("https://Example.com/a/b/?q=1#f"), "example.com/a/b");
    EXPECT_EQ(url("HTTP://example.com:80/"), "example.com");
    EXPECT_EQ(url("example.com/a//"), "example.com/a");
    EXPECT_EQ(url("example.com."), "example.com");
    EXPECT_EQ(url("http://example.com:8080/x"), "example.com:8080/x");
    EXPECT_EQ(url("https://example.com:80/x"), "example.com:80/x");
    EXPECT_EQ(url("example.com:443/x # c"), "example.com/x");
    EXPECT_EQ(url("example.com/a/../%62/./c%2fd"), "example.com/b/c%2Fd");
    EXPECT_EQ(url("http://[2001:DB8::1]:8080/x"), "[2001:db8::1]:8080/x");
    EXPECT_EQ(url("http://user:pw@example.com/x"), "example.com/x");
    EXPECT_EQ(url("http://0x7f.1/x"), "127.0.0.1/x");
    EXPECT_EQ(url("# example.com"), "<nothing>");
    for (const auto* line : {"/path", "http:///x", "gopher://example.com/", "exa mple.com/a", "example.com/%00", "http://[::1/"})
        EXPECT_EQ(url(line), "<bad>") << line;
}

TEST(StringLine, is_itself) {
    EXPECT_EQ(read(ListType::string, "  Ann #1 \r"), (Names{"Ann #1"}));
    EXPECT_EQ(read(ListType::string, "# Ann"), nothing);
}

TEST(Value, is_never_a_comment) {
    EXPECT_EQ(LineParser(ListType::string).parse_value("# a"), LineKind::entries);
    EXPECT_EQ(LineParser(ListType::string).parse_value(""), LineKind::bad);
    EXPECT_EQ(LineParser(ListType::domain).parse_value("localhost"), LineKind::entries);
    EXPECT_EQ(LineParser(ListType::domain).parse_value("# a"), LineKind::bad);
    EXPECT_EQ(LineParser(ListType::domain).parse_value(""), LineKind::bad);
    EXPECT_EQ(LineParser(ListType::ip).parse_value(""), LineKind::bad);
    EXPECT_EQ(LineParser(ListType::url).parse_value(""), LineKind::bad);
    EXPECT_EQ(LineParser(ListType::sha256).parse_value(std::string(64, 'a')), LineKind::entries);
    EXPECT_EQ(LineParser(ListType::sha256).parse_value(std::string(64, 'a') + " x"), LineKind::bad);
}

}  // namespace
}  // namespace sluice::policy
