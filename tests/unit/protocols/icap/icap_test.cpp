// SPDX-License-Identifier: Apache-2.0
#include "protocols/icap/icap.h"

#include <gmock/gmock.h>

namespace sluice::icap {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

const Service service{"icap://av.test:1344/scan", "av.test:1344"};

Message a_download() {
    Message message;
    message.url = "http://files.test:80/a.exe";
    message.authority = "files.test:80";
    message.content_type = "application/x-dosexec";
    message.content_length = 12;
    return message;
}

TEST(IcapRequest, options) {
    EXPECT_EQ(options_request(service),
              "OPTIONS icap://av.test:1344/scan ICAP/1.0\r\nHost: av.test:1344\r\nUser-Agent: Sluice\r\nEncapsulated: null-body=0\r\n\r\n");
}

// Offsets are checked by cutting at them.
TEST(IcapRequest, a_download_is_a_request_and_its_response) {
    const std::string all = modification_request(service, a_download(), 4096, true);
    const std::size_t head = all.find("\r\n\r\n") + 4;
    EXPECT_THAT(all.substr(0, head), StartsWith("RESPMOD icap://av.test:1344/scan ICAP/1.0\r\n"));
    EXPECT_THAT(all.substr(0, head), HasSubstr("\r\nAllow: 204\r\nPreview: 4096\r\n"));
    const std::string request = "GET http://files.test:80/a.exe HTTP/1.1\r\nHost: files.test:80\r\n\r\n";
    const std::string response = "HTTP/1.1 200 OK\r\nContent-Type: application/x-dosexec\r\nContent-Length: 12\r\n\r\n";
    EXPECT_EQ(all.substr(head), request + response);
    EXPECT_THAT(all.substr(0, head), HasSubstr("Encapsulated: req-hdr=0, res-hdr=" + std::to_string(request.size()) +
                                               ", res-body=" + std::to_string(request.size() + response.size()) + "\r\n"));
}

TEST(IcapRequest, an_upload_is_a_request) {
    Message message = a_download();
    message.is_request = true;
    message.method = "PUT";
    const std::string all = modification_request(service, message, std::nullopt, false);
    EXPECT_THAT(all, StartsWith("REQMOD "));
    EXPECT_THAT(all, Not(HasSubstr("Preview")));
    EXPECT_THAT(all, Not(HasSubstr("Allow")));
    EXPECT_THAT(all,
                EndsWith("\r\n\r\nPUT http://files.test:80/a.exe HTTP/1.1\r\nHost: files.test:80\r\nContent-Type: application/x-dosexec\r\n"
                         "Content-Length: 12\r\n\r\n"));
    EXPECT_THAT(all, HasSubstr(", req-body="));
    message.content_length = 0;
    EXPECT_THAT(modification_request(service, message, 1024, false), HasSubstr(", null-body="));
}

TEST(IcapRequest, what_peers_chose_breaks_no_line) {
    Message message = a_download();
    message.url = "http://a/\r\nX: y\x01 z";
    message.content_type = "a/b\r\nEvil: 1";
    message.method = "G T";
    const std::string all = modification_request(service, message, std::nullopt, false);
    EXPECT_THAT(all, HasSubstr("GT http://a/X:yz HTTP/1.1\r\n"));
    EXPECT_THAT(all, HasSubstr("Content-Type: a/bEvil: 1\r\n"));
}

Result<std::optional<Response>> parse(std::string_view text, Limits limits = {}) {
    std::size_t consumed = 0;
    auto parsed = parse_response(text, limits, consumed);
    if (parsed && *parsed) EXPECT_EQ(text.substr(consumed), "rest");
    return parsed;
}

TEST(IcapResponse, of_options) {
    const auto got = parse(
        "ICAP/1.0 200 OK\r\nMethods: RESPMOD, REQMOD\r\nISTag: \"abc\"\r\nPreview: 1024\r\nAllow: 204\r\nMax-Connections: 20\r\n"
        "Options-TTL: 3600\r\nEncapsulated: null-body=0\r\n\r\nrest");
    ASSERT_TRUE(got && *got);
    const Options& options = (*got)->options;
    EXPECT_TRUE(options.has_reqmod && options.has_respmod && options.allows_204);
    EXPECT_EQ(options.preview, 1024U);
    EXPECT_EQ(options.max_connections, 20U);
    EXPECT_EQ(options.ttl_seconds, 3600U);
    EXPECT_EQ(options.istag, "\"abc\"");
    EXPECT_TRUE((*got)->keeps_connection);
    const auto odd = parse(
        "ICAP/1.0 200 OK\r\nPreview: -1\r\nMax-Connections: many\r\nOptions-TTL: 99999999999999999999\r\nConnection: close\r\n\r\nrest");
    ASSERT_TRUE(odd && *odd);
    EXPECT_FALSE((*odd)->options.preview || (*odd)->options.max_connections || (*odd)->options.ttl_seconds);
    EXPECT_FALSE((*odd)->keeps_connection);
}

TEST(IcapResponse, what_was_found) {
    const auto infection = [](std::string_view fields) {
        const auto got = parse("ICAP/1.0 200 OK\r\n" + std::string(fields) + "\r\nrest");
        return got && *got ? (*got)->infection : "?";
    };
    EXPECT_EQ(infection(""), "");
    EXPECT_EQ(infection("X-Infection-Found: Type=0; Resolution=2; Threat=Eicar-Test;\r\n"), "Eicar-Test");
    EXPECT_EQ(infection("x-infection-found: nothing one knows\r\n"), "infected");
    EXPECT_EQ(infection("X-Virus-ID: Win.Bad One\r\n"), "Win.Bad One");
    EXPECT_EQ(infection("X-Virus-ID: \r\n"), "infected");
    EXPECT_EQ(infection("X-Violations-Found: 1\r\n\t-\r\n\tOwn.Test\r\n 0\r\n"), "Own.Test");
    EXPECT_EQ(infection("X-Violations-Found: 1\r\n\ta file\r\n"), "infected");
    EXPECT_EQ(infection("X-Violations-Found: 0\r\n"), "");
    EXPECT_EQ(infection("X-Infection-Found: Type=0;\r\n Threat=Folded;\r\nX-Violations-Found: 1\r\n\t-\r\n"), "Folded");
    EXPECT_EQ(infection("X-Virus-ID: " + std::string(500, 'a') + "\r\n").size(), 128U);
}

TEST(IcapResponse, every_cut_is_a_wait_and_every_nonsense_an_error) {
    const std::string good = "ICAP/1.0 204 Unmodified\r\nISTag: \"x\"\r\n\r\n";
    for (std::size_t size = 0; size < good.size(); ++size) {
        std::size_t consumed = 0;
        const auto got = parse_response(std::string_view(good).substr(0, size), Limits{}, consumed);
        EXPECT_TRUE(got && !*got) << size;
    }
    EXPECT_EQ((*parse(good + "rest"))->status, 204);
    for (const std::string_view bad :
         {"HTTP/1.1 200 OK\r\n\r\n", "ICAP/2.0 200 OK\r\n\r\n", "ICAP/1.0 2x0 OK\r\n\r\n", "SSH-2.0", "ICAP/1.0 200 OK\r\nno field\r\n\r\n",
          "ICAP/1.0 200 OK\r\nEncapsulated: null-body=0\r\nEncapsulated: null-body=0\r\n\r\n",
          "ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=5\r\n\r\n"})
        EXPECT_FALSE(parse(bad)) << bad;
    Limits small;
    small.header_bytes = 200;
    EXPECT_FALSE(parse("ICAP/1.0 200 OK\r\nA: " + std::string(500, 'a'), small));
}

TEST(IcapOptions, what_is_wanted_whole) {
    const auto is_whole = [](std::string_view lists, std::string_view url) {
        const auto got = parse("ICAP/1.0 200 OK\r\n" + std::string(lists) + "\r\nrest");
        Message message = a_download();
        message.url = url;
        return is_wanted_whole((*got)->options, message);
    };
    EXPECT_TRUE(is_whole("Transfer-Complete: bat, EXE\r\n", "http://a/x.exe"));
    EXPECT_TRUE(is_whole("Transfer-Complete: bat\r\nTransfer-Complete: exe\r\n", "http://a/b.c/x.Exe"));
    EXPECT_TRUE(is_whole("Transfer-Complete: *\r\n", "http://a/"));
    EXPECT_FALSE(is_whole("Transfer-Complete: bat, exe\r\n", "http://a.exe/x"));
    EXPECT_FALSE(is_whole("Transfer-Complete: bat\r\nTransfer-Preview: exe\r\n", "http://a/x.exe"));
    EXPECT_FALSE(is_whole("Transfer-Ignore: exe\r\n", "http://a/x.exe"));
    EXPECT_FALSE(is_whole("Transfer-Complete: \r\n", "http://a/x"));
}

// What came back as the one that was sent.
TEST(IcapResponse, begins_alike) {
    Message message = a_download();
    const auto alike = [&](std::string_view parts, std::string_view heads) {
        return begins_alike(message, *parse_encapsulated(parts, Limits{}), heads);
    };
    EXPECT_TRUE(alike("res-hdr=0, res-body=19", "HTTP/1.1 200 OK\r\n\r\n"));
    EXPECT_TRUE(alike("res-hdr=0, res-body=16", "HTTP/1.0 200\r\n\r\n"));
    EXPECT_TRUE(alike("req-hdr=0, res-hdr=2, res-body=21", "x\nHTTP/1.1 200 OK\r\n\r\n"));
    EXPECT_FALSE(alike("res-hdr=0, res-body=26", "HTTP/1.1 403 Forbidden\r\n\r\n"));
    EXPECT_FALSE(alike("res-hdr=0, res-body=19", "HTTP/1.1 2000 O\r\n\r\n"));
    EXPECT_FALSE(alike("res-hdr=0, res-body=12", "HTTP/1.1 200"));
    EXPECT_FALSE(alike("req-hdr=0, req-body=19", "HTTP/1.1 200 OK\r\n\r\n"));
    EXPECT_FALSE(alike("res-body=0", ""));
    message.is_request = true;
    message.method = "PUT";
    EXPECT_TRUE(alike("req-hdr=0, req-body=50", "PUT http://files.test:80/a.exe HTTP/1.1\r\nVia: x\r\n\r\n"));
    EXPECT_FALSE(alike("req-hdr=0, req-body=50", "PUT http://files.test:80/blocked HTTP/1.1\r\nVia: x\r\n\r\n"));
    EXPECT_FALSE(alike("req-hdr=0, req-body=50", "GET http://files.test:80/a.exe HTTP/1.1\r\nVia: x\r\n\r\n"));
    EXPECT_FALSE(alike("req-hdr=0, req-body=50", "PUT http://files.test:80/a.exe\r\n"));
    EXPECT_FALSE(alike("res-hdr=0, res-body=19", "HTTP/1.1 200 OK\r\n\r\n"));
}

TEST(Encapsulated, says_where_parts_are) {
    const auto parts = [](std::string_view value) { return parse_encapsulated(value, Limits{}); };
    EXPECT_EQ(*parts("req-hdr=0, res-hdr=10, res-body=30"), (Encapsulated{0, 10, true, 30}));
    EXPECT_EQ(*parts("RES-HDR=0,null-body=30"), (Encapsulated{std::nullopt, 0, false, 30}));
    EXPECT_EQ(*parts("null-body=0"), (Encapsulated{std::nullopt, std::nullopt, false, 0}));
    EXPECT_EQ(*parts("req-hdr=0, req-body=30"), (Encapsulated{0, std::nullopt, true, 30}));
    for (const std::string_view bad :
         {"", "res-hdr=0", "res-hdr=1, res-body=2", "res-hdr=0, res-body=-1", "res-hdr=0, res-hdr=2, res-body=3", "res-body=0, res-hdr=3",
          "res-hdr=0, x=3, res-body=4", "res-hdr=9, res-body=3", "res-hdr=0, res-body=99999999999", "res-hdr=0, res-body", "=0"})
        EXPECT_FALSE(parts(bad)) << bad;
}

}  // namespace
}  // namespace sluice::icap
