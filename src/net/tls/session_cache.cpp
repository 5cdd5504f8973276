// SPDX-License-Identifier: Apache-2.0
#include "net/tls/session_cache.h"

#include <algorithm>
#include <ctime>
#include <utility>

namespace sluice::net::tls {

namespace {

// Of one server: browsers keep as many connections to one.
constexpr std::size_t most_of_one = 8;

bool is_alive(const SSL_SESSION& session) {
    return SSL_SESSION_get_time(&session) + SSL_SESSION_get_timeout(&session) > std::time(nullptr);
}

}  // namespace

void SessionCache::put(std::string_view key, SessionPtr session) {
    auto found = by_key_.find(key);
    if (found == by_key_.end()) {
        servers_.push_front({std::string(key), {}});
        found = by_key_.emplace(servers_.front().key, servers_.begin()).first;
    } else {
        servers_.splice(servers_.begin(), servers_, found->second);
    }
    auto& sessions = found->second->sessions;
    sessions.push_back(std::move(session));
    ++size_;
    if (sessions.size() > std::min(most_of_one, std::max<std::size_t>(most_, 1))) {
        sessions.pop_front();
        --size_;
    }
    while (size_ > most_) drop(std::prev(servers_.end()));
}

SessionPtr SessionCache::take(std::string_view key) {
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return nullptr;
    const Servers::iterator server = found->second;
    servers_.splice(servers_.begin(), servers_, server);
    SessionPtr session;
    while (!session && !server->sessions.empty()) {
        SessionPtr& newest = server->sessions.back();
        if (is_alive(*newest)) {
            if (SSL_SESSION_get_protocol_version(newest.get()) < TLS1_3_VERSION) {
                SSL_SESSION_up_ref(newest.get());
                return SessionPtr(newest.get());
            }
            session = std::move(newest);
        }
        server->sessions.pop_back();
        --size_;
    }
    if (server->sessions.empty()) drop(server);
    return session;
}

void SessionCache::drop(Servers::iterator server) {
    size_ -= server->sessions.size();
    by_key_.erase(server->key);
    servers_.erase(server);
}

}  // namespace sluice::net::tls
