// SPDX-License-Identifier: Apache-2.0
#include "sessions/http/credentials.h"

#include <openssl/evp.h>

#include "base/limits.h"
#include "base/text.h"

namespace sluice::http {

std::optional<Credentials> parse_basic(std::string_view value) {
    const std::size_t space = value.find(' ');
    if (space == std::string_view::npos || !equals_ignoring_case(value.substr(0, space), "basic")) return std::nullopt;
    const std::string_view encoded = trim(value.substr(space));
    if (encoded.empty() || encoded.size() % 4 != 0 || encoded.size() > Limits{}.credentials) return std::nullopt;
    std::string decoded(encoded.size() / 4 * 3, '\0');
    const int length = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(decoded.data()),
                                       reinterpret_cast<const unsigned char*>(encoded.data()), static_cast<int>(encoded.size()));
    if (length < 0) return std::nullopt;
    decoded.resize(static_cast<std::size_t>(length) - (encoded.ends_with("==") ? 2 : encoded.ends_with('=') ? 1 : 0));
    const std::size_t colon = decoded.find(':');
    if (colon == std::string::npos || colon == 0) return std::nullopt;
    Credentials credentials{decoded.substr(0, colon), decoded.substr(colon + 1)};
    OPENSSL_cleanse(decoded.data(), decoded.size());
    for (const char c : credentials.user)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return std::nullopt;
    return credentials;
}

}  // namespace sluice::http
