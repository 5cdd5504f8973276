// SPDX-License-Identifier: Apache-2.0
#include "sessions/smtp/service.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "sessions/smtp/session.h"

namespace sluice::smtp {

namespace {

std::string key_of(const UpstreamServer& server) {
    return server.path.empty() ? fmt::format("{}:{}", server.host.host, server.port) : server.path;
}

}  // namespace

Service::Service(Parts parts, Generation generation) : parts_(parts), bench_(generation.settings->limits), tls_sessions_(64) {
    replace(std::move(generation));
    worker().wheel().every_tick([this] { clock_.set(); });
}

Service::~Service() = default;

void Service::accept(net::Accepted accepted) {
    parts_.metrics.add(audit::Counter::client_connections);
    net::spawn(worker(), serve(std::move(accepted)));
}

net::Task<void> Service::serve(net::Accepted accepted) {
    Session session(*this, std::move(accepted));
    co_await session.run();
}

void Service::replace(Generation generation) {
    generation_ = std::make_shared<const Generation>(std::move(generation));
    unreached_.clear();
    user_files_.clear();
    for (const policy::Rule& rule : generation_->rules.policy->rules())
        if (rule.action == policy::Action::authenticate && !rule.shadow && std::ranges::find(user_files_, rule.users) == user_files_.end())
            user_files_.push_back(rule.users);
}

std::vector<const UpstreamServer*> Service::upstreams(const Settings& settings) const {
    std::vector<const UpstreamServer*> out;
    std::vector<const UpstreamServer*> late;
    for (const UpstreamServer& server : settings.upstreams) {
        const auto found = unreached_.find(key_of(server));
        (found == unreached_.end() || found->second <= steady_ns() ? out : late).push_back(&server);
    }
    out.insert(out.end(), late.begin(), late.end());
    return out;
}

void Service::remember(const UpstreamServer& server, bool is_reached) {
    if (!is_reached) unreached_[key_of(server)] = steady_ns() + std::chrono::nanoseconds(generation_->settings->limits.smtp_retry).count();
    else if (!unreached_.empty()) unreached_.erase(key_of(server));
}

void Service::add(Session& session) {
    roster_.add(session);
    parts_.metrics.add(audit::Gauge::client_connections, 1);
}

void Service::remove(Session& session) {
    roster_.remove(session);
    parts_.metrics.add(audit::Gauge::client_connections, -1);
}

}  // namespace sluice::smtp
