// SPDX-License-Identifier: Apache-2.0
#include "protocols/ftp/path.h"

#include <gtest/gtest.h>

namespace sluice::ftp {
namespace {

std::string resolved(std::string_view from, std::string_view argument) {
    WorkingDirectory directory;
    directory.set(from);
    return directory.resolve(argument);
}

TEST(FtpPath, is_absolute_and_has_one_spelling) {
    EXPECT_EQ(resolved("/", ""), "/");
    EXPECT_EQ(resolved("/a/b", ""), "/a/b");
    EXPECT_EQ(resolved("/a/b", "c"), "/a/b/c");
    EXPECT_EQ(resolved("/a/b", "/c"), "/c");
    EXPECT_EQ(resolved("/a/b", "//c///d/"), "/c/d");
    EXPECT_EQ(resolved("/a/b", "./../c/./"), "/a/c");
    EXPECT_EQ(resolved("/a/b", ".."), "/a");
    EXPECT_EQ(resolved("/a/b", "../.."), "/");
    EXPECT_EQ(resolved("/a/b", "../../../../etc/passwd"), "/etc/passwd");
    EXPECT_EQ(resolved("/", "/.."), "/");
    EXPECT_EQ(resolved("/", "/../a/.."), "/");
    EXPECT_EQ(resolved("/", "/"), "/");
    EXPECT_EQ(resolved("//a/./b/", "c"), "/a/b/c");
}

TEST(FtpPath, only_slashes_and_dots_mean_something) {
    EXPECT_EQ(resolved("/a", "..\\b"), "/a/..\\b");
    EXPECT_EQ(resolved("/a", "~root/x"), "/a/~root/x");
    EXPECT_EQ(resolved("/a", "~"), "/a/~");
    EXPECT_EQ(resolved("/a", "... / .b/..c"), "/a/... / .b/..c");
    EXPECT_EQ(resolved("/a", "\x01\xff%2e%2e"), "/a/\x01\xff%2e%2e");
    EXPECT_EQ(resolved("/a", ". /.. "), "/a/. /.. ");
}

TEST(FtpPath, follows_the_session) {
    WorkingDirectory directory;
    EXPECT_EQ(directory.path(), "/");
    directory.change("a//b");
    EXPECT_EQ(directory.path(), "/a/b");
    directory.up();
    EXPECT_EQ(directory.path(), "/a");
    directory.up();
    directory.up();
    EXPECT_EQ(directory.path(), "/");
}

TEST(FtpPath, of_a_257) {
    WorkingDirectory directory;
    const auto after = [&](std::string_view text) {
        directory.set("/old");
        return directory.set_from_reply(text) ? directory.path() : "no, " + directory.path();
    };
    EXPECT_EQ(after("\"/home/ann\" is the current directory"), "/home/ann");
    EXPECT_EQ(after("\"/\""), "/");
    EXPECT_EQ(after("\"/a \"\"b\"\"\" is \"current\""), "/a \"b\"");
    EXPECT_EQ(after("\"/a\"\"\""), "/a\"");
    EXPECT_EQ(after("here: \"/a/../b//c/\" (really)"), "/b/c");
    EXPECT_EQ(after("\"C:\\ftp\" is here"), "/C:\\ftp");
    EXPECT_EQ(after("\"relative\" is here"), "/relative");
    for (const std::string_view text : {"", "/home", "\"", "\"/a", "\"/a\"\"", "\"\" is here"}) EXPECT_EQ(after(text), "no, /old") << text;
}

TEST(FtpPath, names) {
    EXPECT_EQ(name_of("/"), "");
    EXPECT_EQ(name_of("/a"), "a");
    EXPECT_EQ(name_of("/a/b c"), "b c");
    EXPECT_EQ(name_of("a"), "a");
}

TEST(FtpPath, of_stou) {
    EXPECT_EQ(name_from_stou("FILE: stou.1"), "stou.1");
    EXPECT_EQ(name_from_stou("Opening connection, FILE: /a/b c.exe "), "/a/b c.exe ");
    EXPECT_EQ(name_from_stou("FILE: FILE: a"), "FILE: a");
    EXPECT_EQ(name_from_stou("PROFILE: x FILE: y"), "y");
    for (const std::string_view text : {"", "FILE: ", "FILE:a", "PROFILE: x", "Ok to send data."})
        EXPECT_FALSE(name_from_stou(text)) << text;
}

}  // namespace
}  // namespace sluice::ftp
