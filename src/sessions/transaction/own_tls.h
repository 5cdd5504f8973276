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
#include "protocols/tls/client_hello.h"

namespace sluice::sessions {

// What was shown, and for which name. Another connection of the same client that shows the same resumes the first one's session.
struct OwnIdentity {
    std::shared_ptr<const net::tls::Identity> leaf;  // null: the configured certificate
    std::string name;  // empty: nothing was shown yet
};

// Before a handshake: the ClientHello, whole. What was read is in `ahead` then, behind what was there. Errors: the client's.
net::Task<Result<tls::ClientHello>> read_client_hello(net::Stream& client, std::string& ahead, Limits::Duration within,
                                                      const Limits& limits);
// `identity` is made where it is empty: for the name in `hello`, else for the address that the client reached. `leaves` or `hello` null: the configured
// certificate. Errors: ours, where no leaf can be made.
net::Task<Result<void>> choose_identity(const net::Stream& client, const tls::ClientHello* hello, net::ca::LeafCache* leaves,
                                        OwnIdentity& identity);

}  // namespace sluice::sessions
