// SPDX-License-Identifier: Apache-2.0
// Ports that HTTP must not reach: other protocols' servers there would take a request's lines for commands.
#pragma once

#include <cstdint>

namespace sluice::http {

// The Fetch standard's list of bad ports ("port blocking").
bool is_bad_port(std::uint16_t port);

}  // namespace sluice::http
