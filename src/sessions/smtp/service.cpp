// SPDX-License-Identifier: Apache-2.0
#include "sessions/smtp/service.h"

#include <algorithm>
#include <chrono>

#include "sessions/smtp/session.h"

namespace sluice::smtp {

std::int64_t Service::now_ns() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Service::Service(Parts parts, Generation generation) : parts_(parts), bench_(generation.settings->limits), tls_sessions_(64) {
    replace(std::move(generation));
    on_tick();
    worker().wheel().every_tick([this] { on_tick(); });
}

Service::~Service() = default;

void Service::on_tick() {
    const auto unix_now = std::chrono::system_clock::now().time_since_epoch();
    unix_offset_ns_ = std::chrono::duration_cast<std::chrono::nanoseconds>(unix_now).count() - now_ns();
}

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

void Service::drain() {
    draining_ = true;
    for (Session* session = sessions_; session != nullptr; session = session->next_) session->drain();
}

void Service::add(Session& session) {
    session.next_ = sessions_;
    session.link_ = &sessions_;
    if (sessions_ != nullptr) sessions_->link_ = &session.next_;
    sessions_ = &session;
    ++live_;
    parts_.metrics.add(audit::Gauge::client_connections, 1);
}

void Service::remove(Session& session) {
    *session.link_ = session.next_;
    if (session.next_ != nullptr) session.next_->link_ = session.link_;
    --live_;
    parts_.metrics.add(audit::Gauge::client_connections, -1);
}

}  // namespace sluice::smtp
