// SPDX-License-Identifier: Apache-2.0
// What the configuration says to HTTP sessions: immutable, one object for all workers, swapped whole by a reload. A transaction keeps the
// generation with which it began.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "audit/metrics.h"
#include "audit/redact.h"
#include "base/ip.h"
#include "base/limits.h"
#include "inspect/setup.h"
#include "net/tls/acceptor.h"
#include "net/tls/trust.h"
#include "policy/countries.h"
#include "policy/inspect_options.h"
#include "policy/policy.h"
#include "policy/protect_host.h"

namespace sluice::http {

struct PortRange {
    std::uint16_t first = 0;
    std::uint16_t last = 0;
};

// What becomes of a name whose clients refuse our certificates.
enum class Learn : std::uint8_t { off, suggest, apply };

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
    std::shared_ptr<const inspect::Setup> inspect;       // null: payloads are not inspected
    policy::Deliver deliver = policy::Deliver::automatic;
    policy::Whole whole = policy::Whole::risky;
    policy::Ranges ranges = policy::Ranges::automatic;
    bool trickle = false;
    bool intercept = false;                              // decrypt what no rule excepts
    Learn learn = Learn::suggest;
    std::vector<IpPort> tls_listeners;                   // ours that speak TLS
    std::shared_ptr<const net::tls::Acceptor> own_tls;   // how; null: there are none
    bool own_has_certificate = false;                    // else they show leaves of the CA
    std::shared_ptr<const net::tls::Trust> trust;        // null: nothing can be decrypted
    std::shared_ptr<const policy::Countries> countries;  // null: there is no database

    bool serves(const IpAddress& client) const {
        return std::ranges::any_of(clients, [&](const IpNetwork& network) { return network.contains(client); });
    }
    // Empty: not known.
    std::string_view country_of(const IpAddress& address) const { return countries ? countries->of(address) : std::string_view(); }
    bool may_connect_to(std::uint16_t port) const {
        return std::ranges::any_of(connect_ports, [&](const PortRange& range) { return port >= range.first && port <= range.last; });
    }
};

// event.reason of what is not served.
inline constexpr std::string_view not_in_clients = "the client's address is not in http.clients";
// And what a person reads of the latter.
inline constexpr std::string_view no_tunnel_there = "This proxy opens no tunnel to that port.";
inline constexpr std::string_view not_in_connect_ports = "not in http.connect_ports";

// All that changes with a reload, as one worker holds it.
struct Generation {
    std::shared_ptr<const Settings> settings;
    std::shared_ptr<const policy::Policy> policy;
    std::vector<audit::RuleSlot> rule_slots;             // by index of the rule
};

}  // namespace sluice::http
