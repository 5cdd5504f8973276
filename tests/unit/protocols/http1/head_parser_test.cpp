// SPDX-License-Identifier: Apache-2.0
// Bounds, what depends on the request's method, and reuse; the grammar is in tests/wire/http1.
#include "protocols/http1/head_parser.h"

#include "unit/support/splits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::http1 {
namespace {

// "" when a whole head was there, else the error's `what`, or "more".
template <class Parse>
std::string feed(std::span<const std::string_view> pieces, Parse&& parse) {
    std::string buffer;
    for (const std::string_view piece : pieces) {
        buffer += piece;
        const auto taken = parse(std::string_view(buffer));
        if (!taken) return std::string(to_string(taken.error().code)) + ": " + std::string(taken.error().what);
        if (*taken) return {};
    }
    return "more";
}

void expect_request(const Limits& limits, const std::string& text, const std::string& outcome) {
    test::at_every_split(text, [&](std::span<const std::string_view> pieces) {
        RequestParser parser(limits);
        RequestHead head;
        EXPECT_EQ(feed(pieces, [&](std::string_view buffer) { return parser.parse(buffer, head); }), outcome);
    });
}

ResponseHead response_to(std::string_view method, std::string_view text) {
    ResponseParser parser{Limits{}};
    ResponseHead head;
    const auto taken = parser.parse(text, method, head);
    EXPECT_TRUE(taken && *taken == text.size()) << text;
    return head;
}

TEST(RequestParser, says_how_much_it_took) {
    const std::string text = "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    RequestParser parser{Limits{}};
    RequestHead head;
    const auto taken = parser.parse(text + "body", head);
    ASSERT_TRUE(taken && *taken);
    EXPECT_EQ(**taken, text.size());
}

TEST(RequestParser, target_has_a_bound) {
    Limits limits;
    limits.request_target = 10;
    expect_request(limits, "GET /123456789 HTTP/1.1\r\nHost: a\r\n\r\n", "");
    expect_request(limits, "GET /1234567890 HTTP/1.1\r\nHost: a\r\n\r\n", "too large: request target too long");
    // Known before the line has ended, and whatever comes after: it is not looked at.
    expect_request(limits, "GET /" + std::string(200, 'x'), "too large: request target too long");
    expect_request(limits, "GET /" + std::string(200, 'x') + "\n", "too large: request target too long");
    EXPECT_EQ(target_too_long, "request target too long");
}

TEST(RequestParser, head_has_a_bound) {
    const std::string text = "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(50, 'x') + "\r\n\r\n";
    Limits limits;
    limits.header_bytes = text.size();
    expect_request(limits, text, "");
    limits.header_bytes = text.size() - 1;
    expect_request(limits, text, "too large: head too large");
    limits.header_bytes = 40;
    expect_request(limits, text, "too large: head too large");
}

TEST(RequestParser, fields_have_a_bound) {
    Limits limits;
    limits.header_fields = 3;
    expect_request(limits, "GET / HTTP/1.1\r\nHost: a\r\nA:\r\nB:\r\n\r\n", "");
    expect_request(limits, "GET / HTTP/1.1\r\nHost: a\r\nA:\r\nB:\r\nC:\r\n\r\n", "too large: too many fields");
    expect_request(limits, "GET / HTTP/1.1\r\nHost: a\r\nConnection: a,b,c\r\n\r\n", "");
    expect_request(limits, "GET / HTTP/1.1\r\nHost: a\r\nConnection: a,b,c,d\r\n\r\n", "too large: too many connection options");
}

TEST(RequestParser, errors_are_the_client_s) {
    RequestParser parser{Limits{}};
    RequestHead head;
    const auto taken = parser.parse("\x01", head);
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().side, Side::client);
}

TEST(RequestParser, an_object_used_again_forgets) {
    RequestParser parser{Limits{}};
    RequestHead head;
    ASSERT_TRUE(parser.parse(
        "GET /a HTTP/1.1\r\nHost: a\r\nConnection: upgrade, close, x\r\nUpgrade: websocket\r\nExpect: 100-continue, tea\r\n\r\n", head));
    EXPECT_TRUE(head.upgrade_websocket && head.expects_continue && head.unknown_expectation && !head.keep_alive);
    parser.reset();
    ASSERT_TRUE(parser.parse("GET /b HTTP/1.1\r\nHost: b\r\n\r\n", head));
    EXPECT_FALSE(head.upgrade_websocket || head.expects_continue || head.unknown_expectation || head.connection.close);
    EXPECT_TRUE(head.keep_alive);
    EXPECT_EQ(head.fields.size(), 1U);
    EXPECT_FALSE(head.fields.has(KnownField::upgrade));
    EXPECT_TRUE(head.connection.names.empty());
}

TEST(RequestParser, connection_names_fields_of_this_hop) {
    RequestParser parser{Limits{}};
    RequestHead head;
    ASSERT_TRUE(parser.parse(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X-Mine, host, content-length\r\nx-mine: 1\r\nX-Other: 2\r\nTE: trailers\r\n"
        "Proxy-Authorization: basic x\r\nContent-Length: 0\r\n\r\n",
        head));
    std::vector<std::string_view> forwarded;
    for (std::size_t i = 0; i < head.fields.size(); ++i)
        if (!head.is_for_this_hop(i)) forwarded.push_back(head.fields.all()[i].name);
    // Connection may not take away what the message means (RFC 9110 7.6.1).
    EXPECT_THAT(forwarded, testing::ElementsAre("Host", "X-Other", "Content-Length"));
}

TEST(ResponseParser, the_request_decides_whether_there_is_a_body) {
    const std::string_view with_length = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    EXPECT_EQ(response_to("GET", with_length).body, (Framing{Framing::Kind::length, 5}));
    const ResponseHead to_head = response_to("HEAD", with_length);
    EXPECT_EQ(to_head.body.kind, Framing::Kind::none);
    EXPECT_EQ(to_head.content_length, 5U);
    EXPECT_TRUE(to_head.keep_alive);
    EXPECT_EQ(response_to("HEAD", "HTTP/1.1 200 OK\r\n\r\n").body.kind, Framing::Kind::none);
    // A successful CONNECT is a tunnel whatever the fields say (RFC 9112 6.3); a refused one has a body.
    EXPECT_EQ(response_to("CONNECT", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").body.kind, Framing::Kind::none);
    EXPECT_EQ(response_to("CONNECT", "HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\n").body.length, 5U);
}

TEST(ResponseParser, errors_are_the_server_s) {
    ResponseParser parser{Limits{}};
    ResponseHead head;
    const auto taken = parser.parse("HTTP/1.1 2000 OK\r\n", "GET", head);
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().side, Side::server);
}

TEST(ResponseParser, head_has_a_bound) {
    Limits limits;
    limits.header_bytes = 64;
    test::at_every_split("HTTP/1.1 200 OK\r\nX: " + std::string(60, 'x') + "\r\n\r\n", [&](std::span<const std::string_view> pieces) {
        ResponseParser parser(limits);
        ResponseHead head;
        EXPECT_EQ(feed(pieces, [&](std::string_view buffer) { return parser.parse(buffer, "GET", head); }), "too large: head too large");
    });
}

}  // namespace
}  // namespace sluice::http1
