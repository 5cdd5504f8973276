// SPDX-License-Identifier: Apache-2.0
// Sessions with servers, to be resumed (RFC 8446 2.2, RFC 5077). One a worker. Those of TLS 1.3 are used once (RFC 8446 C.4).
#pragma once

#include <cstddef>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "net/tls/openssl.h"

namespace sluice::net::tls {

class SessionCache {
public:
    explicit SessionCache(std::size_t most) : most_(most) {}

    void put(std::string_view key, SessionPtr session);
    // The newest that is still valid, or null. One that may be used again stays.
    SessionPtr take(std::string_view key);
    std::size_t size() const { return size_; }

private:
    struct Server {
        std::string key;
        std::list<SessionPtr> sessions;                  // the newest last
    };
    using Servers = std::list<Server>;                   // the one used last first
    void drop(Servers::iterator server);

    std::size_t most_;
    std::size_t size_ = 0;
    Servers servers_;
    std::unordered_map<std::string_view, Servers::iterator> by_key_;
};

}  // namespace sluice::net::tls
