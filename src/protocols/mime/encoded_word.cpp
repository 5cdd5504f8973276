// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/encoded_word.h"

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "protocols/mime/charset.h"
#include "protocols/mime/transfer_coding.h"

namespace sluice::mime {
namespace {

constexpr std::size_t longest_charset = 64;  // octets of a charset's name, with its language

struct Word {
    std::string_view charset;
    char coding = 'q';
    std::string_view text;
    std::size_t size = 0;  // octets of the whole word
};

// The word at the front of `in`, which begins with "=?".
std::optional<Word> word_at(std::string_view in) {
    const std::size_t charset_end = in.substr(0, 2 + longest_charset).find('?', 2);
    if (charset_end == std::string_view::npos || charset_end == 2 || in.size() < charset_end + 3 || in[charset_end + 2] != '?')
        return std::nullopt;
    Word out;
    out.coding = to_lower(in[charset_end + 1]);
    if (out.coding != 'b' && out.coding != 'q') return std::nullopt;
    const std::string_view charset = in.substr(2, charset_end - 2);
    if (charset.find_first_of(" \t=\"") != std::string_view::npos) return std::nullopt;
    out.charset = charset.substr(0, charset.find('*'));
    const std::size_t begin = charset_end + 3;
    const std::size_t end = in.find("?=", begin);
    if (end == std::string_view::npos) return std::nullopt;
    out.text = in.substr(begin, end - begin);
    out.size = end + 2;
    return out;
}

bool is_clean_base64(std::string_view text) {
    while (text.ends_with('=')) text.remove_suffix(1);
    return std::ranges::all_of(text, [](char c) { return is_alpha(c) || is_digit(c) || c == '+' || c == '/'; }) && text.size() % 4 != 1;
}

bool is_clean_quoted(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i)
        if (text[i] == '=' && (i + 2 >= text.size() || hex_value(text[i + 1]) < 0 || hex_value(text[i + 2]) < 0)) return false;
    return true;
}

std::string octets_of(const Word& word) {
    if (word.coding == 'b') return decode_base64(word.text);
    std::string out;
    for (std::size_t i = 0; i < word.text.size(); ++i) {
        const char c = word.text[i];
        const bool is_escape = c == '=' && i + 2 < word.text.size() && hex_value(word.text[i + 1]) >= 0 && hex_value(word.text[i + 2]) >= 0;
        out += is_escape ? static_cast<char>(hex_value(word.text[i + 1]) * 16 + hex_value(word.text[i + 2])) : c == '_' ? ' ' : c;
        if (is_escape) i += 2;
    }
    return out;
}

// Octets of neighbouring words of one charset are converted together: writers cut characters in two.
class Joined {
public:
    Joined(std::string& out, CharsetReading reading) : out_(out), reading_(reading) {}
    void add(const Word& word) {
        if (!octets_.empty() && !equals_ignoring_case(word.charset, charset_)) flush();
        charset_ = word.charset;
        octets_ += octets_of(word);
    }
    void flush() {
        out_ += to_utf8(octets_, charset_, reading_);
        octets_.clear();
    }

private:
    std::string& out_;
    CharsetReading reading_;
    std::string_view charset_;
    std::string octets_;
};

struct Decoded {
    DecodedWords words;
    bool has_other_readings = false;
};

Decoded decode(std::string_view text, CharsetReading reading) {
    Decoded decoded;
    DecodedWords& out = decoded.words;
    const std::size_t last_end = text.rfind("?=");  // behind it nothing is looked for: many beginnings without an end would be quadratic
    Joined joined(out.text, reading);
    std::size_t plain = 0;  // begins what is not given yet
    bool is_behind_word = false;
    for (std::size_t at = text.find("=?"); at != std::string_view::npos; at = text.find("=?", at)) {
        const auto word = last_end != std::string_view::npos && at < last_end ? word_at(text.substr(at)) : std::nullopt;
        if (!word) {
            out.is_broken = true;
            at += 2;
            continue;
        }
        const std::string_view between = text.substr(plain, at - plain);
        if (!is_behind_word || between.find_first_not_of(" \t\r\n") != std::string_view::npos) {
            joined.flush();
            out.text += to_utf8(between, {});
        }
        out.has_words = true;
        out.is_broken |= word->coding == 'b' ? !is_clean_base64(word->text) : !is_clean_quoted(word->text);
        out.is_broken |= !keeps_ascii(word->charset);
        decoded.has_other_readings |= has_other_readings(word->charset);
        joined.add(*word);
        at += word->size;
        plain = at;
        is_behind_word = true;
    }
    joined.flush();
    out.text += to_utf8(text.substr(plain), {});
    return decoded;
}

}  // namespace

DecodedWords decode_words(std::string_view text) {
    Decoded usual = decode(text, CharsetReading::usual);
    if (usual.has_other_readings)
        for (const CharsetReading reading : {CharsetReading::turned, CharsetReading::unknown})
            usual.words.others.push_back(decode(text, reading).words.text);
    return std::move(usual.words);
}

}  // namespace sluice::mime
