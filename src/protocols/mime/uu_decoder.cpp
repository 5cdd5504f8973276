// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/uu_decoder.h"

#include <algorithm>

#include "base/text.h"

namespace sluice::mime {
namespace {

constexpr std::string_view xx_alphabet = "+-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

unsigned uu_digit(char c) { return (static_cast<unsigned char>(c) - 0x20U) & 0x3fU; }
unsigned xx_digit(char c) {
    const std::size_t at = xx_alphabet.find(c);
    return at == std::string_view::npos ? 0 : static_cast<unsigned>(at);
}
bool is_uu_octet(char c) { return c >= 0x20 && c <= 0x60; }
bool is_xx_octet(char c) { return xx_alphabet.contains(c); }

std::size_t encoded_size(unsigned octets) { return (octets + 2) / 3 * 4; }

template <class Digit>
void decode_line(std::string_view line, Digit digit, std::string& out) {
    if (line.empty()) return;
    std::size_t left = digit(line.front());
    line.remove_prefix(1);
    for (; left > 0 && !line.empty(); line.remove_prefix(std::min<std::size_t>(line.size(), 4))) {
        unsigned group = 0;
        for (std::size_t i = 0; i < 4; ++i) group = group << 6U | (i < line.size() ? digit(line[i]) : 0);
        for (unsigned shift = 24; shift > 0 && left > 0; --left) out += static_cast<char>((group >> (shift -= 8)) & 0xffU);
    }
    out.append(left, '\0');
}

// Words of a line, one by one.
std::string_view take_word(std::string_view& in) {
    in = trim(in);
    const std::string_view word = in.substr(0, in.find_first_of(" \t"));
    in.remove_prefix(word.size());
    return word;
}

}  // namespace

EncodedFileBegin encoded_file_begin(std::string_view line) {
    using Kind = EncodedFileBegin::Kind;
    if (trim(line).starts_with("(This file must be converted")) return {Kind::binhex, {}};
    if (line.starts_with("=ybegin ")) {
        const std::size_t name = line.find(" name=");
        return {Kind::yenc, name == std::string_view::npos ? std::string_view() : trim(line.substr(name + 6))};
    }
    const std::string_view word = take_word(line);
    const bool is_base64 = equals_ignoring_case(word, "begin-base64");
    if (!is_base64 && !equals_ignoring_case(word, "begin")) return {};
    const std::string_view mode = take_word(line);
    if (mode.size() < 3 || mode.size() > 6 || !std::ranges::all_of(mode, is_digit)) return {};
    return {is_base64 ? Kind::base64 : Kind::uuencode, trim(line)};
}

bool is_uu_line(std::string_view line) {
    if (line.empty() || !std::ranges::all_of(line, is_uu_octet)) return false;
    const std::size_t size = encoded_size(uu_digit(line.front()));
    // Blanks may be missing at its end; a checksum may stand there.
    return line.size() <= size + 2 && (line.size() > size || line.size() + 4 > size / 2);
}

bool is_xx_line(std::string_view line) {
    if (line.empty() || !std::ranges::all_of(line, is_xx_octet)) return false;
    const std::size_t size = encoded_size(xx_digit(line.front()));
    return line.size() == size + 1 || line.size() == size + 2;
}

void decode_uu_line(std::string_view line, std::string& out) { decode_line(line, uu_digit, out); }
void decode_xx_line(std::string_view line, std::string& out) { decode_line(line, xx_digit, out); }

void decode_yenc(std::string_view text, bool& is_escaped, std::string& out) {
    for (const char c : text) {
        if (c == '=' && !is_escaped) {
            is_escaped = true;
            continue;
        }
        out += static_cast<char>(static_cast<unsigned char>(c) - (is_escaped ? 42U + 64U : 42U));
        is_escaped = false;
    }
}

}  // namespace sluice::mime
