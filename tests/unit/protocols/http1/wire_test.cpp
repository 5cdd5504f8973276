// SPDX-License-Identifier: Apache-2.0
// Runs tests/wire/http1/*.wire: every case at every split.
#include "unit/support/wire.h"
#include "protocols/http1/chunked.h"
#include "protocols/http1/head_parser.h"
#include "unit/support/splits.h"

#include <gtest/gtest.h>

namespace sluice::http1 {
namespace {

using test::WireCase;

struct Outcome {
    std::string text;
    std::vector<std::string> details;
};

std::string render(const Error& error) { return "error " + std::string(to_string(error.code)) + " \"" + std::string(error.what) + '"'; }

std::string render(const Framing& body) {
    switch (body.kind) {
        case Framing::Kind::none: return "none";
        case Framing::Kind::length: return "length:" + std::to_string(body.length);
        case Framing::Kind::chunked: return "chunked";
        case Framing::Kind::until_close: return "until_close";
    }
    return "?";
}

std::vector<std::string> render(const Fields& fields) {
    std::vector<std::string> out;
    for (const NameValue& line : fields.all())
        out.push_back(std::string(line.name) + ":" + (line.value.empty() ? "" : " ") + std::string(line.value));
    return out;
}

std::string render(const RequestHead& head) {
    static constexpr std::string_view forms[] = {"origin", "absolute", "authority", "asterisk"};
    std::string out = "ok " + std::string(head.method) + " " + std::string(head.target) + " " +
                      std::string(forms[static_cast<std::size_t>(head.form)]) + " " + std::string(to_string(head.version)) + " " +
                      render(head.body);
    if (head.keep_alive) out += " keep-alive";
    if (head.expects_continue) out += " continue";
    if (head.unknown_expectation) out += " unknown-expectation";
    if (head.upgrade_websocket) out += " websocket";
    return out;
}

std::string render(const ResponseHead& head) {
    std::string out = "ok " + std::to_string(head.status) + " " + std::string(to_string(head.version)) + " " + render(head.body);
    if (head.keep_alive) out += " keep-alive";
    if (head.is_interim()) out += " interim";
    if (head.upgrade_websocket) out += " websocket";
    return out + " \"" + std::string(head.reason) + '"';
}

// The buffer moves with every piece, and the old one is gone: a view that was not moved along is found by ASan.
template <class Head, class Parse>
Outcome feed_head(std::span<const std::string_view> pieces, Parse&& parse) {
    Head head;
    std::vector<char> buffer;
    for (const std::string_view piece : pieces) {
        std::vector<char> grown(buffer);
        grown.insert(grown.end(), piece.begin(), piece.end());
        buffer = std::vector<char>(grown.begin(), grown.end());
        const auto taken = parse(std::string_view(buffer.data(), buffer.size()), head);
        if (!taken) return {render(taken.error()), {}};
        if (*taken) return {render(head), render(head.fields)};
    }
    return {"more", {}};
}

Outcome feed_request(std::span<const std::string_view> pieces) {
    RequestParser parser{Limits{}};
    return feed_head<RequestHead>(pieces, [&](std::string_view buffer, RequestHead& head) { return parser.parse(buffer, head); });
}

Outcome feed_response(std::span<const std::string_view> pieces) {
    ResponseParser parser{Limits{}};
    return feed_head<ResponseHead>(pieces, [&](std::string_view buffer, ResponseHead& head) { return parser.parse(buffer, "GET", head); });
}

Outcome feed_chunked(std::span<const std::string_view> pieces) {
    ChunkedDecoder decoder(Limits{}, Side::client);
    std::string data;
    std::string rest;
    for (const std::string_view piece : pieces) {
        std::string_view in = piece;
        for (;;) {
            const auto got = decoder.next(in);
            if (!got) return {render(got.error()), {}};
            data += got->data;
            if (got->kind != ChunkedDecoder::Piece::Kind::data) break;
        }
        rest += in;
    }
    if (!decoder.ended()) return {"more \"" + data + '"', {}};
    return {"end \"" + data + "\" rest \"" + rest + '"', render(decoder.trailers())};
}

void run(const char* file, Outcome (*feed)(std::span<const std::string_view>)) {
    const std::vector<WireCase> cases = test::read_wire(std::filesystem::path(SLUICE_SOURCE_DIR) / "tests/wire/http1" / file);
    ASSERT_FALSE(cases.empty());
    for (const WireCase& wire : cases) {
        SCOPED_TRACE(wire.where);
        test::at_every_split(wire.input, [&](std::span<const std::string_view> pieces) {
            const Outcome got = feed(pieces);
            EXPECT_EQ(got.text, wire.outcome);
            if (wire.details.empty()) return;
            std::vector<std::string> wanted;
            for (const std::string& line : wire.details) wanted.push_back(test::unescaped(line));
            EXPECT_EQ(got.details, wanted);
        });
        if (testing::Test::HasFailure()) FAIL() << "stopped at the first case that failed";
    }
}

TEST(Http1Wire, requests) { run("request.wire", feed_request); }
TEST(Http1Wire, responses) { run("response.wire", feed_response); }
TEST(Http1Wire, chunked) { run("chunked.wire", feed_chunked); }

}  // namespace
}  // namespace sluice::http1
