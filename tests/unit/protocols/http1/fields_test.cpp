// SPDX-License-Identifier: Apache-2.0
#include "protocols/http1/fields.h"

#include "base/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::http1 {
namespace {

TEST(KnownField, every_name_is_recognised_in_any_case) {
    for (std::size_t i = 1; i < static_cast<std::size_t>(KnownField::count_); ++i) {
        const auto field = static_cast<KnownField>(i);
        const std::string name(field_name(field));
        ASSERT_FALSE(name.empty());
        EXPECT_EQ(known_field(name), field) << name;
        EXPECT_EQ(known_field(lower(name)), field) << name;
        std::string upper = name;
        for (char& c : upper)
            if (is_alpha(c)) c = static_cast<char>(c & ~0x20);
        EXPECT_EQ(known_field(upper), field) << upper;
        // One octet off is another name, also where only bit 5 differs ("-" and CR).
        for (std::size_t at = 0; at < name.size(); ++at)
            for (int bit = 0; bit < 8; ++bit) {
                std::string other = name;
                other[at] = static_cast<char>(static_cast<unsigned char>(other[at]) ^ (1U << bit));
                EXPECT_EQ(known_field(other) == field, equals_ignoring_case(other, name)) << other;
            }
        EXPECT_EQ(known_field(name + "x"), KnownField::none);
        EXPECT_NE(known_field(name.substr(1)), field);
    }
}

TEST(KnownField, the_table_s_order_is_the_enumeration_s) {
    EXPECT_EQ(field_name(KnownField::host), "Host");
    EXPECT_EQ(field_name(KnownField::x_forwarded_proto), "X-Forwarded-Proto");
    EXPECT_EQ(field_name(KnownField::accept), "Accept");
    EXPECT_EQ(field_name(KnownField::www_authenticate), "WWW-Authenticate");
    EXPECT_EQ(known_field(""), KnownField::none);
    EXPECT_EQ(known_field("X"), KnownField::none);
    EXPECT_EQ(known_field("X-Unheard-Of"), KnownField::none);
}

TEST(KnownField, hop_by_hop) {
    for (const std::string_view name :
         {"connection", "keep-alive", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Proxy-Authorization"})
        EXPECT_TRUE(is_hop_by_hop(name)) << name;
    for (const std::string_view name : {"Host", "Content-Length", "Via", "Authorization", "X-Unheard-Of"})
        EXPECT_FALSE(is_hop_by_hop(name)) << name;
}

TEST(KnownField, trailers_never_frame_route_or_authenticate) {
    for (const std::string_view name :
         {"Content-Length", "content-type", "Transfer-Encoding", "Host", "Authorization", "Set-Cookie", "Cookie", "Trailer", "TE",
          "Connection", "Content-Disposition", "if-match", "Expires", "X-Forwarded-For", "Sec-WebSocket-Protocol"})
        EXPECT_FALSE(may_be_trailer(name)) << name;
    for (const std::string_view name : {"ETag", "Server-Timing", "X-Checksum", "grpc-status"}) EXPECT_TRUE(may_be_trailer(name)) << name;
}

TEST(Fields, finds_counts_and_goes_through_values) {
    Fields fields;
    fields.add({"Via", "1.1 a"});
    fields.add({"X-One", "1"});
    fields.add({"via", "1.1 b"});
    fields.add({"x-one", "2"});
    fields.add({"X-Two", ""});
    EXPECT_EQ(fields.size(), 5U);
    EXPECT_EQ(fields.find(KnownField::via), "1.1 a");
    EXPECT_EQ(fields.find("VIA"), "1.1 a");
    EXPECT_EQ(fields.count(KnownField::via), 2U);
    EXPECT_EQ(fields.find("X-ONE"), "1");
    EXPECT_EQ(fields.count("x-one"), 2U);
    EXPECT_EQ(fields.find("x-two"), "");
    EXPECT_EQ(fields.find("x-three"), std::nullopt);
    EXPECT_EQ(fields.find(KnownField::host), std::nullopt);
    std::vector<std::string_view> values;
    fields.for_each("Via", [&](std::string_view value) { values.push_back(value); });
    fields.for_each("X-One", [&](std::string_view value) { values.push_back(value); });
    EXPECT_THAT(values, testing::ElementsAre("1.1 a", "1.1 b", "1", "2"));
    fields.clear();
    EXPECT_EQ(fields.size(), 0U);
    EXPECT_FALSE(fields.has(KnownField::via));
    EXPECT_EQ(fields.count("x-one"), 0U);
}

}  // namespace
}  // namespace sluice::http1
