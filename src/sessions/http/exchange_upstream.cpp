// SPDX-License-Identifier: Apache-2.0
// A connection to the server: one from the pool, or a new one to an address that was judged. What was judged is what is dialled.
#include <algorithm>

#include "base/text.h"
#include "net/dial.h"
#include "net/pool.h"
#include "net/resolver.h"
#include "sessions/http/exchange.h"
#include "sessions/http/service.h"
#include "sessions/http/session.h"

namespace sluice::http {

// What rules of `dial` said before is of no connection that is used.
void Exchange::begin_dial() {
    dial_refusal_.reset();
    dial_refusal_effects_ = {};
    if (before_dial_) forget_dial_effects();
}

net::Task<Exchange::Refused> Exchange::connect() {
    begin_dial();
    const std::int64_t before = Service::now_ns();
    candidates_.clear();
    // Inside a tunnel that is decrypted a request may be for another name that the server's certificate has: the server is the tunnel's.
    Authority of_tunnel;
    const bool is_other = session_->inside() && session_->inside()->host != url_.authority.host;
    if (is_other && !parse_authority(session_->inside()->authority, false, of_tunnel))
        co_return refused(500, "proxy_internal_error", "This proxy failed.");
    const Authority& wanted = is_other ? of_tunnel : url_.authority;
    if (wanted.address) {
        const IpPort address{wanted.address->unmapped(), url_.port};
        if (auto candidate = may_dial(address)) candidates_.push_back(std::move(*candidate));
    } else {
        const auto addresses = co_await worker_.resolver().resolve(wanted.host);
        if (!addresses) co_return refusal_of(addresses.error(), http::Stage::resolving);
        for (const IpAddress& found : (*addresses)->list) {
            const IpPort address{found.unmapped(), url_.port};
            if (std::ranges::find(candidates_, address, &Candidate::address) != candidates_.end()) continue;
            if (auto candidate = may_dial(address)) candidates_.push_back(std::move(*candidate));
        }
    }
    if (candidates_.empty()) {
        keep_dial_effects(dial_refusal_effects_);
        co_return dial_refusal_;
    }
    judged_.clear();
    for (const Candidate& candidate : candidates_) judged_.push_back(candidate.address);

    auto dialled = co_await net::dial(worker_, judged_, limits());
    upstream_ns_ += Service::now_ns() - before;
    if (!dialled) {
        server_ = judged_.front();
        keep_dial_effects(candidates_.front().effects);
        co_return refusal_of(dialled.error(), http::Stage::dialling);
    }
    service_->metrics().add(audit::Counter::pool_opened);
    service_->metrics().observe(audit::Histogram::server_connect, dialled->duration.count());
    service_->metrics().add(audit::Gauge::server_connections, 1);
    upstream_ = std::move(dialled->stream);
    server_ = dialled->address;
    reused_ = false;
    for (const Candidate& candidate : candidates_)
        if (candidate.address == *server_) take_candidate(candidate);
    if (session_->inside() && session_->inside()->tls) co_return co_await begin_tls();
    co_return std::nullopt;
}

// The addresses that the connections in the pool have were judged for another client, maybe by another policy: each is judged anew.
bool Exchange::take_pooled() {
    begin_dial();
    std::optional<Candidate> candidate;
    upstream_ =
        worker_.pool().take(pool_key(), [&](const net::Stream& stream) { return (candidate = may_dial(stream.peer())).has_value(); });
    if (!upstream_) return false;
    service_->metrics().add(audit::Counter::pool_reused);
    service_->metrics().add(audit::Gauge::server_connections, 1);
    server_ = upstream_->peer();
    reused_ = true;
    take_candidate(*candidate);
    return true;
}

// NTLM and Negotiate prove who somebody is for a connection, not for a request (RFC 4559 6): such a connection is of no other client's.
void Exchange::bind_if_authenticated() {
    if (session_->binding() != 0) return;
    const auto is_of_connection = [](std::string_view value) {
        const std::string_view scheme = value.substr(0, value.find(' '));
        return equals_ignoring_case(scheme, "ntlm") || equals_ignoring_case(scheme, "negotiate");
    };
    bool binds = false;
    head_.fields.for_each(http1::KnownField::authorization, [&](std::string_view value) { binds = binds || is_of_connection(value); });
    response_.fields.for_each("WWW-Authenticate", [&](std::string_view value) { binds = binds || is_of_connection(value); });
    if (binds) session_->bind(service_->next_binding());
}

void Exchange::drop_upstream() {
    if (!upstream_) return;
    upstream_.reset();
    service_->metrics().add(audit::Gauge::server_connections, -1);
}

// Only after a response that ended where it said, with nothing behind it and no doubt about anything.
void Exchange::keep_upstream() {
    upstream_->expires_never();
    service_->metrics().add(audit::Gauge::server_connections, -1);
    worker_.pool().put(pool_key(), std::move(upstream_));
}

}  // namespace sluice::http
