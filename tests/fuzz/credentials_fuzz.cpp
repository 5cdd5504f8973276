// SPDX-License-Identifier: Apache-2.0
// Basic credentials: what is taken has a user without control characters and is bounded by what was sent, and encoding it anew reads the same.
#include "sessions/http/credentials.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/limits.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using sluice::http::parse_basic;
    const std::string_view value(reinterpret_cast<const char*>(data), size);
    const auto credentials = parse_basic(value);
    if (!credentials) return 0;
    const auto& [user, password] = *credentials;
    if (user.empty() || user.find(':') != std::string::npos) std::abort();
    if (std::ranges::any_of(user, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; })) std::abort();
    const std::string whole = user + ":" + password;
    if (whole.size() > value.size() / 4 * 3 || whole.size() > sluice::Limits{}.credentials) std::abort();

    std::string encoded((whole.size() + 2) / 3 * 4 + 1, '\0');
    encoded.resize(
        static_cast<std::size_t>(EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()),
                                                 reinterpret_cast<const unsigned char*>(whole.data()), static_cast<int>(whole.size()))));
    const auto again = parse_basic("Basic " + encoded);
    if (!again || again->user != user || again->password != password) std::abort();
    return 0;
}
