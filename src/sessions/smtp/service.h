// SPDX-License-Identifier: Apache-2.0
// SMTP on one worker: its sessions, what they share, and the policy that is current. Everything but the constructor's arguments belongs to the
// worker's thread: from elsewhere, `worker.post` a call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "audit/lane.h"
#include "audit/metrics.h"
#include "base/clock.h"
#include "base/id.h"
#include "inspect/inspection.h"
#include "inspect/setup.h"
#include "net/ca/leaves.h"
#include "net/listener.h"
#include "net/tls/session_cache.h"
#include "net/worker.h"
#include "policy/policy.h"
#include "policy/rate_limits.h"
#include "sessions/smtp/settings.h"
#include "sessions/transaction/judgement.h"
#include "sessions/transaction/passwords.h"
#include "sessions/transaction/roster.h"

namespace sluice::smtp {

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
        sessions::PasswordChecker& passwords;  // shared
        net::ca::LeafCache* leaves = nullptr;  // null: there is no CA
    };
    Service(Parts parts, Generation generation);
    ~Service();
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;

    void accept(net::Accepted accepted);
    // A reload: messages that come from now on are judged by it.
    void replace(Generation generation);
    // No more messages: idle sessions get a 421, others after the message they are at.
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
    net::tls::SessionCache& tls_sessions() { return tls_sessions_; }
    sessions::Judgement::Parts judging() { return {scratch_, parts_.rate_limits, parts_.metrics}; }
    const std::shared_ptr<const Generation>& generation() const { return generation_; }
    // Who may say who he is, by any rule of action `authenticate`; none: AUTH is the upstream's.
    std::span<const std::shared_ptr<const policy::UserFile>> user_files() const { return user_files_; }
    EventId next_id(std::int64_t unix_ns) { return ids_.next(unix_ns / 1'000'000); }
    // In the order in which they are to be tried: who could not be reached lately comes last.
    std::vector<const UpstreamServer*> upstreams(const Settings& settings) const;
    void remember(const UpstreamServer& server, bool is_reached);

    std::int64_t unix_ns(std::int64_t steady) const { return clock_.unix_ns(steady); }

    void add(Session& session);
    void remove(Session& session);

private:
    net::Task<void> serve(net::Accepted accepted);

    Parts parts_;
    std::shared_ptr<const Generation> generation_;  // of this worker alone
    std::vector<std::shared_ptr<const policy::UserFile>> user_files_;
    policy::Scratch scratch_;
    inspect::Bench bench_;
    sessions::CredentialCache credentials_;
    net::tls::SessionCache tls_sessions_;
    EventIds ids_;
    Clock clock_;
    sessions::Roster roster_;
    std::map<std::string, std::int64_t> unreached_;  // upstreams, until when they come last
};

}  // namespace sluice::smtp
