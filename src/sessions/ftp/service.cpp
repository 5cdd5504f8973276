// SPDX-License-Identifier: Apache-2.0
#include "sessions/ftp/service.h"

#include <chrono>

#include "net/memory_stream.h"
#include "sessions/ftp/gateway.h"
#include "sessions/ftp/session.h"

namespace sluice::ftp {

std::int64_t Service::now_ns() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Service::Service(Parts parts, Generation generation)
    : parts_(parts),
      generation_(std::make_shared<const Generation>(std::move(generation))),
      bench_(generation_->settings->limits) {
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

std::unique_ptr<net::Stream> Service::open_url(sessions::FtpOrigin origin) {
    auto [inside, outside] = net::memory_pair(worker(), {}, origin.control->peer());
    net::spawn(worker(), fetch(std::move(inside), std::move(origin)));
    return std::move(outside);
}

net::Task<void> Service::fetch(std::unique_ptr<net::Stream> client, sessions::FtpOrigin origin) {
    Gateway gateway(worker(), generation_->settings, std::move(client), std::move(origin));
    co_await gateway.run();
}

void Service::replace(Generation generation) { generation_ = std::make_shared<const Generation>(std::move(generation)); }

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

}  // namespace sluice::ftp
