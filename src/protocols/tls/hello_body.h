// SPDX-License-Identifier: Apache-2.0
// The body of a ClientHello, out of its records and without the message's header (RFC 8446 4.1.2).
#pragma once

#include "protocols/tls/client_hello.h"

namespace sluice::tls {

// A reserved value that says nothing and must be passed over (RFC 8701): 0x0a0a, 0x1a1a, … 0xfafa.
constexpr bool is_grease(std::uint16_t value) { return (value & 0x0f0f) == 0x0a0a && value >> 8 == (value & 0xff); }

// `body`: all of it. `out`: a fresh one; after an error (malformed) its contents mean nothing.
Result<void> read_hello_body(std::string_view body, ClientHello& out);

}  // namespace sluice::tls
