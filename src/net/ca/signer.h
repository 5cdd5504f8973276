// SPDX-License-Identifier: Apache-2.0
// The process that has the authority's key, and who asks it: what parses hostile bytes never holds the key. It signs leaves, as `sign_leaf` makes
// them, and nothing else; whoever takes over the proxy can have leaves signed as long as the process runs, and no longer.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "net/ca/authority.h"

namespace sluice::net::ca {

// The signer's life: answers until the other end of the socket (SOCK_SEQPACKET) is closed. The exit code.
int run_signer(int socket, const Authority& authority);

// The other end; from any thread, one call at a time.
class Signer {
public:
    explicit Signer(int socket);  // takes it over
    ~Signer();
    Signer(const Signer&) = delete;
    Signer& operator=(const Signer&) = delete;

    // Blocks for a fraction of a millisecond, and at most for some seconds. Errors: malformed, it refused; timed_out, closed, io_failed.
    Result<std::string> sign(const LeafRequest& request);  // in DER
    Result<tls::CertificatePtr> sign_and_read(const LeafRequest& request);

private:
    Result<std::string> ask(std::string question);
    std::mutex mutex_;
    std::vector<char> answer_;
    std::uint64_t last_ = 0;  // question
    int socket_;
};

}  // namespace sluice::net::ca
