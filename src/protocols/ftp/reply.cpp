// SPDX-License-Identifier: Apache-2.0
#include "protocols/ftp/reply.h"

#include <utility>

#include "base/text.h"
#include "protocols/ftp/telnet.h"

namespace sluice::ftp {

namespace {

constexpr std::string_view line_end = "\r\n";
constexpr std::string_view octets_no_line_has("\r\n\0", 3);
constexpr std::size_t code_digits = 3;

std::unexpected<Error> malformed(std::string_view what) { return fail(Errc::malformed, Side::server, what); }

// Of the three digits that the line begins with.
std::optional<int> code_of(std::string_view line) {
    return line.size() < code_digits ? std::nullopt : parse_decimal<int>(line.substr(0, code_digits));
}

// Of servers that know Telnet; others' single 0xFF stays, and no sequence is asked for that could come.
std::string without_doubled_iac(std::string_view line) {
    std::string out;
    out.reserve(line.size());
    for (std::size_t i = 0; i < line.size(); ++i) {
        out += line[i];
        if (line.substr(i, 2) == "\xff\xff") ++i;
    }
    return out;
}

void append_text(std::string& out, std::string_view text) {
    const std::size_t begin = out.size();
    telnet::append_escaped(out, text);
    for (std::size_t at = out.find_first_of(octets_no_line_has, begin); at != std::string::npos;
         at = out.find_first_of(octets_no_line_has, at))
        out[at] = ' ';
}

void append_line(std::string& out, int code, char separator, std::string_view text) {
    out += std::to_string(code);
    out += separator;
    append_text(out, text);
    out += line_end;
}

}  // namespace

Result<std::optional<std::string>> ReplyReader::next_line(std::string_view& in) {
    const std::size_t end = in.find(line_end);
    const bool is_whole = end != std::string_view::npos;
    if (is_whole ? end > limits_.ftp_line : in.size() >= limits_.ftp_line + line_end.size())
        return fail(Errc::too_large, Side::server, "reply line too long");
    if (!is_whole) return std::nullopt;
    const std::string_view line = in.substr(0, end);
    if (line.find_first_of(octets_no_line_has) != std::string_view::npos) return malformed("CR, LF or NUL inside a reply's line");
    size_ += end + line_end.size();
    if (size_ > limits_.ftp_reply) return fail(Errc::too_large, Side::server, "reply too long");
    in.remove_prefix(end + line_end.size());
    return without_doubled_iac(line);
}

Result<void> ReplyReader::begin(std::string_view line) {
    const auto code = code_of(line);
    if (!code || *code < 100 || *code > 599) return malformed("no reply code");
    const std::string_view behind = line.substr(code_digits);
    if (!behind.empty() && behind.front() != ' ' && behind.front() != '-') return malformed("neither space nor hyphen behind a reply code");
    reply_ = {.code = *code, .lines = {std::string(behind.substr(behind.empty() ? 0 : 1))}};
    has_begun_ = behind.starts_with('-');
    return {};
}

Result<void> ReplyReader::go_on(std::string_view line) {
    const auto code = code_of(line);
    const char separator = line.size() > code_digits ? line[code_digits] : '\0';
    if (code == reply_.code && separator == ' ') {
        has_begun_ = false;
        reply_.lines.emplace_back(line.substr(code_digits + 1));
        return {};
    }
    if (code == reply_.code && separator != '-') return malformed("neither space nor hyphen behind a reply code");
    if (code && separator == ' ') return malformed("the code changes inside a reply");
    reply_.lines.emplace_back(line);
    return {};
}

Result<std::optional<Reply>> ReplyReader::next(std::string_view& in) {
    for (;;) {
        const auto line = TRY(next_line(in));
        if (!line) return std::nullopt;
        if (has_begun_) TRY(go_on(*line));
        else TRY(begin(*line));
        if (has_begun_) continue;
        size_ = 0;
        return std::exchange(reply_, {});
    }
}

std::string encode(const Reply& reply) {
    if (reply.lines.size() < 2) return encode(reply.code, reply.lines.empty() ? std::string_view() : reply.text());
    std::string out;
    append_line(out, reply.code, '-', reply.lines.front());
    const std::string own = std::to_string(reply.code) + "-";
    for (std::size_t i = 1; i + 1 < reply.lines.size(); ++i) {
        const std::string_view line = reply.lines[i];
        if (!line.empty() && is_digit(line.front()) && !line.starts_with(own)) out += ' ';
        append_text(out, line);
        out += line_end;
    }
    append_line(out, reply.code, ' ', reply.text());
    return out;
}

std::string encode(int code, std::string_view text) {
    std::string out;
    append_line(out, code, ' ', text);
    return out;
}

}  // namespace sluice::ftp
