// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/binhex_decoder.h"

#include "unit/support/binhex.h"
#include "unit/support/splits.h"

#include <gtest/gtest.h>

namespace sluice::mime {
namespace {

using test::binhex;
using test::binhex_of_octets;

struct Decoded {
    std::string name;
    std::string data;
    std::string resource;
    bool is_over = false;
    bool is_broken = false;
};

Decoded decode(std::string_view text) {
    Decoded out;
    test::at_every_split(text, [&](std::span<const std::string_view> pieces) {
        BinHexDecoder decoder;
        Decoded now;
        for (const std::string_view piece : pieces) decoder.feed(piece, 1U << 20U, now.data, now.resource);
        now.name = decoder.name();
        now.is_over = decoder.is_over();
        now.is_broken = decoder.is_broken();
        if (pieces.size() > 1) {
            ASSERT_EQ(now.data, out.data);
            ASSERT_EQ(now.resource, out.resource);
            ASSERT_EQ(now.is_broken, out.is_broken);
        }
        out = now;
    });
    return out;
}

TEST(BinHexDecoder, a_file_with_both_forks) {
    const Decoded file = decode(binhex("a b.txt", "hello\x90world", "fork"));
    EXPECT_EQ(file.name, "a b.txt");
    EXPECT_EQ(file.data, "hello\x90world");
    EXPECT_EQ(file.resource, "fork");
    EXPECT_TRUE(file.is_over && !file.is_broken);
}

TEST(BinHexDecoder, forks_may_be_empty) {
    EXPECT_EQ(decode(binhex("a", "", "fork")).resource, "fork");
    EXPECT_EQ(decode(binhex("a", "data", "")).data, "data");
    EXPECT_TRUE(decode(binhex("a", "", "")).is_over);
    EXPECT_EQ(decode(binhex("", "data", "")).data, "data");
}

TEST(BinHexDecoder, runs) {
    const std::string head = std::string("\1x\0", 3) + std::string(10, '\0') + std::string("\0\0\0\xff\0\0\0\0\0\0", 10);
    EXPECT_EQ(decode(binhex_of_octets(head + "z\x90\xff")).data, std::string(255, 'z'));
    EXPECT_EQ(decode(binhex_of_octets(head + std::string("z\x90\x02\x90\0", 5) + "\x90\x03")).data, "zz\x90\x90\x90")
        << "the mark itself repeated";
    EXPECT_EQ(decode(binhex_of_octets(head + "z\x90\x01y")).data, "zy");
}

TEST(BinHexDecoder, what_ends_it) {
    const std::string whole = binhex("a", "some more octets", "");
    EXPECT_EQ(decode(whole + "behind").data, "some more octets");
    EXPECT_EQ(decode(whole.substr(0, 42)).data, std::string("some more octets").substr(0, decode(whole.substr(0, 42)).data.size()));
    EXPECT_FALSE(decode(whole.substr(0, 42)).is_over);
    std::string with_others = whole;
    for (std::size_t at = 5; at < with_others.size() - 4; at += 7) with_others.insert(at, "w\x80.7o");
    EXPECT_EQ(decode(with_others).data, "some more octets") << "what is no digit is left out";
    EXPECT_TRUE(decode("a:").is_broken);
    EXPECT_TRUE(decode("").data.empty());
}

TEST(BinHexDecoder, it_becomes_no_more_than_it_may) {
    const std::string bomb = binhex("a", std::string(100'000, 'x'), "");
    EXPECT_LT(bomb.size(), 3'000U);
    BinHexDecoder decoder;
    std::string data;
    std::string resource;
    decoder.feed(bomb, 10'000, data, resource);
    EXPECT_TRUE(decoder.is_too_large() && decoder.is_broken());
    EXPECT_LE(data.size(), 10'000U);
    BinHexDecoder larger;
    data.clear();
    larger.feed(bomb, 100'000, data, resource);
    EXPECT_EQ(data, std::string(100'000, 'x'));
}

}  // namespace
}  // namespace sluice::mime
