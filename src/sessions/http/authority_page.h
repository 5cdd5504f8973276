// SPDX-License-Identifier: Apache-2.0
// What http://sluice.internal/ says through the proxy: the certificate that devices must trust, and how each kind of them is told.
#pragma once

#include <string>
#include <string_view>

namespace sluice::http {

// A name that no server has (ICANN reserved .internal for private use in 2024).
inline constexpr std::string_view own_host = "sluice.internal";

// `fingerprint`: SHA-256 of the certificate, which a careful person compares.
std::string authority_page(std::string_view fingerprint);

}  // namespace sluice::http
