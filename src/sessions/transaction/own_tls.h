// SPDX-License-Identifier: Apache-2.0
// TLS with the clients of our own listeners: under the configured certificate, or under a leaf of the CA for the name that the client says.
#pragma once

#include <memory>
#include <string>

#include "base/limits.h"
#include "net/ca/leaves.h"
#include "net/stream.h"
#include "net/task.h"
#include "net/tls/acceptor.h"

namespace sluice::sessions {

// What was shown, and for which name. Another connection of the same client that shows the same resumes the first one's session.
struct OwnIdentity {
    std::shared_ptr<const net::tls::Identity> leaf;  // null: the configured certificate
    std::string name;  // empty: nothing was shown yet
};

// Before a handshake: `identity` is made where it is empty, for which the ClientHello is read into `ahead`, within Limits::client_hello_wait. `leaves`:
// null where a certificate is configured. Errors: the client's, or ours where no leaf can be made.
net::Task<Result<void>> choose_identity(net::Stream& client, std::string& ahead, net::ca::LeafCache* leaves, OwnIdentity& identity,
                                        const Limits& limits);

}  // namespace sluice::sessions
