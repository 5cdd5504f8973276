// SPDX-License-Identifier: Apache-2.0
// What the configuration says to FTP sessions: immutable, one object for all workers, swapped whole by a reload. A session keeps the generation
// with which it logged in; each command is judged by the one that is current.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ip.h"
#include "base/url.h"
#include "net/tls/acceptor.h"
#include "net/tls/trust.h"
#include "sessions/transaction/settings.h"

namespace sluice::ftp {

using sessions::PortRange;

enum class DataMode : std::uint8_t { passive, active };  // how data connections to servers are made

enum class ClientTls : std::uint8_t { off, allow, require };
enum class UpstreamTls : std::uint8_t { off, prefer, require, match };  // match: what the client asked for

// A server that every client of the listener gets, whatever USER says.
struct FixedServer {
    Authority host;
    std::uint16_t port = 21;
};

struct Settings : sessions::Settings {
    std::vector<PortRange> ports{{21, 21}, {990, 990}};  // of servers, that may be reached
    PortRange passive_ports{30000, 30999};  // where clients' data connections come in
    std::optional<IpAddress> passive_address;  // said in a 227 where a NAT stands before us; IPv4
    std::optional<FixedServer> upstream;  // the administrator's choice: protect_host is null then
    DataMode upstream_mode = DataMode::passive;
    std::vector<std::string> site;  // SITE subcommands, upper case, that may go on to the rules
    std::size_t sessions_per_client = 64;
    ClientTls client_tls = ClientTls::allow;
    UpstreamTls upstream_tls = UpstreamTls::match;
    bool require_tls_resumption = false;  // of clients' data connections
    std::vector<IpPort> implicit_listeners;  // that start in TLS
    std::shared_ptr<const net::tls::Acceptor> own_tls;  // null: clients are offered no TLS
    bool own_has_certificate = false;  // else they are shown leaves of the CA
    std::shared_ptr<const net::tls::Trust> trust;  // of servers; null where upstream_tls is off
};

struct Generation {
    std::shared_ptr<const Settings> settings;
    sessions::Rules rules;
};

}  // namespace sluice::ftp
