// SPDX-License-Identifier: Apache-2.0
// A connection to the server: one from the pool, or a new one to an address that was judged. What was judged is what is dialled.
#include "base/text.h"
#include "net/pool.h"
#include "protocols/ftp/url_path.h"
#include "sessions/http/credentials.h"
#include "sessions/http/exchange.h"
#include "sessions/http/service.h"
#include "sessions/http/session.h"
#include "sessions/transaction/connect.h"

namespace sluice::http {

net::Task<Exchange::Refused> Exchange::connect() {
    // Inside a tunnel that is decrypted a request may be for another name that the server's certificate has: the server is the tunnel's.
    Authority of_tunnel;
    const bool is_other = session_->inside() && session_->inside()->host != url_.authority.host;
    if (is_other && !parse_authority(session_->inside()->authority, false, of_tunnel))
        co_return refused(500, "proxy_internal_error", "This proxy failed.");
    const Authority& wanted = is_other ? of_tunnel : url_.authority;
    const std::int64_t before = steady_ns();
    auto reached = co_await sessions::connect(worker_, judgement_, session_->peer().address, wanted, url_.port, limits());
    if (const auto* denial = std::get_if<sessions::Denial>(&reached)) co_return refusal_of(*denial, head_.method);
    const auto* failure = std::get_if<sessions::ConnectFailure>(&reached);
    if (failure && failure->in_resolving) co_return refusal_of(failure->error, http::Stage::resolving);
    upstream_ns_ += steady_ns() - before;
    if (failure) {
        server_ = failure->tried;
        co_return refusal_of(failure->error, http::Stage::dialling);
    }
    auto& dialled = std::get<net::Dialled>(reached);
    service_->metrics().add(audit::Counter::pool_opened);
    service_->metrics().observe(audit::Histogram::server_connect, dialled.duration.count());
    service_->metrics().add(audit::Gauge::server_connections, 1);
    upstream_ = std::move(dialled.stream);
    server_ = dialled.address;
    reused_ = false;
    if (url_.scheme == "ftp") open_ftp();
    if (session_->inside() && session_->inside()->tls) co_return co_await begin_tls();
    co_return std::nullopt;
}

// The FTP server becomes one that speaks HTTP. Who asks: the URL's userinfo, which some clients send besides Authorization, or Basic; else anybody.
void Exchange::open_ftp() {
    sessions::FtpOrigin origin;
    if (const auto login = ftp::parse_userinfo(url_.authority.userinfo); login && !login->user.empty()) {
        origin.user = login->user;
        origin.password = login->password;
    } else if (const auto value = head_.fields.find(http1::KnownField::authorization)) {
        if (auto basic = parse_basic(*value); basic && ftp::is_login_text(basic->user) && ftp::is_login_text(basic->password)) {
            origin.user = std::move(basic->user);
            origin.password = std::move(basic->password);
        }
    }
    origin.server = url_.authority;
    origin.port = url_.port;
    origin.path = url_.path;
    origin.type = ftp_type_;
    origin.url = url_.canonical();
    origin.client = session_->peer().address;
    origin.protect_host = generation_->settings->protect_host;
    origin.control = std::move(upstream_);
    upstream_ = service_->ftp_gateway()(std::move(origin));
}

// The addresses that the connections in the pool have were judged for another client, maybe by another policy: each is judged anew.
bool Exchange::take_pooled() {
    judgement_.begin_dial();
    std::optional<sessions::Judgement::Candidate> candidate;
    upstream_ = worker_.pool().take(pool_key(), [&](const net::Stream& stream) {
        return (candidate = judgement_.may_dial(session_->peer().address, stream.peer())).has_value();
    });
    if (!upstream_) return false;
    service_->metrics().add(audit::Counter::pool_reused);
    service_->metrics().add(audit::Gauge::server_connections, 1);
    server_ = upstream_->peer();
    reused_ = true;
    judgement_.take(*candidate);
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
