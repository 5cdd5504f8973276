// SPDX-License-Identifier: Apache-2.0
#include "protocols/ftp/url_path.h"

#include <gtest/gtest.h>

namespace sluice::ftp {
namespace {

using std::string_literals::operator""s;

std::string path_of(std::string_view url_path) {
    const auto parsed = parse_url_path(url_path);
    return parsed ? parsed->path + (parsed->is_directory ? " (directory)" : "") : "refused: " + std::string(parsed.error().what);
}

TEST(FtpUrlPath, begins_where_the_login_leads) {
    EXPECT_EQ(path_of("/"), " (directory)");
    EXPECT_EQ(path_of("/a"), "a");
    EXPECT_EQ(path_of("/a/"), "a (directory)");
    EXPECT_EQ(path_of("/a/b/c.txt"), "a/b/c.txt");
    EXPECT_EQ(path_of("/a//b"), "a/b");
}

TEST(FtpUrlPath, begins_at_the_root_where_it_says_so) {
    EXPECT_EQ(path_of("/%2F"), "/ (directory)");
    EXPECT_EQ(path_of("/%2Fetc/motd"), "/etc/motd");
    EXPECT_EQ(path_of("/%2F/etc/motd"), "/etc/motd");
    EXPECT_EQ(path_of("/%2fetc/"), "/etc (directory)");
}

TEST(FtpUrlPath, is_decoded_once) {
    EXPECT_EQ(path_of("/two%20words"), "two words");
    EXPECT_EQ(path_of("/%25%34%31"), "%41");
    EXPECT_EQ(path_of("/%2541"), "%41");
    EXPECT_EQ(path_of("/a%3Bb%3F%23"), "a;b?#");
    EXPECT_EQ(path_of("/%FF%C3%BC"), "\xff\xc3\xbc");
    EXPECT_EQ(path_of("/100%"), "100%");
    EXPECT_EQ(path_of("/100%2"), "100%2");
    EXPECT_EQ(path_of("/100%2x"), "100%2x");
    EXPECT_EQ(path_of("/%41%"), "A%");
}

TEST(FtpUrlPath, has_no_name_that_leads_elsewhere_than_the_rules_saw) {
    for (const std::string_view path :
         {"/..%2Fetc/passwd", "/a/..%2F..%2Fb", "/a%2Fb", "/a/%2Fb", "/%2F%2Fetc", "/%2F../etc", "/%2F%2e%2e/etc", "/.%2F", "/a/%2e%2e/b",
          "/a/.", "/..", "/a%0D%0ADELE b", "/a%0a", "/a%00b", "/%2Fa%2Fb"})
        EXPECT_EQ(path_of(path), "refused: a name in the path is none") << path;
}

TEST(FtpUrlType, stands_at_the_end) {
    const auto typed = [](std::string_view target) {
        const TypedTarget out = split_type(target);
        return std::string(out.target) + " " + (out.type == 0 ? '-' : out.type);
    };
    EXPECT_EQ(typed("/a.txt"), "/a.txt -");
    EXPECT_EQ(typed("/a.txt;type=i"), "/a.txt i");
    EXPECT_EQ(typed("/a.txt;TYPE=A"), "/a.txt a");
    EXPECT_EQ(typed("/a/;type=d"), "/a/ d");
    EXPECT_EQ(typed("/;type=d"), "/ d");
    EXPECT_EQ(typed(";type=d"), " d");
    EXPECT_EQ(typed("/a.txt;type=x"), "/a.txt;type=x -");
    EXPECT_EQ(typed("/a.txt;type="), "/a.txt;type= -");
    EXPECT_EQ(typed("/a.txt;type=ii"), "/a.txt;type=ii -");
    EXPECT_EQ(typed("/a;type=i/b"), "/a;type=i/b -");
    EXPECT_EQ(typed(""), " -");
}

TEST(FtpUserinfo, is_split_at_the_first_colon) {
    const auto login = [](std::string_view userinfo) {
        const auto parsed = parse_userinfo(userinfo);
        return parsed ? parsed->user + "|" + parsed->password : "refused"s;
    };
    EXPECT_EQ(login(""), "|");
    EXPECT_EQ(login("me"), "me|");
    EXPECT_EQ(login("me:secret"), "me|secret");
    EXPECT_EQ(login("me:a:b"), "me|a:b");
    EXPECT_EQ(login("me%40home:%3A%2F"), "me@home|:/");
    EXPECT_EQ(login("me:a%0D%0AQUIT"), "refused");
    EXPECT_EQ(login("m%0Ae:a"), "refused");
    EXPECT_EQ(login("me:%00"), "refused");
}

TEST(FtpUrlSegment, is_read_back_as_it_was) {
    std::string every;
    for (int octet = 1; octet < 256; ++octet)
        if (octet != '/' && octet != '\r' && octet != '\n') every += static_cast<char>(octet);
    std::string segment = "/";
    append_url_segment(segment, every);
    EXPECT_EQ(segment.find_first_of(" <>\"'&:?#;\\^`{|}"), std::string::npos);
    EXPECT_EQ(path_of(segment), every);
}

}  // namespace
}  // namespace sluice::ftp
