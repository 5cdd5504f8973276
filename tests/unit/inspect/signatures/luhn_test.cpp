// SPDX-License-Identifier: Apache-2.0
#include "inspect/signatures/luhn.h"

#include <gtest/gtest.h>

namespace sluice::inspect {
namespace {

TEST(Luhn, numbers_that_are_published_as_examples) {
    EXPECT_TRUE(luhn_holds("79927398713"));              // ISO/IEC 7812-1, as everybody quotes it
    EXPECT_TRUE(luhn_holds("4111 1111 1111 1111"));
    EXPECT_TRUE(luhn_holds("3782-822463-10005"));
    EXPECT_TRUE(luhn_holds(" 18 "));
    EXPECT_FALSE(luhn_holds("79927398710"));
    EXPECT_FALSE(luhn_holds("4111 1111 1111 1112"));
    EXPECT_FALSE(luhn_holds("4111 1111 1111 111"));
}

TEST(Luhn, what_is_no_number) {
    EXPECT_FALSE(luhn_holds(""));
    EXPECT_FALSE(luhn_holds(" - "));
    EXPECT_FALSE(luhn_holds("0"));
    EXPECT_FALSE(luhn_holds("4111.1111.1111.1111"));
}

TEST(Luhn, every_single_wrong_digit_is_found) {
    const std::string right = "4111111111111111";
    for (std::size_t i = 0; i < right.size(); ++i)
        for (char digit = '0'; digit <= '9'; ++digit) {
            std::string other = right;
            other[i] = digit;
            EXPECT_EQ(luhn_holds(other), other == right) << other;
        }
}

TEST(Luhn, a_number_at_the_end_of_a_text) {
    EXPECT_TRUE(luhn_ends("card 4111 1111 1111 1111", 16, 16));
    EXPECT_TRUE(luhn_ends("card 4111 1111 1111 1111.", 16, 16));
    EXPECT_FALSE(luhn_ends("card 4111 1111 1111 1112", 16, 16));
    EXPECT_FALSE(luhn_ends("4111 1111x1111 1111", 16, 16));
    EXPECT_FALSE(luhn_ends("111 1111 1111 1111", 16, 16));
    EXPECT_FALSE(luhn_ends("", 2, 16));
}

TEST(Luhn, where_the_length_is_open_a_number_begins_where_no_digit_stands_before) {
    EXPECT_TRUE(luhn_ends("no 17 4111 1111 1111 1111", 13, 19));
    EXPECT_FALSE(luhn_ends("74111111111111111", 13, 16));
    EXPECT_TRUE(luhn_ends("74111111111111111", 16, 16));
}

}  // namespace
}  // namespace sluice::inspect
