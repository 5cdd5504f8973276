// SPDX-License-Identifier: Apache-2.0
// The WHATWG's URL vectors, as far as they speak of http, https and ftp URLs without a base: what hosts mean, and paths where the two
// standards agree. Not in this repository: see tests/unit/support/corpora.h.
#include "base/url.h"
#include "unit/support/corpora.h"

#include <boost/json/src.hpp>

#include <gtest/gtest.h>

#include <fstream>
#include <iostream>
#include <sstream>

namespace sluice {
namespace {

// JSON that Boost refuses: escapes of halves of a surrogate pair, which the vectors have on purpose.
std::string without_lone_surrogates(std::string text) {
    const auto unit = [&](std::size_t at) -> unsigned {
        if (text.compare(at, 2, "\\u") != 0) return 0;
        return static_cast<unsigned>(std::stoul(text.substr(at + 2, 4), nullptr, 16));
    };
    for (std::size_t at = text.find("\\u"); at != std::string::npos; at = text.find("\\u", at + 6)) {
        const unsigned first = unit(at);
        if (first >= 0xd800 && first < 0xdc00) {
            const unsigned second = unit(at + 6);
            if (second >= 0xdc00 && second < 0xe000) at += 6;
            else text.replace(at + 2, 4, "fffd");
        } else if (first >= 0xdc00 && first < 0xe000) {
            text.replace(at + 2, 4, "fffd");
        }
    }
    return text;
}

// What the WHATWG's parser mends and Sluice refuses or keeps: none of it is in a request line of a correct client.
bool is_mended(std::string_view input) {
    for (const char c : input)
        if (static_cast<unsigned char>(c) <= ' ' || c == '\\' || c == '#' || c == 0x7f) return true;
    const std::size_t colon = input.find("://");
    return colon == std::string_view::npos || input.substr(colon + 3).starts_with('/') || input.find('@') != std::string_view::npos;
}

TEST(UrlCorpus, hosts_mean_what_browsers_take_them_for) {
    const std::filesystem::path file = test::corpus("url/urltestdata.json");
    if (file.empty()) GTEST_SKIP() << "no corpora here: set SLUICE_CORPORA";
    std::ostringstream text;
    text << std::ifstream(file).rdbuf();
    std::size_t judged = 0;
    std::size_t stricter = 0;
    for (const auto& value : boost::json::parse(without_lone_surrogates(text.str())).as_array()) {
        if (!value.is_object()) continue;
        const auto& each = value.as_object();
        const std::string input(each.at("input").as_string());
        if (!(input.starts_with("http://") || input.starts_with("https://") || input.starts_with("ftp://")) || is_mended(input)) continue;
        ++judged;
        SCOPED_TRACE(input);
        const auto url = parse_url(input);
        if (each.contains("failure")) {
            EXPECT_FALSE(url);
            continue;
        }
        if (!url) {
            // Stricter than browsers: marks that no host name has, escaped NUL, CR or LF, and names that DNS has no room for.
            ++stricter;
            std::cout << "refused here: " << input.substr(0, 60) << ": " << url.error().what << "\n";
            continue;
        }
        std::string hostname(each.at("hostname").as_string());
        if (hostname.starts_with('[')) hostname = hostname.substr(1, hostname.size() - 2);
        if (hostname.ends_with('.')) hostname.pop_back();
        // RFC 5952 writes an address with an IPv4 one in it in dots; the WHATWG does not.
        const auto theirs = IpAddress::parse(hostname);
        if (theirs) EXPECT_EQ(url->authority.address, theirs->unmapped());
        else EXPECT_EQ(url->authority.host, hostname);
        EXPECT_EQ(url->authority.port != 0 && url->port != default_port(url->scheme) ? std::to_string(url->port) : "",
                  std::string(each.at("port").as_string()));
    }
    std::cout << judged << " judged, " << stricter << " refused that browsers take\n";
    EXPECT_GT(judged, 100U);
    EXPECT_LT(stricter, judged / 10);
}

}  // namespace
}  // namespace sluice
