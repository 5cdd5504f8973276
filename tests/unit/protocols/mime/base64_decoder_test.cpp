// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/base64_decoder.h"

#include "unit/support/splits.h"

#include <gtest/gtest.h>

#include <array>

namespace sluice::mime {
namespace {

using Way = Base64Decoder::Way;

struct Decoded {
    std::string text;
    bool is_odd;
    bool operator==(const Decoded&) const = default;
};

Decoded decoded(std::span<const std::string_view> pieces, Way way) {
    Base64Decoder decoder(way);
    std::array<char, Base64Decoder::smallest_buffer + 3> buffer;
    Decoded out{};
    for (std::string_view in : pieces)
        while (!in.empty()) out.text += decoder.decode(in, buffer);
    out.text += decoder.finish(buffer);
    out.is_odd = decoder.is_odd();
    return out;
}

void expect(std::string_view encoded, const Decoded& wanted, Way way = Way::forgiving) {
    SCOPED_TRACE(encoded);
    test::at_every_split(encoded, [&](std::span<const std::string_view> pieces) {
        const Decoded got = decoded(pieces, way);
        ASSERT_EQ(got.text, wanted.text);
        ASSERT_EQ(got.is_odd, wanted.is_odd);
    });
}

TEST(Base64Decoder, what_is_well_formed) {
    for (const Way way : {Way::forgiving, Way::padding_ends, Way::padding_skipped, Way::strict}) {
        expect("QUJDREVG", {"ABCDEF", false}, way);
        expect("QUJD\r\nREVG\r\n\r\n", {"ABCDEF", false}, way);
        expect("", {"", false}, way);
        expect("\r\n", {"", false}, way);
        expect("Q UJ\tD", {"ABC", false}, way);
    }
    expect("QUI=", {"AB", false});
    expect("QQ==\r\n", {"A", false});
    expect("QQ=\r\n=", {"A", false});
    expect("QUI=", {"AB", false}, Way::strict);
}

TEST(Base64Decoder, what_is_not) {
    expect("QU.JD", {"ABC", true});
    expect("QU.JD", {"", true}, Way::strict);
    expect("QUJDRU.", {"ABC", true}, Way::strict);
    expect("QQ==QUJD", {"AABC", true});
    expect("QQ==QUJD", {"A", true}, Way::padding_ends);
    expect("QQ==QUJD", {"A", true}, Way::strict);
    expect("QUI=QUJD", {"ABABC", true});
    expect("QU=JD", {"A", true}, Way::padding_ends);
    expect("QU==JD", {"ABC", true}, Way::padding_skipped);
    expect("QUJD=", {"ABC", true});
    expect("QUI==", {"AB", true});
    expect("QQ=", {"A", true});
    expect("QQ", {"A", true});
    expect("QUI", {"AB", true});
    expect("Q", {"", true});
    expect("QUJDQQ", {"ABC", true}, Way::strict);
}

TEST(Base64Decoder, a_large_one) {
    std::string encoded;
    for (int i = 0; i < 1000; ++i) encoded += "QUJDREVGQUJDREVGQUJDREVGQUJDREVGQUJDREVGQUJDREVGQUJDREVGQUJDREVGQUJDREVGQUJD\r\n";
    Base64Decoder decoder;
    std::array<char, 8192> buffer;
    std::string out;
    for (std::string_view in = encoded; !in.empty();) out += decoder.decode(in, buffer);
    EXPECT_EQ(out.size(), 57'000U);
    EXPECT_TRUE(out.starts_with("ABCDEFABC") && out.ends_with("DEFABC"));
    EXPECT_FALSE(decoder.is_odd());
}

}  // namespace
}  // namespace sluice::mime
