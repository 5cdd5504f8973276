// SPDX-License-Identifier: Apache-2.0
#include "protocols/smtp/content.h"

#include <algorithm>

#include "base/text.h"

namespace sluice::smtp {

namespace {

constexpr std::string_view line_end = "\r\n";

// The first CR, LF or NUL, or text.size(). In blocks without a branch inside, which the compiler makes vectors of.
std::size_t find_special(std::string_view text, std::size_t from) {
    constexpr std::size_t block = 64;
    const auto is_special = [](char c) { return c == '\r' || c == '\n' || c == '\0'; };
    for (; from + block <= text.size(); from += block) {
        unsigned char found = 0;
        for (std::size_t i = 0; i < block; ++i) {
            const auto c = static_cast<unsigned char>(text[from + i]);
            found |= static_cast<unsigned char>(c == '\r') | static_cast<unsigned char>(c == '\n') | static_cast<unsigned char>(c == 0);
        }
        if (found != 0) break;
    }
    const auto rest = text.substr(from);
    return from + static_cast<std::size_t>(std::ranges::find_if(rest, is_special) - rest.begin());
}

}  // namespace

// Text up to where a line ends in an odd way, begins with a dot, or `in` ends: as few pieces as can be.
void ContentReader::feed_text(std::string_view& in, Views& out) {
    std::size_t at = 0;
    for (;;) {
        at = find_special(in, at);
        if (at + 1 >= in.size()) break;
        if (in[at] != '\r' || in[at + 1] != '\n') break;
        at += 2;
        if (at == in.size() || (source_ == Source::data && in[at] == '.')) {
            take(in.substr(0, at), out);
            in.remove_prefix(at);
            at_ = At::line_start;
            return;
        }
    }
    take(in.substr(0, at), out);
    in.remove_prefix(at);
    at_ = At::text;
}

void ContentReader::feed(std::string_view& in, Views& out) {
    if (is_binary_) {
        take(in, out);
        in = {};
        return;
    }
    while (!in.empty() && !has_ended_) {
        const char c = in.front();
        switch (at_) {
            case At::line_start:
                if (c == '.' && source_ == Source::data) {
                    at_ = At::dot;
                    in.remove_prefix(1);
                    break;
                }
                [[fallthrough]];
            case At::text:
                if (c == '\r') {
                    at_ = At::cr;
                    in.remove_prefix(1);
                } else if (c == '\n') {
                    if (normalises_) take(line_end, out);
                    else note(ContentFault::bare_lf);
                    at_ = At::text;  // no line start: a dot behind it is a dot
                    in.remove_prefix(1);
                } else {
                    if (c == '\0') {
                        note(ContentFault::nul);
                        in.remove_prefix(1);
                    }
                    feed_text(in, out);
                }
                break;
            case At::cr:
                if (c == '\n') {
                    take(line_end, out);
                    at_ = At::line_start;
                    in.remove_prefix(1);
                } else {
                    note(ContentFault::bare_cr);
                    at_ = At::text;
                }
                break;
            case At::dot:
                if (c == '\r') {
                    at_ = At::dot_cr;
                    in.remove_prefix(1);
                } else {
                    at_ = At::text;  // it was put there by the sender
                }
                break;
            case At::dot_cr:
                if (c == '\n') {
                    has_ended_ = true;
                    in.remove_prefix(1);
                } else {
                    note(ContentFault::bare_cr);
                    at_ = At::text;
                }
                break;
        }
    }
}

void ContentReader::finish() {
    if (at_ == At::cr) note(ContentFault::bare_cr);
}

void DotStuffer::feed(std::string_view in, Views& out) {
    if (in.empty()) return;
    std::size_t begin = 0;
    if (is_line_start_ && in.front() == '.') out.push_back(".");
    for (std::size_t at = 0;;) {
        // A line that begins with a dot, whose end before it is in `in` or was in what came before.
        at = in.find("\n.", at);
        if (at == std::string_view::npos) break;
        out.push_back(in.substr(begin, at + 1 - begin));
        out.push_back(".");
        begin = at + 1;
        at = begin;
    }
    out.push_back(in.substr(begin));
    is_line_start_ = in.back() == '\n';
}

std::string_view DotStuffer::end() const { return is_line_start_ ? ".\r\n" : "\r\n.\r\n"; }

std::optional<Chunk> parse_chunk(std::string_view argument) {
    const std::size_t end = argument.find(' ');
    const auto size = parse_decimal<std::uint64_t>(argument.substr(0, end));
    if (!size || argument.substr(0, end).size() > 20) return std::nullopt;
    Chunk out{.size = *size, .is_last = false};
    if (end == std::string_view::npos) return out;
    if (!equals_ignoring_case(trim(argument.substr(end)), "LAST")) return std::nullopt;
    out.is_last = true;
    return out;
}

}  // namespace sluice::smtp
