// SPDX-License-Identifier: Apache-2.0
#include "protocols/ftp/login.h"

#include <gtest/gtest.h>

#include "shown.h"

namespace sluice::ftp {
namespace {

std::string read(std::string_view argument, bool asks_for_proxy_user = false) {
    const auto got = parse_login(argument, asks_for_proxy_user);
    if (!got) {
        EXPECT_EQ(got.error().code, Errc::malformed);
        EXPECT_EQ(got.error().side, Side::client);
        return std::string(got.error().what);
    }
    return shown(got->user) + (got->proxy_user ? " " + shown(*got->proxy_user) : "") + " " + got->server.host + " " +
           std::to_string(got->port);
}

TEST(FtpLogin, the_last_at_is_before_the_host) {
    EXPECT_EQ(read("ann@Files.Example."), "\"ann\" files.example 21");
    EXPECT_EQ(read("ann@mail.example@files.example:2121"), "\"ann@mail.example\" files.example 2121");
    EXPECT_EQ(read("ann@192.0.2.1"), "\"ann\" 192.0.2.1 21");
    EXPECT_EQ(read("ann@0x7f.1"), "\"ann\" 127.0.0.1 21");
    EXPECT_EQ(read("ann@[2001:DB8::1]:990"), "\"ann\" 2001:db8::1 990");
    EXPECT_EQ(read("ann@[2001:db8::1]"), "\"ann\" 2001:db8::1 21");
    EXPECT_EQ(read(" a b\xff @h"), "\" a b\\xff \" h 21");
    EXPECT_EQ(read("a:b@h:"), "\"a:b\" h 21");
    EXPECT_TRUE(parse_login("ann@[::ffff:10.0.0.1]", false)->server.address->is_v4());
}

TEST(FtpLogin, what_is_no_login) {
    EXPECT_EQ(read(""), no_server);
    EXPECT_EQ(read("ann"), no_server);
    EXPECT_EQ(read("@h"), "the server's user has no name");
    for (const std::string_view argument :
         {"ann@", "ann@ h", "ann@h ", "ann@h:0", "ann@h:65536", "ann@h:+21", "ann@h:21x", "ann@h:21:22", "ann@2001:db8::1", "ann@[::1",
          "ann@[::1%lo]", "ann@h/x", "ann@h%00", "ann@h%0d%0aDELE", "ann@1.2.3.4.5", "ann@h..x", "ann@[h]"}) {
        EXPECT_FALSE(parse_login(argument, false)) << argument;
        EXPECT_FALSE(parse_login(argument, true)) << argument;
        EXPECT_NE(read(argument), no_server) << argument;
    }
}

TEST(FtpLogin, a_user_of_the_proxy) {
    EXPECT_EQ(read("ann@bob@h:2121", true), "\"ann\" \"bob\" h 2121");
    EXPECT_EQ(read("ann@mail.example@bob@h", true), "\"ann@mail.example\" \"bob\" h 21");
    EXPECT_EQ(read("ann@h", true), "\"ann\" h 21");
    EXPECT_EQ(read("ann@@h", true), "the proxy's user has no name");
    EXPECT_EQ(read("@bob@h", true), "the server's user has no name");
    EXPECT_EQ(read("ann@@h"), "\"ann@\" h 21");
}

TEST(FtpLogin, passwords) {
    EXPECT_FALSE(split_password("secret"));
    EXPECT_FALSE(split_password(""));
    const auto both = split_password("a@b c@ d");
    ASSERT_TRUE(both);
    EXPECT_EQ(both->server, "a@b c");
    EXPECT_EQ(both->proxy, " d");
    const auto empty = split_password("@");
    ASSERT_TRUE(empty);
    EXPECT_EQ(empty->server + empty->proxy, "");
}

}  // namespace
}  // namespace sluice::ftp
