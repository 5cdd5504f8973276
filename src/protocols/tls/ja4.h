// SPDX-License-Identifier: Apache-2.0
// The JA4 fingerprint of a TLS client over TCP, by FoxIO's description (technical_details/JA4.md): what software asks, whatever it asks for.
#pragma once

#include "protocols/tls/client_hello.h"

#include <string>

namespace sluice::tls {

// 36 characters: "t13d1516h2_8daaf6152771_e5627efa2ab1". All of it is of letters, digits and '_'. Empty: OpenSSL could not hash.
// A client chooses what it sends, so this says what it seems to be, never who it is.
std::string ja4(const ClientHello& hello);

}  // namespace sluice::tls
