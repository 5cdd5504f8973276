// SPDX-License-Identifier: Apache-2.0
#include "protocols/http1/encoder.h"

#include "protocols/http1/chunked.h"

#include <gtest/gtest.h>

namespace sluice::http1 {
namespace {

TEST(HeadWriter, writes_a_request) {
    std::string out = "kept ";
    HeadWriter writer(out);
    writer.request_line("GET", "/a?b");
    writer.field("Host", "example.com");
    writer.field("Content-Length", std::uint64_t{9223372036854775807U});
    writer.end();
    EXPECT_EQ(out, "kept GET /a?b HTTP/1.1\r\nHost: example.com\r\nContent-Length: 9223372036854775807\r\n\r\n");
}

TEST(HeadWriter, writes_a_response) {
    std::string out;
    HeadWriter writer(out);
    writer.status_line(407);
    writer.status_line(200, "");
    writer.status_line(599, "Odd", Version::http_1_0);
    EXPECT_EQ(out, "HTTP/1.1 407 Proxy Authentication Required\r\nHTTP/1.1 200 \r\nHTTP/1.0 599 Odd\r\n");
}

TEST(Chunks, prefixes) {
    const auto prefix = [](std::uint64_t size) {
        ChunkPrefix out;
        return std::string(out, chunk_prefix(size, out));
    };
    EXPECT_EQ(prefix(1), "1\r\n");
    EXPECT_EQ(prefix(16384), "4000\r\n");
    EXPECT_EQ(prefix(~std::uint64_t{0}), "ffffffffffffffff\r\n");
}

TEST(Chunks, last_one_drops_what_may_not_be_a_trailer) {
    std::string out;
    const NameValue trailers[] = {{"X-Sum", "1"}, {"Content-Length", "5"}, {"Host", "evil"}};
    write_last_chunk(out, trailers);
    EXPECT_EQ(out, "0\r\nX-Sum: 1\r\n\r\n");
    out.clear();
    write_last_chunk(out, {});
    EXPECT_EQ(out, "0\r\n\r\n");
}

TEST(ChunkedDecoder, bounds) {
    Limits limits;
    limits.chunk_line = 8;
    limits.trailer_bytes = 12;
    limits.header_fields = 2;
    const auto outcome = [&](std::string_view in) -> std::string_view {
        ChunkedDecoder decoder(limits, Side::server);
        for (;;) {
            const auto piece = decoder.next(in);
            if (!piece) {
                EXPECT_EQ(piece.error().side, Side::server);
                return piece.error().what;
            }
            if (piece->kind != ChunkedDecoder::Piece::Kind::data) return decoder.ended() ? "end" : "more";
        }
    };
    EXPECT_EQ(outcome("000001\r\n0\r\n0\r\n\r\n"), "end");
    EXPECT_EQ(outcome("0000001\r\n0\r\n0\r\n\r\n"), "chunk size line too long");
    EXPECT_EQ(outcome("1;a=\"bcdefgh"), "chunk size line too long");
    EXPECT_EQ(outcome("0\r\nA:1\r\nB:2\r\n\r\n"), "end");
    EXPECT_EQ(outcome("0\r\nA:1\r\nB:23\r\n\r\n"), "trailer section too large");
    EXPECT_EQ(outcome("0\r\na:\r\nb:\r\nc:\r\n\r\n"), "trailer section too large");
    limits.trailer_bytes = 100;
    EXPECT_EQ(outcome("0\r\na:\r\nb:\r\nc:\r\n\r\n"), "too many fields");
}

TEST(ChunkedDecoder, used_again) {
    ChunkedDecoder decoder(Limits{}, Side::client);
    for (int round = 0; round < 2; ++round) {
        std::string_view in = "1\r\na\r\n0\r\nX: y\r\n\r\nrest";
        ASSERT_EQ(decoder.next(in)->data, "a");
        ASSERT_EQ(decoder.next(in)->kind, ChunkedDecoder::Piece::Kind::end);
        EXPECT_EQ(in, "rest");
        EXPECT_EQ(decoder.trailers().find("x"), "y");
        EXPECT_EQ(decoder.next(in)->kind, ChunkedDecoder::Piece::Kind::end);  // and nothing more is taken
        EXPECT_EQ(in, "rest");
        decoder.reset();
        EXPECT_FALSE(decoder.ended());
        EXPECT_EQ(decoder.trailers().size(), 0U);
    }
}

}  // namespace
}  // namespace sluice::http1
