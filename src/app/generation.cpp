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
    if (policy->protect_host()) {
        policy::ProtectHost::Self self{surroundings.interface_addresses, config.http.listen};
        self.listeners.insert(self.listeners.end(), config.http.tls_listen.begin(), config.http.tls_listen.end());
        self.listeners.insert(self.listeners.end(), config.admin.listen.begin(), config.admin.listen.end());
        settings->protect_host = std::make_shared<const policy::ProtectHost>(std::move(self));
    }
    settings->countries = config.geo.countries;
    settings->redaction = std::make_shared<const audit::Redaction>(config.log.redact);

    std::vector<std::string_view> names;
    for (const policy::Rule& rule : policy->all_rules()) names.push_back(rule.name);
    return {std::move(settings), {std::move(policy), metrics.rule_slots(names)}};
}

}  // namespace sluice::app
