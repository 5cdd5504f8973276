// SPDX-License-Identifier: Apache-2.0
// Encoded words (RFC 2047) undone, as forgivingly as readers of mail do it: also within quoted strings, with blanks inside, of characters cut in two.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sluice::mime {

struct DecodedWords {
    std::string text;  // UTF-8
    bool has_words = false;
    std::vector<std::string> others;  // what it is in other readings of a charset
    bool is_broken = false;  // something begins like a word and is none, or its coding is wrong, or its charset is none that keeps_ascii
};

// Linear in the octets.
DecodedWords decode_words(std::string_view text);

}  // namespace sluice::mime
