// SPDX-License-Identifier: Apache-2.0
#include "sessions/smtp/service.h"

#include <algorithm>

#include "sessions/smtp/session.h"

namespace sluice::smtp {

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
    user_files_.clear();
    for (const policy::Rule& rule : generation_->rules.policy->rules())
        if (rule.action == policy::Action::authenticate && !rule.shadow && std::ranges::find(user_files_, rule.users) == user_files_.end())
            user_files_.push_back(rule.users);
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
