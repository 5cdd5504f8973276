// SPDX-License-Identifier: Apache-2.0
// What the configuration says to sessions of every protocol; each adds its own.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "audit/metrics.h"
#include "audit/redact.h"
#include "base/ip.h"
#include "base/limits.h"
#include "inspect/setup.h"
#include "policy/countries.h"
#include "policy/inspect_options.h"
#include "policy/policy.h"
#include "policy/protect_host.h"

namespace sluice::sessions {

struct PortRange {
    std::uint16_t first = 0;
    std::uint16_t last = 0;
    bool has(std::uint16_t port) const { return port >= first && port <= last; }
};

struct Settings {
    Limits limits;
    std::vector<IpNetwork> clients;                      // others are refused
    std::vector<IpNetwork> proxy_from;                   // peers that must send a PROXY protocol header, and are believed
    bool wait_for_log = false;                           // `when_full = "wait"`: nothing new begins while the event log is behind
    std::shared_ptr<const policy::ProtectHost> protect_host;  // null: turned off
    std::shared_ptr<const audit::Redaction> redaction;   // for what is shown of a URL
    std::shared_ptr<const inspect::Setup> inspect;       // null: payloads are not inspected
    policy::Deliver deliver = policy::Deliver::automatic;
    policy::Whole whole = policy::Whole::risky;
    policy::Ranges ranges = policy::Ranges::automatic;
    bool trickle = false;
    std::shared_ptr<const policy::Countries> countries;  // null: there is no database

    bool serves(const IpAddress& client) const {
        return std::ranges::any_of(clients, [&](const IpNetwork& network) { return network.contains(client); });
    }
    // Empty: not known.
    std::string_view country_of(const IpAddress& address) const { return countries ? countries->of(address) : std::string_view(); }
};

// The policy of one reload, as one worker holds it.
struct Rules {
    std::shared_ptr<const policy::Policy> policy;
    std::vector<audit::RuleSlot> slots;                  // by index of the rule
};

}  // namespace sluice::sessions
