// SPDX-License-Identifier: Apache-2.0
#include "protocols/smtp/reply.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace sluice::smtp {

namespace {

constexpr std::string_view line_end = "\r\n";
constexpr std::string_view octets_no_line_has("\r\n\0", 3);
constexpr std::size_t code_digits = 3;

std::unexpected<Error> malformed(std::string_view what) { return fail(Errc::malformed, Side::server, what); }

void append_line(std::string& out, int code, char separator, std::string_view text) {
    out += std::to_string(code);
    out += separator;
    const std::size_t begin = out.size();
    out += text;
    for (std::size_t at = out.find_first_of(octets_no_line_has, begin); at != std::string::npos;
         at = out.find_first_of(octets_no_line_has, at))
        out[at] = ' ';
    out += line_end;
}

}  // namespace

// Whether it was the reply's last.
Result<bool> ReplyReader::take(std::string_view line) {
    if (line.find_first_of(octets_no_line_has) != std::string_view::npos) return malformed("CR or NUL inside a reply's line");
    const auto code = line.size() < code_digits ? std::nullopt : parse_decimal<int>(line.substr(0, code_digits));
    if (!code || *code < 200 || *code > 599) return malformed("no reply code");
    const std::string_view behind = line.substr(code_digits);
    if (!behind.empty() && behind.front() != ' ' && behind.front() != '-') return malformed("neither space nor hyphen behind a reply code");
    if (!reply_.lines.empty() && *code != reply_.code) return malformed("the code changes inside a reply");
    reply_.code = *code;
    reply_.lines.emplace_back(behind.substr(behind.empty() ? 0 : 1));
    return !behind.starts_with('-');
}

Result<std::optional<Reply>> ReplyReader::next(std::string_view& in) {
    for (;;) {
        const std::size_t lf = in.find('\n');
        if (std::min(lf, in.size()) > line_ + 1) return fail(Errc::too_large, Side::server, "reply line too long");
        if (lf == std::string_view::npos) return std::nullopt;
        if (lf == 0 || in[lf - 1] != '\r') return malformed("LF without CR in a reply");
        size_ += lf + 1;
        if (size_ > all_) return fail(Errc::too_large, Side::server, "reply too long");
        const bool is_last = TRY(take(in.substr(0, lf - 1)));
        in.remove_prefix(lf + 1);
        if (!is_last) continue;
        size_ = 0;
        return std::exchange(reply_, {});
    }
}

std::string encode(const Reply& reply) {
    std::string out;
    for (std::size_t i = 0; i + 1 < reply.lines.size(); ++i) append_line(out, reply.code, '-', reply.lines[i]);
    append_line(out, reply.code, ' ', reply.text());
    return out;
}

std::string encode(int code, std::string_view text) {
    std::string out;
    append_line(out, code, ' ', text);
    return out;
}

std::string_view enhanced_code(std::string_view text) {
    const std::string_view word = text.substr(0, text.find(' '));
    const auto parts = split(word, '.');
    if (parts.size() != 3 || (parts[0] != "2" && parts[0] != "4" && parts[0] != "5")) return {};
    for (const std::string_view part : parts)
        if (part.size() > 3 || !parse_decimal<int>(part)) return {};
    return word;
}

}  // namespace sluice::smtp
