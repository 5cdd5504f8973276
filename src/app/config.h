// SPDX-License-Identifier: Apache-2.0
// The configuration: one TOML file and those that it includes, read, checked and turned into values. Nothing here is looked up by name later on.
// A member's initial value is the key's default; the key's name is the member's, in the section's name.
#pragma once

#include "base/diagnostic.h"
#include "base/ip.h"
#include "base/limits.h"
#include "base/url.h"
#include "net/tls/trust.h"
#include "policy/inspect_options.h"
#include "policy/source.h"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::policy {
class Countries;
}

namespace sluice::app {

// Ports `first` to `last`, both included.
struct PortRange {
    std::uint16_t first = 0;
    std::uint16_t last = 0;
    friend bool operator==(const PortRange&, const PortRange&) = default;
};

enum class Forwarded : std::uint8_t { off, forwarded, x_forwarded_for };  // RFC 7239, or what came before it
enum class WhenFull : std::uint8_t { drop, wait };
enum class Level : std::uint8_t { debug, info, warning, error };

// Loopback, private and link-local networks: the clients that are served when nothing is said.
std::vector<IpNetwork> default_clients();

// 127.0.0.0/8 and ::1.
std::vector<IpNetwork> loopback_networks();

struct HttpConfig {
    std::vector<IpPort> listen{{IpAddress::v4(0x7f000001), 3128}};
    std::vector<IpPort> tls_listen;  // those written as "https://127.0.0.1:3129"
    std::vector<IpNetwork> clients = default_clients();
    std::vector<PortRange> connect_ports{{80, 80}, {443, 443}, {8443, 8443}};
    std::vector<IpNetwork> proxy_from;
    Forwarded forwarded = Forwarded::off;
    std::filesystem::path page_file;  // empty: the built-in page
    std::filesystem::path pac_file;  // empty: the built-in /proxy.pac
    std::string page;  // the contents of those files
    std::string pac;
    friend bool operator==(const HttpConfig&, const HttpConfig&) = default;
};

enum class ClientTls : std::uint8_t { off, allow, require };
enum class UpstreamTls : std::uint8_t { off, prefer, require, match };  // match: what the client asked for

struct FtpConfig {
    std::vector<IpPort> listen{{IpAddress::v4(0x7f000001), 2121}};
    struct Upstream {
        std::string host;  // canonical; empty: USER names the server
        std::uint16_t port = 21;
        friend bool operator==(const Upstream&, const Upstream&) = default;
    } upstream;
    std::vector<PortRange> ports{{21, 21}, {990, 990}};
    PortRange passive_ports{30000, 30999};
    std::optional<IpAddress> passive_address;  // IPv4; none: the one that the client reached
    bool is_active = false;  // data connections to servers: upstream_mode = "active"
    std::vector<IpPort> implicit_tls;
    ClientTls client_tls = ClientTls::allow;
    UpstreamTls upstream_tls = UpstreamTls::match;
    bool require_tls_resumption = false;
    std::vector<std::string> site;  // upper case
    std::size_t sessions_per_client = 64;
    bool is_on() const { return !listen.empty() || !implicit_tls.empty(); }
    friend bool operator==(const FtpConfig&, const FtpConfig&) = default;
};

// How a server of mail is spoken with; smtps: in TLS from the first octet.
enum class UpstreamKind : std::uint8_t { smtp, smtps, lmtp };
enum class BareNewline : std::uint8_t { reject, normalize };
// How the upstream learns who the client is.
enum class UpstreamClient : std::uint8_t { none, xclient, xforward, proxy1, proxy2 };

struct SmtpConfig {
    std::vector<IpPort> listen;  // with an upstream and no `listen`: `default_smtp_listeners`
    struct Upstream {
        UpstreamKind kind = UpstreamKind::smtp;
        std::string host;  // canonical
        std::uint16_t port = 25;
        std::string path;  // absolute, of a local socket, in place of host and port
        friend bool operator==(const Upstream&, const Upstream&) = default;
    };
    std::vector<Upstream> upstreams;  // in order of preference; empty: no mail is taken
    std::string hostname;  // empty: the system's, see `mail_hostname`
    std::vector<std::string> domains;  // ASCII, small letters
    std::vector<IpNetwork> relay_clients = loopback_networks();
    std::uint64_t max_message = 50ULL << 20;  // bytes
    std::size_t max_recipients = 100;
    std::vector<IpPort> implicit_tls;
    ClientTls client_tls = ClientTls::allow;
    UpstreamTls upstream_tls = UpstreamTls::prefer;  // never `match`
    bool auth_without_tls = false;
    BareNewline bare_newline = BareNewline::reject;
    std::vector<IpNetwork> bare_newline_clients;
    bool received = true;
    UpstreamClient upstream_client = UpstreamClient::none;
    std::vector<IpNetwork> trusted;
    bool is_on() const { return !listen.empty() || !implicit_tls.empty(); }
    friend bool operator==(const SmtpConfig&, const SmtpConfig&) = default;
};

struct AdminConfig {
    std::vector<IpPort> listen;  // loopback only; see `default_admin_listeners`
    std::vector<std::string> hosts;  // Host values that /api and the console will answer to
    friend bool operator==(const AdminConfig&, const AdminConfig&) = default;
};

struct LogConfig {
    std::string events = "-";  // "-": standard output; "": none; else an absolute path
    WhenFull when_full = WhenFull::drop;
    std::vector<std::string> redact{"token", "password"};
    Level level = Level::info;
    friend bool operator==(const LogConfig&, const LogConfig&) = default;
};

struct DnsConfig {
    std::filesystem::path hosts = "/etc/hosts";
    std::filesystem::path resolv_conf = "/etc/resolv.conf";
    std::vector<IpPort> servers;  // instead of those of resolv.conf
    friend bool operator==(const DnsConfig&, const DnsConfig&) = default;
};

struct GeoConfig {
    std::filesystem::path country_file;  // empty: no database
    std::shared_ptr<const policy::Countries> countries;  // what was in it
};

// clamd, over a socket of this machine (then objects are handed over as descriptors) or over the network.
struct ClamavConfig {
    std::filesystem::path socket;  // absolute; empty: host and port
    std::string host;
    std::uint16_t port = 0;
    std::uint64_t max_size = 100ULL << 20;  // bytes; beyond: unscannable, too-large
    friend bool operator==(const ClamavConfig&, const ClamavConfig&) = default;
};

// A scanner that speaks ICAP (RFC 3507).
struct IcapConfig {
    std::string url;  // as it was written: "icap://127.0.0.1:1344/avscan"
    std::string host;
    std::uint16_t port = 1344;
    std::string path;  // "/avscan"
    friend bool operator==(const IcapConfig&, const IcapConfig&) = default;
};

enum class Learn : std::uint8_t { off, suggest, apply };

struct TlsConfig {
    bool intercept = false;
    std::filesystem::path ca_dir = "ca";  // absolute once it is read: a relative one is under state_dir
    std::filesystem::path upstream_ca;  // PEM, trusted beside the system's; empty: none
    std::filesystem::path certificate;  // of our own listeners, PEM with its chain; empty: none
    std::filesystem::path key;
    std::filesystem::path client_ca;  // PEM: who signs the certificates of our own listeners' clients; empty: they need none
    std::vector<net::tls::ClientCertificate> client_certificates;  // ours, for servers that ask for one
    Learn learn = Learn::suggest;
    friend bool operator==(const TlsConfig&, const TlsConfig&) = default;
};

struct InspectConfig {
    policy::EngineSet engines{policy::Engine::hash, policy::Engine::signatures, policy::Engine::yara};
    std::vector<std::filesystem::path> yara;  // files that the patterns name, in name order; they are there, and not yet looked into
    std::vector<std::filesystem::path> signatures;
    std::optional<ClamavConfig> clamav;
    std::optional<IcapConfig> icap;
    policy::Deliver deliver = policy::Deliver::automatic;
    policy::Whole whole = policy::Whole::risky;
    policy::Ranges ranges = policy::Ranges::automatic;
    bool trickle = false;
    std::chrono::milliseconds timeout{30'000};
    std::uint64_t max_size = 512ULL << 20;  // bytes, as the next two
    std::uint64_t memory = 256ULL << 20;
    std::uint64_t disk = 4ULL << 30;
    unsigned scanners = 0;  // 0: one a core, see `scanner_count`
    friend bool operator==(const InspectConfig&, const InspectConfig&) = default;
};

struct QuarantineConfig {
    std::filesystem::path dir = "quarantine";  // absolute once it is read: a relative one is under state_dir
    std::uint64_t max_size = 1ULL << 30;  // bytes
    std::chrono::milliseconds keep = std::chrono::hours(24 * 30);
    friend bool operator==(const QuarantineConfig&, const QuarantineConfig&) = default;
};

struct Config {
    std::vector<std::filesystem::path> files;  // what was read, in order; empty: the embedded default
    unsigned workers = 0;  // 0: one a core, see `worker_count`
    std::string user;  // empty: keep ours
    std::filesystem::path state_dir;  // absolute
    HttpConfig http;
    FtpConfig ftp;
    SmtpConfig smtp;
    AdminConfig admin;
    LogConfig log;
    DnsConfig dns;
    GeoConfig geo;
    Limits limits;
    TlsConfig tls;
    InspectConfig inspect;
    QuarantineConfig quarantine;
    std::string timezone;  // [policy] timezone, as in "Europe/Berlin"; empty: the system's
    policy::PolicySource policy;
};

// Cores that this process may run on, or what `workers` says.
unsigned worker_count(const Config& config);

// The same for scanner processes.
unsigned scanner_count(const Config& config);

// Every address that we listen on, of all protocols and the admin listener.
std::vector<IpPort> own_listeners(const Config& config);

// The one server of all FTP clients; only where ftp.upstream names one.
Authority upstream_authority(const FtpConfig& ftp);
// One of SMTP's, other than a local socket.
Authority upstream_authority(const SmtpConfig::Upstream& upstream);

// 127.0.0.1:2525.
std::vector<IpPort> default_smtp_listeners();

// A name that mail is routed by (RFC 5321 4.1.2), in ASCII and small letters: labels of letters, digits and hyphens. Empty: it is none.
std::string mail_domain(std::string_view written);

// smtp.hostname, or the system's name; "localhost" where that is no name in a domain.
std::string mail_hostname(const SmtpConfig& smtp);

// 127.0.0.1:9180, and [::1]:9180 where the machine has IPv6.
std::vector<IpPort> default_admin_listeners();

// $STATE_DIRECTORY (set by systemd); /var/lib/sluice for root; else $XDG_STATE_HOME/sluice or ~/.local/state/sluice.
std::filesystem::path default_state_dir();

// Where the configuration comes from: `option` (-c), $SLUICE_CONFIG, ./sluice.toml (not for root: whoever owns the folder would configure
// it), /etc/sluice/sluice.toml. nullopt: the embedded default.
std::optional<std::filesystem::path> find_config(const std::string& option);

// Reads a file and what it includes. All faults are reported, not only the first: the Config is complete, and its values are defaults where
// one was at fault. It must not be used for traffic when `has_errors(faults)`. Rules and lists are not compiled here.
Config read_config(const std::filesystem::path& file, Diagnostics& faults);
// The same for text; `name` stands in faults, relative paths are relative to the current folder.
Config parse_config(std::string_view text, const std::string& name, Diagnostics& faults);
// `find_config` and then `read_config`, or the embedded default.
Config load_config(const std::string& option, Diagnostics& faults);

// The embedded default: complete, commented TOML that says what an empty file means.
std::string_view default_config_text();

// The keys that differ and cannot change while it runs ("workers", "http.listen", …).
std::vector<std::string_view> keys_needing_restart(const Config& running, const Config& wanted);

}  // namespace sluice::app
