// SPDX-License-Identifier: Apache-2.0
// Heads a second: parsing with the field table, recognised names, connection options and framing, of what browsers and servers send.
// The aim is 1 GB/s (bytes_per_second).
#include "base/url.h"
#include "protocols/http1/encoder.h"
#include "protocols/http1/head_parser.h"

#include <benchmark/benchmark.h>

#include <string_view>

namespace sluice::http1 {
namespace {

constexpr std::string_view chrome_request =
    "GET http://www.example.com/assets/js/vendor.bundle.min.js?v=20240131-7f3a HTTP/1.1\r\n"
    "Host: www.example.com\r\n"
    "Proxy-Connection: keep-alive\r\n"
    "User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36\r\n"
    "Accept: "
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/"
    "signed-exchange;v=b3;q=0.7\r\n"
    "Referer: http://www.example.com/products/catalogue/index.html\r\n"
    "Accept-Encoding: gzip, deflate\r\n"
    "Accept-Language: en-US,en;q=0.9,de;q=0.8\r\n"
    "Cookie: _ga=GA1.2.1234567890.1706700000; session=3f2504e0-4f89-11d3-9a0c-0305e82c3301; theme=dark; csrftoken=Zk3vQmT8xXw1pLr0sYb7\r\n"
    "If-None-Match: \"5f3a-60f1c2b7a4d80\"\r\n"
    "If-Modified-Since: Wed, 31 Jan 2024 10:11:12 GMT\r\n"
    "Upgrade-Insecure-Requests: 1\r\n"
    "DNT: 1\r\n"
    "\r\n";

constexpr std::string_view firefox_request =
    "GET http://news.example.org/2024/01/31/a-fairly-long-headline-of-an-article.html HTTP/1.1\r\n"
    "Host: news.example.org\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:122.0) Gecko/20100101 Firefox/122.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
    "Accept-Language: en-US,en;q=0.5\r\n"
    "Accept-Encoding: gzip, deflate\r\n"
    "Connection: keep-alive\r\n"
    "Cookie: consent=1; id=9b1deb4d3b7d4bad9bdd2b0d7b3dcb6d\r\n"
    "Upgrade-Insecure-Requests: 1\r\n"
    "Pragma: no-cache\r\n"
    "Cache-Control: no-cache\r\n"
    "\r\n";

constexpr std::string_view server_response =
    "HTTP/1.1 200 OK\r\n"
    "Server: nginx/1.22.1\r\n"
    "Date: Wed, 31 Jan 2024 10:11:12 GMT\r\n"
    "Content-Type: application/javascript; charset=utf-8\r\n"
    "Content-Length: 48213\r\n"
    "Last-Modified: Tue, 30 Jan 2024 08:00:00 GMT\r\n"
    "Connection: keep-alive\r\n"
    "ETag: \"65b8adb0-bc55\"\r\n"
    "Vary: Accept-Encoding\r\n"
    "Cache-Control: public, max-age=31536000, immutable\r\n"
    "Strict-Transport-Security: max-age=63072000; includeSubDomains; preload\r\n"
    "Content-Security-Policy: default-src 'self'; script-src 'self' https://cdn.example.com; img-src * data:; style-src 'self' "
    "'unsafe-inline'\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "Accept-Ranges: bytes\r\n"
    "\r\n";

void request_head(benchmark::State& state, std::string_view text) {
    RequestParser parser{Limits{}};
    RequestHead head;
    for (auto _ : state) {
        parser.reset();
        const auto taken = parser.parse(text, head);
        if (!taken || *taken != text.size()) return state.SkipWithError("not parsed");
        benchmark::DoNotOptimize(head);
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}

void response_head(benchmark::State& state, std::string_view text) {
    ResponseParser parser{Limits{}};
    ResponseHead head;
    for (auto _ : state) {
        parser.reset();
        const auto taken = parser.parse(text, "GET", head);
        if (!taken || *taken != text.size()) return state.SkipWithError("not parsed");
        benchmark::DoNotOptimize(head);
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}

// What a session does besides: the URL, and the head written anew.
void request_forwarded(benchmark::State& state, std::string_view text) {
    RequestParser parser{Limits{}};
    RequestHead head;
    Url url;
    std::string out;
    for (auto _ : state) {
        parser.reset();
        const auto taken = parser.parse(text, head);
        if (!taken || !parse_url(head.target, url)) return state.SkipWithError("not parsed");
        out.clear();
        HeadWriter writer(out);
        writer.request_line(head.method, url.raw_target);
        for (std::size_t i = 0; i < head.fields.size(); ++i)
            if (!head.is_for_this_hop(i)) writer.field(head.fields.all()[i].name, head.fields.all()[i].value);
        writer.end();
        benchmark::DoNotOptimize(out.data());
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}

void url(benchmark::State& state, std::string_view text) {
    Url out;
    for (auto _ : state) {
        if (!parse_url(text, out)) return state.SkipWithError("not parsed");
        benchmark::DoNotOptimize(out);
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}

BENCHMARK_CAPTURE(request_head, chrome, chrome_request);
BENCHMARK_CAPTURE(request_head, firefox, firefox_request);
BENCHMARK_CAPTURE(response_head, nginx, server_response);
BENCHMARK_CAPTURE(request_forwarded, chrome, chrome_request);
BENCHMARK_CAPTURE(url, plain, std::string_view("http://www.example.com/assets/js/vendor.bundle.min.js?v=20240131-7f3a"));
BENCHMARK_CAPTURE(url, escaped, std::string_view("http://www.Example.com/a/../assets/%7Euser/b%2fc.js?q=a%20b|c"));

}  // namespace
}  // namespace sluice::http1
