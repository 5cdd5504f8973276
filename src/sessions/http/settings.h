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

#include "base/ip.h"
#include "net/tls/acceptor.h"
#include "net/tls/trust.h"
#include "sessions/transaction/settings.h"

namespace sluice::http {

using sessions::PortRange;

// What becomes of a name whose clients refuse our certificates.
enum class Learn : std::uint8_t { off, suggest, apply };

// How the server learns of the client.
enum class Forwarded : std::uint8_t { off, forwarded, x_forwarded_for };

struct Settings : sessions::Settings {
    std::vector<PortRange> connect_ports;                // that a CONNECT may reach
    std::vector<PortRange> ftp_ports;                    // that an ftp: URL may be of
    Forwarded forwarded = Forwarded::off;
    std::string via = "sluice";                          // our pseudonym in Via: unique to this instance, because loops are found by it
    std::string page;                                    // template of the block page; empty: the built-in one
    std::string pac;                                     // what /proxy.pac answers; empty: the built-in one
    bool intercept = false;                              // decrypt what no rule excepts
    Learn learn = Learn::suggest;
    std::vector<IpPort> tls_listeners;                   // ours that speak TLS
    std::shared_ptr<const net::tls::Acceptor> own_tls;   // how; null: there are none
    bool own_has_certificate = false;                    // else they show leaves of the CA
    std::shared_ptr<const net::tls::Trust> trust;        // null: nothing can be decrypted

    bool may_connect_to(std::uint16_t port) const {
        return std::ranges::any_of(connect_ports, [&](const PortRange& range) { return range.has(port); });
    }
    bool may_fetch_from(std::uint16_t port) const {
        return std::ranges::any_of(ftp_ports, [&](const PortRange& range) { return range.has(port); });
    }
};

// event.reason of what is not served.
inline constexpr std::string_view not_in_clients = "the client's address is not in http.clients";
// And what a person reads of the latter.
inline constexpr std::string_view no_tunnel_there = "This proxy opens no tunnel to that port.";
inline constexpr std::string_view not_in_connect_ports = "not in http.connect_ports";
inline constexpr std::string_view not_in_ftp_ports = "not in ftp.ports";

// All that changes with a reload, as one worker holds it.
struct Generation {
    std::shared_ptr<const Settings> settings;
    sessions::Rules rules;
};

}  // namespace sluice::http
