// SPDX-License-Identifier: Apache-2.0
// A server's replies: cuts make no difference, bounds hold, and what goes to a client is one reply to every reader, and reads the same again. What is
// left of a FEAT's answer is judged in the same way.
#include "protocols/ftp/reply.h"

#include <algorithm>
#include <cstdlib>

#include "base/text.h"
#include "protocols/ftp/features.h"

using namespace sluice;
using ftp::Reply;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

struct Outcome {
    std::vector<Reply> replies;
    std::string left;
    bool has_begun = false;
    std::string_view error;
};

Outcome read(std::string_view text, const Limits& limits, std::size_t step) {
    ftp::ReplyReader reader(limits);
    Outcome out;
    for (std::size_t at = 0; at < text.size(); at += step) {
        out.left += text.substr(at, step);
        std::string_view in = out.left;
        for (;;) {
            auto reply = reader.next(in);
            if (!reply) {
                require(reply.error().side == Side::server && !reply.error().what.empty());
                out.error = reply.error().what;
                out.left.clear();
                return out;
            }
            if (!*reply) break;
            require(!reader.has_begun());
            out.replies.push_back(**std::move(reply));
        }
        require(in.size() <= limits.ftp_line + 1 && out.left.ends_with(in));
        out.left = std::string(in);
    }
    out.has_begun = reader.has_begun();
    return out;
}

bool are_same(const Reply& a, const Reply& b) { return a.code == b.code && a.lines == b.lines; }

// What curl takes for the end of a reply, and what Python's ftplib does.
bool ends_for_curl(std::string_view line) { return line.size() > 3 && std::ranges::all_of(line.substr(0, 3), is_digit) && line[3] == ' '; }
bool ends_for_ftplib(std::string_view line, std::string_view code) { return line.substr(0, 3) == code && line.substr(3, 1) != "-"; }

void check_encoded(const Reply& reply) {
    const std::string text = ftp::encode(reply);
    require(text.ends_with("\r\n"));
    std::string_view rest = text;
    const std::string_view code = rest.substr(0, 3);
    while (!rest.empty()) {
        const std::size_t end = rest.find("\r\n");
        const std::string_view line = rest.substr(0, end);
        require(line.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos);
        rest.remove_prefix(end + 2);
        require(ends_for_curl(line) == rest.empty() && ends_for_ftplib(line, code) == rest.empty());
    }
    Limits wide;
    wide.ftp_line *= 4;
    wide.ftp_reply *= 4;
    const Outcome again = read(text, wide, text.size());
    require(again.error.empty() && again.replies.size() == 1 && again.left.empty() && !again.has_begun);
    require(again.replies.front().code == reply.code && again.replies.front().lines.size() == std::max<std::size_t>(reply.lines.size(), 1));
    require(ftp::encode(again.replies.front()) == text);
}

void check(const Reply& reply, const Limits& limits) {
    require(reply.code >= 100 && reply.code <= 599 && !reply.lines.empty());
    std::size_t size = 0;
    for (const std::string& line : reply.lines) {
        require(line.size() <= limits.ftp_line && line.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
        size += line.size() + 2;
    }
    require(size <= limits.ftp_reply);
    check_encoded(reply);
    const Reply features = ftp::features_for_client(&reply, {.has_tls = true, .has_host = true});
    check_encoded(features);
    require(ftp::has_feature(features, "AUTH TLS") && !ftp::has_feature(features, "PRET"));
    require(ftp::has_feature(reply, "SIZE") == ftp::has_feature(features, "SIZE"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Limits limits;
    limits.ftp_line = 100;
    limits.ftp_reply = 400;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const Outcome whole = read(text, limits, std::max<std::size_t>(size, 1));
    for (const std::size_t step : {std::size_t{1}, std::size_t{7}, size % 97 + 1}) {
        const Outcome cut = read(text, limits, step);
        require(std::ranges::equal(cut.replies, whole.replies, are_same) && cut.left == whole.left);
        require(cut.has_begun == whole.has_begun && cut.error == whole.error);
    }
    for (const Reply& reply : whole.replies) check(reply, limits);
    // A peer's octets in our own words, as they come.
    check_encoded({.code = 550, .lines = {std::string(text)}});
    std::vector<std::string> lines;
    for (const std::string_view line : split(text, '\n')) lines.emplace_back(line);
    check_encoded({.code = 211, .lines = std::move(lines)});
    return 0;
}
