// SPDX-License-Identifier: Apache-2.0
#include "base/url.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

std::string canonical(std::string_view text) {
    const auto url = parse_url(text);
    return url ? url->canonical() : "refused: " + std::string(url.error().what);
}

std::string host(std::string_view text) {
    const auto authority = parse_authority(text, false);
    return authority ? authority->host : "refused";
}

TEST(Url, parts) {
    const auto url = parse_url("HTTP://User:Pw@Example.COM:8080/a/b.TXT?q=1&r");
    ASSERT_TRUE(url);
    EXPECT_EQ(url->scheme, "http");
    EXPECT_EQ(url->authority.host, "example.com");
    EXPECT_EQ(url->authority.userinfo, "User:Pw");
    EXPECT_EQ(url->authority.port, 8080);
    EXPECT_EQ(url->port, 8080);
    EXPECT_EQ(url->path, "/a/b.TXT");
    EXPECT_EQ(url->query, "q=1&r");
    EXPECT_TRUE(url->has_query);
    EXPECT_EQ(url->raw_target, "/a/b.TXT?q=1&r");
    EXPECT_EQ(url->extension(), "txt");
    EXPECT_EQ(url->canonical(), "http://example.com:8080/a/b.TXT?q=1&r");
}

TEST(Url, ports) {
    EXPECT_EQ(parse_url("http://a/")->port, 80);
    EXPECT_EQ(parse_url("https://a/")->port, 443);
    EXPECT_EQ(parse_url("ftp://a/")->port, 21);
    EXPECT_EQ(parse_url("http://a:/")->port, 80);
    EXPECT_EQ(canonical("http://a:80/"), "http://a/");
    EXPECT_EQ(canonical("https://a:80/"), "https://a:80/");
    EXPECT_EQ(canonical("http://a:00080/"), "http://a/");
    for (const std::string_view bad :
         {"http://a:0/", "http://a:65536/", "http://a:8x/", "http://a:80:80/", "http://a::80/", "http://a:-1/", "http://a:+80/"})
        EXPECT_FALSE(parse_url(bad)) << bad;
    EXPECT_EQ(default_port("https"), 443);
    EXPECT_EQ(default_port("gopher"), 0);
}

TEST(Url, empty_path_and_query) {
    EXPECT_EQ(parse_url("http://a")->raw_target, "/");
    EXPECT_EQ(parse_url("http://a")->path, "/");
    EXPECT_EQ(parse_url("http://a?x")->raw_target, "/?x");
    EXPECT_EQ(canonical("http://a?x"), "http://a/?x");
    EXPECT_EQ(canonical("http://a/?"), "http://a/?");
    EXPECT_EQ(canonical("http://a/"), "http://a/");
    EXPECT_EQ(canonical("http://a?x/../y"), "http://a/?x/../y");      // a query has no segments
    EXPECT_EQ(canonical("http://a/b?c?d=/e"), "http://a/b?c?d=/e");
}

TEST(Url, dot_segments) {
    for (const auto& [from, to] : std::initializer_list<std::pair<std::string_view, std::string_view>>{{"/.", "/"},
                                                                                                       {"/..", "/"},
                                                                                                       {"/./", "/"},
                                                                                                       {"/../", "/"},
                                                                                                       {"/a/.", "/a/"},
                                                                                                       {"/a/..", "/"},
                                                                                                       {"/a/../", "/"},
                                                                                                       {"/a/./b", "/a/b"},
                                                                                                       {"/a/../b", "/b"},
                                                                                                       {"/a/b/../../c", "/c"},
                                                                                                       {"/../../a", "/a"},
                                                                                                       {"/a/b/c/./../../g", "/a/g"},
                                                                                                       {"/...", "/..."},
                                                                                                       {"/.a", "/.a"},
                                                                                                       {"/a.", "/a."},
                                                                                                       {"/a..b", "/a..b"},
                                                                                                       {"//", "//"},
                                                                                                       {"/a//b", "/a//b"},
                                                                                                       {"/a//../b", "/a/b"},
                                                                                                       {"//..", "/"},
                                                                                                       {"/%2e", "/"},
                                                                                                       {"/a/%2E%2e/b", "/b"},
                                                                                                       {"/a/.%2e", "/"},
                                                                                                       {"/%2e%2e%2fa", "/..%2Fa"},
                                                                                                       {"/a/..;/b", "/a/..;/b"},
                                                                                                       {"/./.././a/./", "/a/"}}) {
        Url url = *parse_url("http://h/");
        ASSERT_TRUE(set_target(url, from)) << from;
        EXPECT_EQ(url.path, to) << from;
        EXPECT_EQ(url.raw_target, from);
    }
}

TEST(Url, escapes) {
    EXPECT_EQ(canonical("http://a/%7euser/%41%2d%5f%2e?%61=%3d%20"), "http://a/~user/A-_.?a=%3D%20");
    EXPECT_EQ(canonical("http://a/a%2fb"), "http://a/a%2Fb");
    EXPECT_EQ(canonical("http://a/100%"), "http://a/100%25");
    EXPECT_EQ(canonical("http://a/%zz%4"), "http://a/%25zz%254");
    EXPECT_EQ(canonical("http://a/%%41"), "http://a/%25A");
    EXPECT_EQ(canonical("http://a/%252e%252e/"), "http://a/%252e%252e/");          // decoded once
    EXPECT_EQ(canonical("http://a/\\..\\b"), "http://a/%5C..%5Cb");
    EXPECT_EQ(canonical("http://a/\"<>^`{|}[]?\"<>^`{|}[]"), "http://a/%22%3C%3E%5E%60%7B%7C%7D%5B%5D?%22%3C%3E%5E%60%7B%7C%7D%5B%5D");
    EXPECT_EQ(canonical("http://a/\xce\xb4"), "http://a/%CE%B4");
    EXPECT_EQ(parse_url("http://a/%7e|?%7e|")->raw_target, "/%7e|?%7e|");
}

TEST(Url, refused) {
    for (const std::string_view bad : {"",
                                       "/",
                                       "a",
                                       "http",
                                       "http:",
                                       "http:/a",
                                       "http:a",
                                       "http://",
                                       "http:///a",
                                       "http://?a",
                                       "http://:80/",
                                       "gopher://a/",
                                       "mailto:a@b",
                                       "//a/",
                                       " http://a/",
                                       "http://a/ b",
                                       "http://a/\t",
                                       "http://a/b\x7f",
                                       "http://a/b\n",
                                       "http://a/#f",
                                       "http://a#f",
                                       "http://a/%00",
                                       "http://a/?%0d",
                                       "http://a/x%0Ay",
                                       "http://a\\b/",
                                       "http://a@b@c/",
                                       "http://a b@c/",
                                       "http://good\\@evil/"})
        EXPECT_FALSE(parse_url(bad)) << bad;
    EXPECT_EQ(parse_url("http://a/\1").error().code, Errc::malformed);
    EXPECT_EQ(parse_url("http://a/\1").error().side, Side::client);
    Url url;
    EXPECT_FALSE(set_target(url, ""));
    EXPECT_FALSE(set_target(url, "*"));
    EXPECT_FALSE(set_target(url, "?a"));
    EXPECT_FALSE(set_target(url, std::string_view("/a\0b", 4)));
}

TEST(Url, extensions) {
    const auto extension = [](std::string_view path) {
        Url url = *parse_url("http://h/");
        EXPECT_TRUE(set_target(url, path));
        return std::string(url.extension());
    };
    EXPECT_EQ(extension("/a/setup.EXE?x.y"), "exe");
    EXPECT_EQ(extension("/a/setup.e%58e"), "exe");
    EXPECT_EQ(extension("/a.tar.gz"), "gz");
    EXPECT_EQ(extension("/a.b/c"), "");
    EXPECT_EQ(extension("/a."), "");
    EXPECT_EQ(extension("/"), "");
    EXPECT_EQ(extension("/x/../a.js/."), "");
}

TEST(Url, an_object_used_again_forgets) {
    Url url;
    ASSERT_TRUE(parse_url("https://u:p@[2001:db8::1]:8443/a/%41.x?q", url));
    ASSERT_TRUE(parse_url("http://b", url));
    EXPECT_EQ(url.canonical(), "http://b/");
    EXPECT_EQ(url.port, 80);
    EXPECT_FALSE(url.authority.is_ip_literal || url.authority.address || url.has_query);
    EXPECT_EQ(url.authority.userinfo + url.query + std::string(url.extension()), "");
    ASSERT_TRUE(set_target(url, "/c?d"));
    EXPECT_EQ(url.canonical(), "http://b/c?d");
}

TEST(Authority, names) {
    EXPECT_EQ(host("Example.COM."), "example.com");
    EXPECT_EQ(host("ex%41mple.com"), "example.com");
    EXPECT_EQ(host("a_b-c.d"), "a_b-c.d");
    EXPECT_EQ(host("xn--bcher-kva.example"), "xn--bcher-kva.example");
    EXPECT_EQ(host("B\xc3\xbc"
                   "cher.example"),
              "xn--bcher-kva.example");
    EXPECT_EQ(host("b%C3%BCcher.example"), "xn--bcher-kva.example");
    EXPECT_EQ(host("stra\xc3\x9f"
                   "e.example"),
              "xn--strae-oqa.example");                                            // non-transitional
    EXPECT_EQ(host("a\xe3\x80\x82"
                   "b"),
              "a.b");                                                              // ideographic full stop
    for (const std::string_view bad : {"",    ".",     "..",    "a..b",  ".a",    "a..", ":80", "a b", "a/b", "a@b",  "a\\b", "a%",
                                       "a%2", "a%2fb", "a%00b", "a%20b", "a\x7f", "a<b", "a|b", "a^b", "a`b", "\xff", "a#b"})
        EXPECT_EQ(host(bad), "refused") << bad;
    const std::string label(63, 'a');
    EXPECT_EQ(host(label), label);
    EXPECT_EQ(host(label + "a"), "refused");
    const std::string longest = label + "." + label + "." + label + "." + label.substr(0, 61);
    EXPECT_EQ(host(longest), longest);
    EXPECT_EQ(host(longest + "a"), "refused");
}

// Whatever form an address comes in, rules see one.
TEST(Authority, ipv4_in_every_notation) {
    for (const std::string_view text :
         {"127.0.0.1", "127.0.0.1.", "127.1", "127.0.1", "0177.0.0.1", "0x7f.0.0.1", "0x7f.1", "0X7F.1", "2130706433", "017700000001",
          "0x7f000001", "%3127.0.0.1", "127%2e0.0.1", "\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1",
          "127\xe3\x80\x82"
          "1"}) {
        const auto authority = parse_authority(text, false);
        ASSERT_TRUE(authority) << text;
        EXPECT_EQ(authority->host, "127.0.0.1") << text;
        EXPECT_EQ(authority->address, IpAddress::v4(0x7f000001)) << text;
        EXPECT_FALSE(authority->is_ip_literal);
    }
    EXPECT_EQ(host("0"), "0.0.0.0");
    EXPECT_EQ(host("0x"), "0.0.0.0");
    EXPECT_EQ(host("1.2.3.0xff"), "1.2.3.255");
    EXPECT_EQ(host("1.65535"), "1.0.255.255");
    // What ends in a number is an address or nothing (WHATWG URL 3.5).
    for (const std::string_view bad :
         {"256.0.0.1", "1.2.3.4.5", "1.2.3.08", "4294967296", "0x100000000", "a.1", "a.0x1", "1..2", "1.2.3.256", "1.2.65536", "0xg.1"})
        EXPECT_EQ(host(bad), "refused") << bad;
    for (const std::string_view name : {"1.a", "0xg", "1a", "a1", "1-2", "1.2.3.4a", "0x1g"}) {
        EXPECT_EQ(host(name), name);
        EXPECT_FALSE(parse_authority(name, false)->address);
    }
}

TEST(Authority, ipv6) {
    const auto authority = parse_authority("[2001:DB8:0::1]:8080", false);
    ASSERT_TRUE(authority);
    EXPECT_EQ(authority->host, "2001:db8::1");
    EXPECT_TRUE(authority->is_ip_literal);
    EXPECT_EQ(authority->port, 8080);
    std::string written;
    authority->append_to(written, authority->port);
    EXPECT_EQ(written, "[2001:db8::1]:8080");
    // An IPv4 address in disguise.
    const auto mapped = parse_authority("[::ffff:127.0.0.1]", false);
    ASSERT_TRUE(mapped);
    EXPECT_EQ(mapped->host, "127.0.0.1");
    EXPECT_FALSE(mapped->is_ip_literal);
    EXPECT_EQ(mapped->address, IpAddress::v4(0x7f000001));
    for (const std::string_view bad : {"[]", "[", "[::1", "[::1]x", "[::1]80", "[::1]:80x", "[127.0.0.1]", "[v1.a]", "[fe80::1%eth0]",
                                       "[::g]", "::1", "[1:2:3:4:5:6:7:8:9]", "[4712::abcd::]"})
        EXPECT_EQ(host(bad), "refused") << bad;
}

TEST(Authority, userinfo_only_where_it_may_be) {
    EXPECT_FALSE(parse_authority("u@a", false));
    const auto authority = parse_authority("u:p%40@a:1", true);
    ASSERT_TRUE(authority);
    EXPECT_EQ(authority->userinfo, "u:p%40");
    EXPECT_EQ(authority->host, "a");
    EXPECT_EQ(authority->port, 1);
    std::string written;
    authority->append_to(written, 0);
    EXPECT_EQ(written, "a");
}

TEST(Authority, canonical_hosts) {
    EXPECT_EQ(*canonical_host("EXAMPLE.com."), "example.com");
    EXPECT_EQ(*canonical_host("2001:DB8::1"), "2001:db8::1");
    EXPECT_EQ(*canonical_host("[2001:DB8::1]"), "2001:db8::1");
    EXPECT_EQ(*canonical_host("0x7f.1"), "127.0.0.1");
    EXPECT_FALSE(canonical_host("a:80"));
    EXPECT_FALSE(canonical_host("u@a"));
    EXPECT_FALSE(canonical_host(""));
}

}  // namespace
}  // namespace sluice
