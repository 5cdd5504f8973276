// SPDX-License-Identifier: Apache-2.0
#include "protocols/http1/syntax.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::http1 {
namespace {

TEST(Syntax, tokens) {
    EXPECT_TRUE(is_token("!#$%&'*+-.^_`|~09azAZ"));
    EXPECT_FALSE(is_token(""));
    for (const char c : std::string_view("\"(),/:;<=>?@[\\]{} \t\r\n\x7f\x80\xff\0", 26))
        EXPECT_FALSE(is_token({&c, 1})) << static_cast<int>(c);
}

// Every octet at every place of texts around the 16 that are looked at together.
TEST(Syntax, field_values) {
    for (std::size_t size = 0; size < 40; ++size)
        for (std::size_t at = 0; at < size; ++at)
            for (int octet = 0; octet < 256; ++octet) {
                std::string text(size, 'x');
                text[at] = static_cast<char>(octet);
                const bool control = (octet < 0x20 && octet != '\t') || octet == 0x7f;
                ASSERT_EQ(is_field_value(text), !control) << size << " " << at << " " << octet;
                for (std::size_t from = 0; from <= size; from += 7)
                    ASSERT_EQ(find_control(text, from), control && from <= at ? at : size)
                        << size << " " << at << " " << octet << " " << from;
            }
}

TEST(Syntax, hosts_and_ports) {
    for (const std::string_view good :
         {"a", "a:80", "a:", "a.b-c.d_e", "jsdh.sfdg.", "[::1]", "[::1]:80", "[::ffff:1.2.3.4]", "0.0.0.0=5000", "%41"})
        EXPECT_TRUE(is_host_and_port(good)) << good;
    for (const std::string_view bad :
         {":80", "",     ".",      ".a",      "a..b",           "a:b", "a:80x", "a:-1", "a:123456", "a:1:2", "::1", "[", "[]",
          "[:]", "[::1", "[::1]x", "[::1]80", "[fe80::1%eth0]", "a/b", "a@b",   "a b",  "a\\b",     "a\x80", "a#",  "a?"})
        EXPECT_FALSE(is_host_and_port(bad)) << bad;
}

TEST(Syntax, reason_phrases) {
    EXPECT_EQ(reason_phrase(200), "OK");
    EXPECT_EQ(reason_phrase(431), "Request Header Fields Too Large");
    EXPECT_EQ(reason_phrase(299), "Unknown");
}

// What is said of a text is said of no shorter part of it in another way.
TEST(LooksLikeRequest, decides_as_early_as_it_can) {
    const auto decided_at = [](std::string_view text) {
        for (std::size_t size = 0; size <= text.size(); ++size)
            if (const Guess guess = looks_like_request(text.substr(0, size)); guess != Guess::undecided) {
                for (std::size_t more = size; more <= text.size(); ++more)
                    EXPECT_EQ(looks_like_request(text.substr(0, more)), guess) << text;
                return std::pair(guess, size);
            }
        return std::pair(Guess::undecided, text.size());
    };
    const auto yes = [&](std::string_view text, std::size_t at) { EXPECT_EQ(decided_at(text), std::pair(Guess::yes, at)) << text; };
    const auto no = [&](std::string_view text, std::size_t at) { EXPECT_EQ(decided_at(text), std::pair(Guess::no, at)) << text; };
    yes("GET / HTTP/1.1\r\n", 13);
    yes("get http://a/ HTTP/1.0\r\n", 21);
    yes("M-SEARCH * HTTP/1.1\r\n", 18);
    // What lenient servers read as a request is one for us, too: its fault is for the parser to find.
    yes("\r\nGET / HTTP/1.1\r\n", 15);
    yes("GET  /  HTTP/1.1", 15);
    no("PRI * HTTP/2.0\r\n", 12);
    no("\x16\x03\x01", 1);
    no("SSH-2.0-OpenSSH_9.2p1\r\n", 22);
    no("EHLO mail.example\r\n", 18);

    no("GET /\tHTTP/1.1", 6);
    no(" GET / HTTP/1.1", 1);
    no("GET / SIP/2.0", 7);
    no(std::string(40, 'A'), 33);
    EXPECT_EQ(looks_like_request(""), Guess::undecided);
    EXPECT_EQ(looks_like_request("GET /x"), Guess::undecided);
}

}  // namespace
}  // namespace sluice::http1
