// SPDX-License-Identifier: Apache-2.0
// URLs: the canonical form is its own canonical form, whatever it came from; no dot segment, no control and no upper-case host stays in it.
#include "base/url.h"

#include <cstdlib>

using namespace sluice;

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

void check(const Url& url) {
    require(!url.path.empty() && url.path.front() == '/');
    require(!url.raw_target.empty() && url.raw_target.front() == '/');
    for (const std::string* part : {&url.path, &url.query, &url.raw_target})
        for (const char c : *part) require(static_cast<unsigned char>(c) > ' ' && c != 0x7f && c != '#');
    for (const char c : url.path + url.query) require(static_cast<unsigned char>(c) < 0x80);
    for (const char c : url.authority.host)
        require(static_cast<unsigned char>(c) > ' ' && static_cast<unsigned char>(c) < 0x7f && !(c >= 'A' && c <= 'Z'));
    const std::string closed = url.path + "/";
    require(closed.find("/./") == std::string::npos && closed.find("/../") == std::string::npos);
    require(url.port != 0);

    const std::string canonical = url.canonical();
    const auto again = parse_url(canonical);
    require(again.has_value());
    require(again->canonical() == canonical && again->path == url.path && again->query == url.query &&
            again->authority.host == url.authority.host);
    require(again->authority.address == url.authority.address && again->extension() == url.extension());
    // What the server gets means the same to us as what the rules saw.
    Url other = *again;
    require(set_target(other, url.raw_target).has_value() && other.canonical() == canonical);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    static Url reused;
    const auto fresh = parse_url(text);
    require(parse_url(text, reused).has_value() == fresh.has_value());
    if (fresh) {
        require(reused.canonical() == fresh->canonical());
        check(*fresh);
    }
    Url url;
    if (parse_url("http://h/", url) && set_target(url, text)) check(url);
    if (const auto host = canonical_host(text)) {
        const auto again = canonical_host(*host);
        require(again && *again == *host);
    }
    return 0;
}
