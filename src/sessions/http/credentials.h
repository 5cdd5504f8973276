// SPDX-License-Identifier: Apache-2.0
// Who a client says it is (RFC 7617 Basic).
#pragma once

#include <optional>
#include <string_view>

#include "sessions/transaction/passwords.h"

namespace sluice::http {

using sessions::Credentials;

// The value of Proxy-Authorization or Authorization. nullopt: not Basic, not base64, or without a colon.
std::optional<Credentials> parse_basic(std::string_view value);

}  // namespace sluice::http
