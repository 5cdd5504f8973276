// SPDX-License-Identifier: Apache-2.0
// A server's replies: cuts make no difference, bounds hold, and what goes to a client is one reply that reads the same again. What a success says to
// EHLO is judged in the same way.
#include "protocols/smtp/reply.h"

#include <algorithm>
#include <cstdlib>

#include "base/text.h"
#include "protocols/smtp/extensions.h"

using namespace sluice;
using smtp::Reply;

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
    smtp::ReplyReader reader(limits);
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
        require(in.size() <= limits.smtp_reply_line + 1 && out.left.ends_with(in));
        out.left = std::string(in);
    }
    out.has_begun = reader.has_begun();
    return out;
}

bool are_same(const Reply& a, const Reply& b) { return a.code == b.code && a.lines == b.lines; }

void check_encoded(const Reply& reply) {
    const std::string text = smtp::encode(reply);
    Limits wide;
    wide.smtp_reply_line = wide.smtp_reply = text.size();
    const Outcome again = read(text, wide, text.size());
    require(again.error.empty() && again.replies.size() == 1 && again.left.empty() && !again.has_begun);
    require(again.replies.front().code == reply.code && again.replies.front().lines.size() == std::max<std::size_t>(reply.lines.size(), 1));
    require(smtp::encode(again.replies.front()) == text);
    // To a reader that takes any of CR, LF and CRLF for an end.
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = text.find_first_of("\r\n", at);
        const bool is_last = end + 2 == text.size();
        require(end != std::string::npos && text.substr(end, 2) == "\r\n" && end >= at + 4 && text.substr(at, 3) == text.substr(0, 3));
        require(text[at + 3] == (is_last ? ' ' : '-'));
        at = end + 2;
    }
}

void check(const Reply& reply, const Limits& limits) {
    require(reply.code >= 200 && reply.code <= 599 && !reply.lines.empty());
    std::size_t size = 0;
    for (const std::string& line : reply.lines) {
        require(line.size() + 3 <= limits.smtp_reply_line && line.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
        size += line.size() + 5;
        const std::string_view code = smtp::enhanced_code(line);
        require(line.starts_with(code) && code.size() <= 9);
    }
    require(size <= limits.smtp_reply);
    check_encoded(reply);
    const smtp::Extensions extensions = smtp::parse_extensions(reply);
    for (const auto* words : {&extensions.auth, &extensions.xclient, &extensions.xforward}) {
        require(words->size() <= 32);
        for (const std::string& word : *words)
            require(!word.empty() && word.size() <= 20 && word == upper(word) && std::ranges::count(*words, word) == 1);
    }
    require(std::ranges::none_of(extensions.auth, [](const std::string& word) { return word.ends_with("-PLUS"); }));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Limits limits;
    limits.smtp_reply_line = 100;
    limits.smtp_reply = 400;
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
    require(smtp::encode(550, text) == smtp::encode({.code = 550, .lines = {std::string(text)}}));
    std::vector<std::string> lines;
    for (const std::string_view line : split(text, '\n')) lines.emplace_back(line);
    check_encoded({.code = 250, .lines = std::move(lines)});
    return 0;
}
