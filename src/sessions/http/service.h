// SPDX-License-Identifier: Apache-2.0
// HTTP on one worker: its sessions, what they share, and the policy that is current. Everything but the constructor's arguments belongs to
// the worker's thread: from elsewhere, `worker.post` a call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "audit/lane.h"
#include "audit/metrics.h"
#include "base/clock.h"
#include "base/id.h"
#include "inspect/inspection.h"
#include "inspect/setup.h"
#include "net/listener.h"
#include "net/resolver.h"
#include "net/tls/session_cache.h"
#include "net/worker.h"
#include "policy/policy.h"
#include "policy/rate_limits.h"
#include "sessions/http/interception.h"
#include "sessions/http/settings.h"
#include "sessions/transaction/ftp_origin.h"
#include "sessions/transaction/judgement.h"
#include "sessions/transaction/passwords.h"
#include "sessions/transaction/roster.h"

namespace sluice::http {

class Exchange;
class Session;

class Service {
public:
    // All of them outlive the service. Those that are shared by all workers are thread-safe.
    struct Parts {
        net::Worker& worker;
        policy::RateLimits& rate_limits;                 // shared
        sessions::PasswordChecker& passwords;            // shared
        audit::Lane& lane;
        audit::MetricsShard& metrics;
        inspect::Shared& inspection;                     // shared: what payloads wait in, and who scans them
        Interception* interception = nullptr;            // shared; null: there is no CA, and nothing is decrypted
        sessions::FtpGateway ftp_gateway{};              // of this worker; null: ftp: URLs are not fetched
    };
    Service(Parts parts, Generation generation);
    ~Service();
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;

    // A client came in. `listener` as the log and rules name it ("127.0.0.1:3128").
    void accept(net::Accepted accepted);
    // A reload: transactions that begin from now on use it, and open tunnels are judged by it.
    void replace(Generation generation);
    // No more requests: idle connections close, others say `Connection: close` with the answer they are at.
    void drain() { roster_.drain(); }
    bool is_draining() const { return roster_.is_draining(); }
    std::size_t live() const { return roster_.size(); }

    // For sessions.
    net::Worker& worker() { return parts_.worker; }
    policy::RateLimits& rate_limits() { return parts_.rate_limits; }
    sessions::PasswordChecker& passwords() { return parts_.passwords; }
    sessions::CredentialCache& credentials() { return credentials_; }
    audit::Lane& lane() { return parts_.lane; }
    audit::MetricsShard& metrics() { return parts_.metrics; }
    policy::Scratch& scratch() { return scratch_; }
    sessions::Judgement::Parts judging() { return {scratch_, parts_.rate_limits, parts_.metrics}; }
    inspect::Bench& bench() { return bench_; }
    inspect::Shared& inspection() { return parts_.inspection; }
    Interception* interception() { return parts_.interception; }
    const sessions::FtpGateway& ftp_gateway() const { return parts_.ftp_gateway; }
    std::uint64_t next_binding() { return ++last_binding_; }
    net::ca::LeafCache& leaves() { return *leaves_; }    // only where there is an interception
    net::tls::SessionCache& tls_sessions() { return tls_sessions_; }
    const std::shared_ptr<const Generation>& generation() const { return generation_; }
    std::uint64_t reloads() const { return reloads_; }
    // The time as a Date field has it (RFC 9110 5.6.7).
    std::string http_date() const;
    EventId next_id(std::int64_t unix_ns) { return ids_.next(unix_ns / 1'000'000); }
    std::int64_t unix_ns(std::int64_t steady) const { return clock_.unix_ns(steady); }

    std::unique_ptr<Exchange> borrow_exchange();
    void give_back(std::unique_ptr<Exchange> exchange);
    void add(Session& session);
    void remove(Session& session);
    void add_tunnel(Exchange& exchange);
    void remove_tunnel(Exchange& exchange);

private:
    net::Task<void> serve(net::Accepted accepted);
    void on_tick();

    Parts parts_;
    std::shared_ptr<const Generation> generation_;       // of this worker alone: its count is not shared with other threads
    policy::Scratch scratch_;
    inspect::Bench bench_;
    sessions::CredentialCache credentials_;
    std::optional<net::ca::LeafCache> leaves_;
    net::tls::SessionCache tls_sessions_;
    EventIds ids_;
    Clock clock_;
    std::uint64_t last_binding_ = 0;
    std::uint64_t leaves_made_ = 0;                       // as the two below: by the last tick
    net::Resolver::Counters dns_;                         // as they were at the last tick
    std::vector<std::unique_ptr<Exchange>> spare_;
    std::vector<Exchange*> tunnels_;
    sessions::Roster roster_;
    std::uint64_t reloads_ = 0;
};

}  // namespace sluice::http
