// SPDX-License-Identifier: Apache-2.0
// What the configuration says to HTTP sessions: immutable, one object for all workers, swapped whole by a reload. A transaction keeps the
// generation with which it began.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "audit/metrics.h"
#include "audit/redact.h"
#include "base/ip.h"
#include "base/limits.h"
#include "policy/policy.h"
#include "policy/protect_host.h"

namespace sluice::http {

struct PortRange {
    std::uint16_t first = 0;
    std::uint16_t last = 0;
};

// How the server learns of the client.
enum class Forwarded : std::uint8_t { off, forwarded, x_forwarded_for };

struct Settings {
    Limits limits;
    std::vector<IpNetwork> clients;                      // others are refused
    std::vector<PortRange> connect_ports;                // that a CONNECT may reach
    std::vector<IpNetwork> proxy_from;                   // peers that must send a PROXY protocol header, and are believed
    Forwarded forwarded = Forwarded::off;
    std::string via = "sluice";                          // our pseudonym in Via: unique to this instance, because loops are found by it
    std::string page;                                    // template of the block page; empty: the built-in one
    std::string pac;                                     // what /proxy.pac answers; empty: the built-in one
    bool wait_for_log = false;                           // `when_full = "wait"`: no new request while the event log is behind
    std::shared_ptr<const policy::ProtectHost> protect_host;  // null: turned off
    std::shared_ptr<const audit::Redaction> redaction;   // for what a page shows of a URL
};

// All that changes with a reload, as one worker holds it.
struct Generation {
    std::shared_ptr<const Settings> settings;
    std::shared_ptr<const policy::Policy> policy;
    std::vector<audit::RuleSlot> rule_slots;             // by index of the rule
};

}  // namespace sluice::http
