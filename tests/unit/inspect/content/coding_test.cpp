// SPDX-License-Identifier: Apache-2.0
#include "inspect/content/coding.h"

#include <gmock/gmock.h>

namespace sluice::inspect {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Coding, names_in_any_case) {
    EXPECT_EQ(coding_of("gzip"), Coding::gzip);
    EXPECT_EQ(coding_of("X-GZip"), Coding::gzip);
    EXPECT_EQ(coding_of("Deflate"), Coding::deflate);
    EXPECT_EQ(coding_of("BR"), Coding::br);
    EXPECT_EQ(coding_of("zstd"), Coding::zstd);
    EXPECT_EQ(coding_of("identity"), Coding::identity);
    EXPECT_EQ(coding_of("compress"), std::nullopt);
    EXPECT_EQ(coding_of(""), std::nullopt);
    for (const Coding coding : {Coding::identity, Coding::gzip, Coding::deflate, Coding::br, Coding::zstd})
        EXPECT_EQ(coding_of(to_string(coding)), coding);
}

TEST(ContentEncoding, lists) {
    const Limits limits;
    EXPECT_THAT(*parse_content_encoding("", limits), IsEmpty());
    EXPECT_THAT(*parse_content_encoding(" identity ,Identity", limits), IsEmpty());
    EXPECT_THAT(*parse_content_encoding(",, gzip\t,\t, br ,", limits), ElementsAre(Coding::gzip, Coding::br));
    EXPECT_THAT(*parse_content_encoding("gzip, gzip, identity, zstd", limits), ElementsAre(Coding::gzip, Coding::gzip, Coding::zstd));
}

TEST(ContentEncoding, what_is_not_known_is_an_error) {
    for (const std::string_view value :
         {"compress", "gzip, dcb", "gzip;q=1", "gzip br", "\"gzip\"", "\"gzip, br\"", "gzip, \"\\", "chunked", "g\xc5\xbcip"}) {
        const auto got = parse_content_encoding(value, Limits());
        ASSERT_FALSE(got) << value;
        EXPECT_EQ(got.error().code, Errc::unsupported) << value;
        EXPECT_EQ(got.error().side, Side::server) << value;
        EXPECT_EQ(got.error().what, "unknown content coding") << value;
    }
}

TEST(ContentEncoding, layers_are_bounded) {
    Limits limits;
    limits.decoded_layers = 2;
    EXPECT_TRUE(parse_content_encoding("gzip, identity, br", limits));
    const auto got = parse_content_encoding("gzip, gzip, gzip", limits);
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, Errc::too_large);
    EXPECT_EQ(got.error().what, "too many content codings");
}

}  // namespace
}  // namespace sluice::inspect
