// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/mail_names.h"

#include <algorithm>

#include "base/text.h"
#include "protocols/mime/charset.h"
#include "protocols/mime/encoded_word.h"

namespace sluice::mime {
namespace {

std::string without_escapes(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool is_escape = text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0;
        out += is_escape ? static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2])) : text[i];
        if (is_escape) i += 2;
    }
    return out;
}

}  // namespace

bool MailNames::add(std::string_view name) {
    DecodedWords decoded = decode_words(name);
    if (decoded.text.contains('\0')) {
        // Some end there, some leave it out.
        add_as_it_is(std::string_view(decoded.text).substr(0, decoded.text.find('\0')));
        std::erase(decoded.text, '\0');
    }
    add_as_it_is(decoded.text);
    if (decoded.has_words) add_as_it_is(to_utf8(name, {}));
    if (decoded.text.contains('%')) add_as_it_is(without_escapes(decoded.text));
    return !decoded.is_broken;
}

void MailNames::add_as_it_is(std::string_view name) {
    name = trim(name.substr(name.find_last_of("/\\") + 1));
    std::string kept = is_utf8(name) ? std::string(name) : to_utf8(name, {});
    // The end of a long one counts more than its middle: that is where the extension is.
    if (kept.size() > most_octets_) {
        std::string end = kept.substr(kept.size() - most_octets_ / 2);
        while (!end.empty() && (static_cast<unsigned char>(end.front()) & 0xc0U) == 0x80) end.erase(0, 1);
        cut_utf8(kept, most_octets_ - end.size());
        kept += end;
    }
    if (kept.empty() || std::ranges::find(names_, kept) != names_.end()) return;
    if (names_.size() == most_) names_.pop_back();  // some readers take the last of all
    names_.push_back(std::move(kept));
}

}  // namespace sluice::mime
