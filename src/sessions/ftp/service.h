// SPDX-License-Identifier: Apache-2.0
// FTP on one worker: its sessions, what they share, and the policy that is current. Everything but the constructor's arguments belongs to the
// worker's thread: from elsewhere, `worker.post` a call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "audit/lane.h"
#include "audit/metrics.h"
#include "base/clock.h"
#include "base/id.h"
#include "inspect/inspection.h"
#include "inspect/setup.h"
#include "net/ca/leaves.h"
#include "net/listener.h"
#include "net/worker.h"
#include "policy/policy.h"
#include "policy/rate_limits.h"
#include "sessions/ftp/settings.h"
#include "sessions/transaction/ftp_origin.h"
#include "sessions/transaction/judgement.h"
#include "sessions/transaction/passwords.h"
#include "sessions/transaction/roster.h"

namespace sluice::ftp {

class Session;

class Service {
public:
    // All of them outlive the service. Those that are shared by all workers are thread-safe.
    struct Parts {
        net::Worker& worker;
        policy::RateLimits& rate_limits;  // shared
        audit::Lane& lane;
        audit::MetricsShard& metrics;
        inspect::Shared& inspection;  // shared: what payloads wait in, and who scans them
        net::ConnectionLimits& sessions;  // shared: counts sessions a client (ftp.sessions_per_client)
        sessions::PasswordChecker& passwords;  // shared
        net::ca::LeafCache* leaves = nullptr;  // null: there is no CA
    };
    Service(Parts parts, Generation generation);
    ~Service();
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;

    void accept(net::Accepted accepted);
    // A server that is asked for a URL (sessions::FtpGateway).
    std::unique_ptr<net::Stream> open_url(sessions::FtpOrigin origin);
    // A reload: commands that come from now on are judged by it.
    void replace(Generation generation);
    // No more logins and transfers: idle sessions get a 421, others after the transfer they are at.
    void drain() { roster_.drain(); }
    bool is_draining() const { return roster_.is_draining(); }
    std::size_t live() const { return roster_.size(); }

    // For sessions.
    net::Worker& worker() { return parts_.worker; }
    audit::Lane& lane() { return parts_.lane; }
    audit::MetricsShard& metrics() { return parts_.metrics; }
    inspect::Bench& bench() { return bench_; }
    inspect::Shared& inspection() { return parts_.inspection; }
    net::ca::LeafCache* leaves() { return parts_.leaves; }
    policy::RateLimits& rate_limits() { return parts_.rate_limits; }
    sessions::PasswordChecker& passwords() { return parts_.passwords; }
    sessions::CredentialCache& credentials() { return credentials_; }
    net::ConnectionLimits& session_limits() { return parts_.sessions; }
    sessions::Judgement::Parts judging() { return {scratch_, parts_.rate_limits, parts_.metrics}; }
    const std::shared_ptr<const Generation>& generation() const { return generation_; }
    EventId next_id(std::int64_t unix_ns) { return ids_.next(unix_ns / 1'000'000); }
    std::int64_t unix_ns(std::int64_t steady) const { return clock_.unix_ns(steady); }

    void add(Session& session);
    void remove(Session& session);

private:
    net::Task<void> serve(net::Accepted accepted);
    net::Task<void> fetch(std::unique_ptr<net::Stream> client, sessions::FtpOrigin origin);

    Parts parts_;
    std::shared_ptr<const Generation> generation_;  // of this worker alone
    policy::Scratch scratch_;
    inspect::Bench bench_;
    sessions::CredentialCache credentials_;
    EventIds ids_;
    Clock clock_;
    sessions::Roster roster_;
};

}  // namespace sluice::ftp
