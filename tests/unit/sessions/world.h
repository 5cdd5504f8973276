// SPDX-License-Identifier: Apache-2.0
// What a bench is made of, for those that put a protocol's service on it.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "audit/lane.h"
#include "audit/metrics.h"
#include "inspect/setup.h"
#include "net/gate.h"
#include "net/listener.h"
#include "net/memory_stream.h"
#include "net/worker.h"
#include "policy/rate_limits.h"
#include "sessions/transaction/settings.h"
#include "unit/sessions/support.h"

namespace sluice::sessions::testing {

// No test should need it; but none may hang.
inline constexpr std::chrono::milliseconds patience{20'000};

inline IpPort loopback(std::uint16_t port) { return {IpAddress::v4(0x7f000001), port}; }

struct World {
    World();

    net::Worker worker;
    net::ConnectionLimits connections{0, 0};
    policy::RateLimits rate_limits{4096};
    audit::Metrics metrics{1};
    audit::Signal writer;
    audit::LogState log_state;
    audit::Lane lane{std::size_t{4} * 1024 * 1024, Limits{}.log_text, writer, log_state};
    std::shared_ptr<net::Faults> faults = std::make_shared<net::Faults>();
    std::size_t capacity = std::size_t{64} * 1024;
    std::size_t client_capacity = std::size_t{64} * 1024;
    std::size_t server_capacity = std::size_t{64} * 1024;
    inspect::Shared inspection{Limits{}};
    std::function<std::size_t()> live;                   // sessions of the service
    std::string (*shown)(std::string) = nullptr;         // see Peer

    std::vector<std::unique_ptr<net::Listener>> listeners;
    struct Arrival {
        std::uint16_t port;
        std::unique_ptr<net::TcpStream> stream;
    };
    std::deque<Arrival> arrivals;
    std::vector<net::ConnectionPermit> permits;
    net::Gate arrival;
    net::Gate sessions_ended;
    std::vector<std::unique_ptr<Peer>> peers;
    std::vector<Record> events;

    Rules compile(std::vector<policy::RuleSource> rules, std::string_view default_action);
    Peer& add(std::unique_ptr<net::Stream> stream);
    // A client's connection over memory: the session's end of it, and the test's.
    std::pair<std::unique_ptr<net::Stream>, Peer*> client(const IpPort& peer, const IpPort& listener);
    // Of the task that had one: it has ended.
    void session_ended();
};

net::Task<void> nothing();

}  // namespace sluice::sessions::testing
