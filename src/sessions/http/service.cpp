// SPDX-License-Identifier: Apache-2.0
#include "sessions/http/service.h"

#include "base/http_date.h"
#include "net/pool.h"
#include "sessions/http/exchange.h"
#include "sessions/http/session.h"

namespace sluice::http {

Service::Service(Parts parts, Generation generation)
    : parts_(parts),
      generation_(std::make_shared<const Generation>(std::move(generation))),
      bench_(generation_->settings->limits),
      tls_sessions_(generation_->settings->limits.tls_sessions) {
    if (parts_.interception != nullptr) leaves_.emplace(*parts_.interception->leaves, worker(), generation_->settings->limits.leaves);
    on_tick();
    parts_.lane.redact(generation_->settings->redaction);
    worker().wheel().every_tick([this] { on_tick(); });
}

Service::~Service() = default;

std::string Service::http_date() const { return sluice::http_date(unix_ns(steady_ns()) / 1'000'000'000); }

void Service::on_tick() {
    clock_.set();
    parts_.lane.flush();
    const net::Resolver::Counters dns = worker().resolver().counters();
    parts_.metrics.add(audit::Counter::dns_queries, dns.queries - dns_.queries);
    parts_.metrics.add(audit::Counter::dns_cache_hits, dns.cache_hits - dns_.cache_hits);
    parts_.metrics.add(audit::Counter::dns_failures, dns.failures - dns_.failures);
    dns_ = dns;
    if (leaves_) {
        const std::uint64_t made = leaves_->counters().made;
        parts_.metrics.add(audit::Counter::tls_leaves_made, made - leaves_made_);
        leaves_made_ = made;
    }
    parts_.metrics.set(audit::Gauge::server_connections_idle, static_cast<std::int64_t>(worker().pool().size()));
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
    ++reloads_;
    spare_.clear();                                      // they hold the former one
    parts_.lane.redact(generation_->settings->redaction);
    worker().set_limits(generation_->settings->limits);
    const std::vector<Exchange*> open = tunnels_;        // one that ends takes itself off the list
    for (Exchange* tunnel : open) tunnel->judge_tunnel_again(generation_);
}

std::unique_ptr<Exchange> Service::borrow_exchange() {
    if (spare_.empty()) return std::make_unique<Exchange>(*this);
    std::unique_ptr<Exchange> exchange = std::move(spare_.back());
    spare_.pop_back();
    return exchange;
}

void Service::give_back(std::unique_ptr<Exchange> exchange) {
    constexpr std::size_t kept = 128;
    if (spare_.size() < kept && exchange->is_worth_keeping(generation_)) spare_.push_back(std::move(exchange));
}

void Service::add(Session& session) {
    roster_.add(session);
    parts_.metrics.add(audit::Gauge::client_connections, 1);
}

void Service::remove(Session& session) {
    roster_.remove(session);
    parts_.metrics.add(audit::Gauge::client_connections, -1);
}

void Service::add_tunnel(Exchange& exchange) {
    tunnels_.push_back(&exchange);
    parts_.metrics.add(audit::Gauge::tunnels, 1);
}

void Service::remove_tunnel(Exchange& exchange) {
    std::erase(tunnels_, &exchange);
    parts_.metrics.add(audit::Gauge::tunnels, -1);
}

}  // namespace sluice::http
