// SPDX-License-Identifier: Apache-2.0
#include "inspect/signatures/content_hash.h"

#include <gtest/gtest.h>

#include <set>
#include <span>
#include <string>

#include "unit/support/splits.h"

namespace sluice::inspect {
namespace {

std::string hex(std::span<const std::uint8_t> bytes) {
    std::string out;
    for (const std::uint8_t byte : bytes)
        for (const int shift : {4, 0}) out += "0123456789abcdef"[byte >> shift & 15];
    return out;
}

std::string sha256(Sha256& hash, std::span<const std::string_view> pieces) {
    for (const std::string_view piece : pieces) hash.feed(piece);
    const auto digest = hash.finish();
    return digest ? hex(*digest) : "";
}

std::string content_hash(ContentHash& hash, std::span<const std::string_view> pieces) {
    for (const std::string_view piece : pieces) hash.feed(piece);
    const auto value = hash.finish();
    return value ? hex(*value) : "";
}

// FIPS 180-4's examples, as NIST publishes them.
TEST(Sha256, known_answers_one_after_the_other_in_one_context) {
    Sha256 hash;
    EXPECT_EQ(sha256(hash, {}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    test::at_every_split(
        "abc", [&](auto pieces) { EXPECT_EQ(sha256(hash, pieces), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"); });
    test::at_every_split("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", [&](auto pieces) {
        EXPECT_EQ(sha256(hash, pieces), "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    });
    const std::string million(1'000'000, 'a');
    const std::string_view whole = million;
    EXPECT_EQ(sha256(hash, {&whole, 1}), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

// GCM's test case 1 of McGrew and Viega: no data, key and nonce zero. The tag of the empty message is the encrypted counter alone.
TEST(ContentHash, the_known_answer_of_gcm_and_the_same_wherever_it_is_cut) {
    ContentHash hash(ContentHash::Key{});
    EXPECT_EQ(content_hash(hash, {}), "58e2fccefa7e3061367f1d57a4e7455a");
    std::set<std::string> values;
    test::at_every_split(std::string(100, 'x'), [&](auto pieces) { values.insert(content_hash(hash, pieces)); });
    EXPECT_EQ(values.size(), 1U);
}

TEST(ContentHash, length_content_and_key_all_count) {
    std::set<std::string> values;
    for (const std::uint8_t first : {std::uint8_t{0}, std::uint8_t{1}}) {
        ContentHash hash(ContentHash::Key{first});
        for (std::size_t length = 0; length < 40; ++length) {
            const std::string zeros(length, '\0');
            const std::string_view whole = zeros;
            values.insert(content_hash(hash, {&whole, 1}));
            if (length == 0) continue;
            std::string other = zeros;
            other.back() = '\1';
            const std::string_view changed = other;
            values.insert(content_hash(hash, {&changed, 1}));
        }
    }
    EXPECT_EQ(values.size(), 2U * (40 + 39));
}

TEST(ContentHash, keys_are_random) {
    const auto one = ContentHash::random_key();
    const auto two = ContentHash::random_key();
    ASSERT_TRUE(one && two);
    EXPECT_NE(*one, *two);
}

}  // namespace
}  // namespace sluice::inspect
