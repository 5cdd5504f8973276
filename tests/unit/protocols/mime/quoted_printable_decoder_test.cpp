// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/quoted_printable_decoder.h"

#include "unit/support/splits.h"

#include <gtest/gtest.h>

#include <array>

namespace sluice::mime {
namespace {

using Way = QuotedPrintableDecoder::Way;

void expect(std::string_view encoded, std::string_view wanted, bool is_odd, Way way = Way::forgiving) {
    SCOPED_TRACE(encoded);
    test::at_every_split(encoded, [&](std::span<const std::string_view> pieces) {
        QuotedPrintableDecoder decoder(way);
        std::array<char, QuotedPrintableDecoder::smallest_buffer + 1> buffer;
        std::string got;
        for (std::string_view in : pieces)
            while (!in.empty()) got += decoder.decode(in, buffer);
        got += decoder.finish(buffer);
        ASSERT_EQ(got, wanted);
        ASSERT_EQ(decoder.is_odd(), is_odd);
    });
}

TEST(QuotedPrintableDecoder, what_is_well_formed) {
    for (const Way way : {Way::forgiving, Way::strict}) {
        expect("a=3Db=\r\nc=C3=BC\r\n", "a=bc\xc3\xbc\r\n", false, way);
        expect("a=\nb", "ab", false, way);
        expect("=", "", false, way);
        expect("a=\r\n", "a", false, way);
        expect(std::string(400, 'x') + "=20", std::string(400, 'x') + ' ', false, way);
        expect("blanks stay  \r\n", "blanks stay  \r\n", false, way);
    }
}

TEST(QuotedPrintableDecoder, what_is_not) {
    expect("=3d", "=", true);
    expect("=3d", "=3d", true, Way::strict);
    expect("=zz =4", "=zz =4", true);
    expect("==41", "=A", true);
    expect("=4=41", "=4A", true);
    expect("a= \t\r\nb", "ab", true);
    expect("a= \r\nb", "a= \r\nb", true, Way::strict);
    expect("a=\rb", "ab", true);
    expect("a=\rb", "a=\rb", true, Way::strict);
    expect("a=  b", "a=  b", true);
    expect("=" + std::string(300, ' ') + "x", "=" + std::string(300, ' ') + "x", true);
}

}  // namespace
}  // namespace sluice::mime
