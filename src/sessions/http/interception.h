// SPDX-License-Identifier: Apache-2.0
// What decrypts TLS: shared by all workers, for as long as the process lives.
#pragma once

#include <memory>
#include <string>

#include "net/ca/leaves.h"
#include "net/tls/acceptor.h"
#include "sessions/http/unwilling.h"

namespace sluice::http {

struct Interception {
    std::unique_ptr<net::ca::LeafMaker> leaves;
    std::shared_ptr<const net::tls::Acceptor> acceptor;  // of clients, inside a CONNECT
    Unwilling unwilling;
    std::string certificate_pem;                         // of the CA, for devices to take
    std::string certificate_der;
    std::string fingerprint;
};

}  // namespace sluice::http
