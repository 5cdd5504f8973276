// SPDX-License-Identifier: Apache-2.0
// From a configuration to what decrypts TLS.
#pragma once

#include "app/config.h"
#include "base/diagnostic.h"
#include "policy/policy.h"
#include "sessions/http/interception.h"

#include <expected>
#include <memory>
#include <string>

namespace sluice::app {

// What changes with a reload.
struct Tls {
    std::shared_ptr<const net::tls::Trust> trust;        // by whom servers are believed; null where nothing is decrypted
    std::shared_ptr<const net::tls::Acceptor> own;       // of our own listeners; null where none is in TLS
    std::shared_ptr<const net::tls::Trust> ftp_trust;  // by whom FTP servers are believed; null where they are spoken with in the clear
    std::shared_ptr<const net::tls::Acceptor> ftp_own;  // what FTP clients are offered; null: nothing
    std::shared_ptr<const net::tls::Trust> smtp_trust;  // the same two of SMTP
    std::shared_ptr<const net::tls::Acceptor> smtp_own;
};

// Whether leaves are wanted.
bool needs_authority(const Config& config, const Tls& tls);

Tls load_tls(const Config& config, const policy::Policy& policy, Diagnostics& faults);

// The CA's certificate, its signer, and keys for leaves; or why not.
std::expected<std::unique_ptr<http::Interception>, std::string> open_interception(const Config& config);

}  // namespace sluice::app
