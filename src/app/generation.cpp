// SPDX-License-Identifier: Apache-2.0
#include "app/generation.h"

#include <fmt/format.h>

#include <random>

namespace sluice::app {

std::string new_via_name() { return fmt::format("sluice-{:08x}", std::random_device{}()); }

http::Generation make_generation(const Config& config, std::shared_ptr<const policy::Policy> policy,
                                 std::shared_ptr<const inspect::Setup> inspect, const Tls& tls, const Surroundings& surroundings,
                                 audit::Metrics& metrics) {
    auto settings = std::make_shared<http::Settings>();
    settings->limits = config.limits;
    settings->clients = config.http.clients;
    for (const PortRange& range : config.http.connect_ports) settings->connect_ports.push_back({range.first, range.last});
    for (const PortRange& range : config.ftp.ports) settings->ftp_ports.push_back({range.first, range.last});
    settings->proxy_from = config.http.proxy_from;
    switch (config.http.forwarded) {
        case Forwarded::off: settings->forwarded = http::Forwarded::off; break;
        case Forwarded::forwarded: settings->forwarded = http::Forwarded::forwarded; break;
        case Forwarded::x_forwarded_for: settings->forwarded = http::Forwarded::x_forwarded_for; break;
    }
    settings->via = surroundings.via;
    if (!config.inspect.engines.empty()) settings->inspect = std::move(inspect);
    settings->deliver = config.inspect.deliver;
    settings->whole = config.inspect.whole;
    settings->ranges = config.inspect.ranges;
    settings->trickle = config.inspect.trickle;
    settings->intercept = config.tls.intercept;
    switch (config.tls.learn) {
        case Learn::off: settings->learn = http::Learn::off; break;
        case Learn::suggest: settings->learn = http::Learn::suggest; break;
        case Learn::apply: settings->learn = http::Learn::apply; break;
    }
    settings->trust = tls.trust;
    settings->own_tls = tls.own;
    settings->own_has_certificate = !config.tls.certificate.empty();
    settings->tls_listeners = config.http.tls_listen;
    settings->page = config.http.page;
    settings->pac = config.http.pac;
    settings->wait_for_log = config.log.when_full == WhenFull::wait;
    if (policy->protect_host())
        settings->protect_host =
            std::make_shared<const policy::ProtectHost>(policy::ProtectHost::Self{surroundings.interface_addresses, own_listeners(config)});
    settings->countries = config.geo.countries;
    settings->redaction = std::make_shared<const audit::Redaction>(config.log.redact);

    std::vector<std::string_view> names;
    for (const policy::Rule& rule : policy->all_rules()) names.push_back(rule.name);
    return {std::move(settings), {std::move(policy), metrics.rule_slots(names)}};
}

ftp::Generation make_ftp_generation(const Config& config, const http::Generation& http, const Tls& tls) {
    auto settings = std::make_shared<ftp::Settings>();
    static_cast<sessions::Settings&>(*settings) = *http.settings;
    settings->ports.clear();
    for (const PortRange& range : config.ftp.ports) settings->ports.push_back({range.first, range.last});
    settings->passive_ports = {config.ftp.passive_ports.first, config.ftp.passive_ports.last};
    settings->passive_address = config.ftp.passive_address;
    if (!config.ftp.upstream.host.empty()) {
        settings->upstream = ftp::FixedServer{upstream_authority(config.ftp), config.ftp.upstream.port};
        settings->protect_host = nullptr;                // what the configuration names is exempt, and nothing else is dialled
    }
    settings->upstream_mode = config.ftp.is_active ? ftp::DataMode::active : ftp::DataMode::passive;
    settings->site = config.ftp.site;
    settings->sessions_per_client = config.ftp.sessions_per_client;
    settings->client_tls = static_cast<ftp::ClientTls>(config.ftp.client_tls);
    settings->upstream_tls = static_cast<ftp::UpstreamTls>(config.ftp.upstream_tls);
    settings->require_tls_resumption = config.ftp.require_tls_resumption;
    settings->implicit_listeners = config.ftp.implicit_tls;
    settings->own_tls = tls.ftp_own;
    settings->own_has_certificate = !config.tls.certificate.empty();
    settings->trust = tls.ftp_trust;
    return {std::move(settings), http.rules};
}

smtp::Generation make_smtp_generation(const Config& config, const http::Generation& http, const Tls& tls) {
    auto settings = std::make_shared<smtp::Settings>();
    static_cast<sessions::Settings&>(*settings) = *http.settings;
    settings->protect_host = nullptr;  // what the configuration names is exempt, and nothing else is dialled
    for (const SmtpConfig::Upstream& upstream : config.smtp.upstreams) {
        smtp::UpstreamServer server;
        server.kind = static_cast<smtp::UpstreamServer::Kind>(upstream.kind);
        server.path = upstream.path;
        if (upstream.path.empty()) server.host = upstream_authority(upstream);
        server.port = upstream.port;
        settings->upstreams.push_back(std::move(server));
    }
    settings->hostname = mail_hostname(config.smtp);
    settings->domains = config.smtp.domains;
    settings->relay_clients = config.smtp.relay_clients;
    settings->max_message = config.smtp.max_message;
    settings->max_recipients = config.smtp.max_recipients;
    settings->client_tls = static_cast<smtp::ClientTls>(config.smtp.client_tls);
    settings->upstream_tls = static_cast<smtp::UpstreamTls>(config.smtp.upstream_tls);
    settings->auth_without_tls = config.smtp.auth_without_tls;
    settings->bare_newline = static_cast<smtp::BareNewline>(config.smtp.bare_newline);
    settings->bare_newline_clients = config.smtp.bare_newline_clients;
    settings->adds_received = config.smtp.received;
    settings->upstream_client = static_cast<smtp::UpstreamClient>(config.smtp.upstream_client);
    settings->trusted = config.smtp.trusted;
    settings->listeners = config.smtp.listen;
    settings->listeners.insert(settings->listeners.end(), config.smtp.implicit_tls.begin(), config.smtp.implicit_tls.end());
    settings->implicit_listeners = config.smtp.implicit_tls;
    settings->own_tls = tls.smtp_own;
    settings->own_has_certificate = !config.tls.certificate.empty();
    settings->trust = tls.smtp_trust;
    return {std::move(settings), http.rules};
}

}  // namespace sluice::app
