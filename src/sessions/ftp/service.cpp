// SPDX-License-Identifier: Apache-2.0
#include "sessions/ftp/service.h"

#include "net/memory_stream.h"
#include "sessions/ftp/gateway.h"
#include "sessions/ftp/session.h"

namespace sluice::ftp {

Service::Service(Parts parts, Generation generation)
    : parts_(parts),
      generation_(std::make_shared<const Generation>(std::move(generation))),
      bench_(generation_->settings->limits) {
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

void Service::add(Session& session) {
    roster_.add(session);
    parts_.metrics.add(audit::Gauge::client_connections, 1);
}

void Service::remove(Session& session) {
    roster_.remove(session);
    parts_.metrics.add(audit::Gauge::client_connections, -1);
}

}  // namespace sluice::ftp
