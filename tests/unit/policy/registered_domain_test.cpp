// SPDX-License-Identifier: Apache-2.0
#include "policy/registered_domain.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::policy {
namespace {

TEST(RegisteredDomain, is_one_label_more_than_the_public_suffix) {
    EXPECT_EQ(registered_domain("www.example.com"), "example.com");
    EXPECT_EQ(registered_domain("example.com"), "example.com");
    EXPECT_EQ(registered_domain("a.b.example.co.uk"), "example.co.uk");
    EXPECT_EQ(registered_domain("co.uk"), "");
    EXPECT_EQ(registered_domain("com"), "");
}

TEST(RegisteredDomain, of_what_is_no_name_is_empty) {
    for (const std::string_view name : {"", ".", ".com", "a..com", "192.0.2.1", "2001:db8::1"})
        EXPECT_EQ(registered_domain(name), "") << name;
    EXPECT_EQ(registered_domain(std::string(300, 'a') + ".com"), "");
    EXPECT_EQ(registered_domain(std::string_view("a\0.com", 6)), "");
}

TEST(RegisteredDomain, is_a_part_of_the_name) {
    const std::string name = "www.example.com";
    const std::string_view found = registered_domain(name);
    EXPECT_EQ(found.data(), name.data() + 4);
}

}  // namespace
}  // namespace sluice::policy
