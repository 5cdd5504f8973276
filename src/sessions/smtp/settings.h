// SPDX-License-Identifier: Apache-2.0
// What the configuration says to SMTP sessions: immutable, one object for all workers, swapped whole by a reload. A session greets with one
// generation; each message is judged by the one that is current at its MAIL.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/ip.h"
#include "base/url.h"
#include "net/tls/acceptor.h"
#include "net/tls/trust.h"
#include "sessions/transaction/settings.h"

namespace sluice::smtp {

enum class ClientTls : std::uint8_t { off, allow, require };
enum class UpstreamTls : std::uint8_t { off, prefer, require };
enum class BareNewline : std::uint8_t { reject, normalize };
// How the upstream learns who the client is.
enum class UpstreamClient : std::uint8_t { none, xclient, xforward, proxy1, proxy2 };

// Where accepted mail goes.
struct UpstreamServer {
    enum class Kind : std::uint8_t { smtp, smtps, lmtp };
    Kind kind = Kind::smtp;
    Authority host;
    std::uint16_t port = 25;
    std::string path;  // of a local socket ("lmtp:/path"), instead of host and port

    bool is_same_as(const UpstreamServer& other) const {
        return kind == other.kind && host.host == other.host.host && port == other.port && path == other.path;
    }
};

struct Settings : sessions::Settings {
    std::vector<UpstreamServer> upstreams;  // in order of preference; at least one where there is a listener
    std::string hostname;  // ours
    std::vector<std::string> domains;  // of recipients, taken from any client; small letters, ASCII
    std::vector<IpNetwork> relay_clients;  // whose other recipients are taken too
    std::uint64_t max_message = 50 * 1024 * 1024;  // octets
    std::size_t max_recipients = 100;
    ClientTls client_tls = ClientTls::allow;
    UpstreamTls upstream_tls = UpstreamTls::prefer;
    bool auth_without_tls = false;
    BareNewline bare_newline = BareNewline::reject;
    std::vector<IpNetwork> bare_newline_clients;  // for whom `normalize` holds
    bool adds_received = true;
    UpstreamClient upstream_client = UpstreamClient::none;
    std::vector<IpNetwork> trusted;  // peers whose XCLIENT and XFORWARD are believed
    std::vector<IpPort> listeners;  // ours, of mail
    std::vector<IpPort> implicit_listeners;  // those that start in TLS
    std::shared_ptr<const net::tls::Acceptor> own_tls;  // null: clients are offered no TLS
    bool own_has_certificate = false;  // else they are shown leaves of the CA
    std::shared_ptr<const net::tls::Trust> trust;  // of upstreams; null where upstream_tls is off and none is smtps
};

struct Generation {
    std::shared_ptr<const Settings> settings;
    sessions::Rules rules;
};

}  // namespace sluice::smtp
