// SPDX-License-Identifier: Apache-2.0
#include "sessions/http/session.h"

#include <algorithm>
#include <cstring>

#include "net/ca/leaves.h"
#include "net/proxy_protocol.h"
#include "net/tls/trust.h"
#include "sessions/http/exchange.h"
#include "sessions/http/service.h"
#include "sessions/transaction/own_tls.h"

namespace sluice::http {

Session::Session(Service& service, net::Accepted accepted)
    : Session(service, std::move(accepted.stream), std::move(accepted.permit), accepted.listener.to_string()) {
    is_tls_listener_ = std::ranges::find(service.generation()->settings->tls_listeners, accepted.listener) !=
                       service.generation()->settings->tls_listeners.end();
}

Session::Session(Service& service, std::unique_ptr<net::Stream> client, net::ConnectionPermit permit, std::string listener)
    : service_(service),
      client_(std::move(client)),
      permit_(std::move(permit)),
      listener_(std::move(listener)) {
    service_.add(*this);
}

Session::~Session() { service_.remove(*this); }

void Session::drain() {
    if (idle_) client_->cancel();
}

net::Task<void> Session::run() {
    if (!co_await open()) co_return;
    for (;;) {
        if (!co_await wait_for_request()) break;
        if (judged_at_ != service_.reloads()) judge_client();
        std::unique_ptr<Exchange> exchange = service_.borrow_exchange();
        const bool again = co_await exchange->run(*this);
        const bool must_linger = exchange->must_linger();
        service_.give_back(std::move(exchange));
        tidy_buffer();
        if (again) continue;
        if (must_linger) co_await linger();
        break;
    }
    client_->close();
}

// Who is there: the PROXY header where one is required, then whether we serve this client at all. Refusals wait for the request, so that it gets an
// answer that a person understands.
net::Task<bool> Session::open() {
    const auto& proxies = service_.generation()->settings->proxy_from;
    if (std::ranges::any_of(proxies, [&](const IpNetwork& network) { return network.contains(peer().address); }) &&
        !co_await read_proxy_header())
        co_return false;
    judge_client();
    if (!refused_ && !permit_.is_within_client_limit()) {
        service_.metrics().refused(audit::Refusal::client_limit);
        refused_ = refused(503, "connection_limit_reached", "You have too many connections open.");
        refused_->reason = "limits.connections_per_client is reached";
        refused_->close = true;
    }
    if (!refused_ || permit_.become_stranger()) co_return !is_tls_listener_ || co_await begin_tls();
    record_refused(refused_->error, refused_->reason, service_.unix_ns(steady_ns()), end_);
    client_->abort();
    co_return false;
}

// Whether we serve it at all: once, and again after a reload.
void Session::judge_client() {
    judged_at_ = service_.reloads();
    const Settings& settings = *service_.generation()->settings;
    if (refused_) return;
    if (!settings.serves(peer().address)) {
        service_.metrics().refused(audit::Refusal::client_not_allowed);
        refused_ = refused(403, "http_request_denied", "This proxy does not serve your address.");
        refused_->reason = not_in_clients;
    } else if (inside_ && !settings.may_connect_to(inside_->port)) {
        refused_ = refused(403, "http_request_denied", no_tunnel_there);
        refused_->reason = not_in_connect_ports;
    }
    if (refused_) refused_->close = true;
}

// The event of a connection that ends before it has a request.
void Session::record_refused(std::string_view error, std::string_view reason, std::int64_t begun_ns, std::size_t bytes) {
    const std::int64_t now = service_.unix_ns(steady_ns());
    audit::Event event;
    event.id = service_.next_id(now);
    event.start_ns = begun_ns;
    event.end_ns = now;
    event.action = audit::Action::refused;
    event.error_type = error;
    event.reason = reason;
    event.listener = listener_;
    event.client = peer();
    event.client_bytes = bytes;
    event.client_country = service_.generation()->settings->country_of(peer().address);
    service_.lane().write(event);
    service_.metrics().count(event);
}

net::Task<bool> Session::read_proxy_header() {
    const std::int64_t begun = service_.unix_ns(steady_ns());
    std::string_view reason;
    client_->expires_in(service_.worker().limits().proxy_header);
    for (;;) {
        const auto header = net::parse_proxy_header(unread());
        if (!header) {
            reason = header.error().what;
            break;
        }
        if (*header) {
            consume((*header)->consumed);
            if ((*header)->source) {
                client_->set_peer({(*header)->source->address.unmapped(), (*header)->source->port});
                permit_.set_client(peer().address);
            }
            client_->expires_never();
            tidy_buffer();
            co_return true;
        }
        const auto got = co_await read_more();
        if (got && *got != 0) continue;
        // A balancer that looks whether we are there says nothing, and is no refusal.
        if (unread().empty() && (got || got.error().code != Errc::timed_out)) co_return false;
        reason = got                                   ? "closed inside the PROXY header"
                 : got.error().code == Errc::timed_out ? "the PROXY header did not come in time"
                                                       : got.error().what;
        break;
    }
    service_.metrics().refused(audit::Refusal::proxy_header);
    record_refused("http_request_error", reason, begun, end_);
    client_->abort();
    co_return false;
}

// A listener in TLS: the handshake comes before everything else, and the client's certificate, where one is wanted, says who it is.
net::Task<bool> Session::begin_tls() {
    const std::int64_t begun = service_.unix_ns(steady_ns());
    const auto generation = service_.generation();
    const Settings& settings = *generation->settings;
    const Limits& limits = settings.limits;
    std::string ahead(unread());
    consume(unread().size());
    const auto ends = [&](std::string_view reason) {
        record_refused("tls_protocol_error", reason, begun, ahead.size());
        client_->abort();
        return false;
    };
    if (!settings.own_tls) co_return ends("this listener has no certificate any more");
    const bool needs_leaf = !settings.own_has_certificate;
    if (needs_leaf && service_.interception() == nullptr) co_return ends("there is no CA for this listener's certificate");
    std::optional<tls::ClientHello> hello;
    if (needs_leaf) {
        auto read = co_await sessions::read_client_hello(*client_, ahead, limits.client_hello_wait, limits);
        if (!read && ahead.empty()) co_return false;  // a look whether we are there
        if (!read) co_return ends(read.error().what);
        hello = std::move(*read);
    }
    sessions::OwnIdentity identity;
    if (const auto chosen =
            co_await sessions::choose_identity(*client_, hello ? &*hello : nullptr, needs_leaf ? &service_.leaves() : nullptr, identity);
        !chosen)
        co_return ends(chosen.error().what);
    const std::size_t read = ahead.size();
    auto opened = settings.own_tls->open(client_, std::move(ahead), identity.leaf.get(), identity.name);
    if (!opened) co_return ends(opened.error().what);
    net::tls::TlsStream& stream = **opened;
    client_ = std::move(*opened);
    tidy_buffer();
    stream.expires_in(refused_ ? limits.lingering : limits.tls_handshake);
    if (const auto done = co_await stream.handshake(); !done) {
        record_refused("tls_protocol_error", done.error().what, begun, read);
        client_->close();
        co_return false;
    }
    stream.expires_never();
    user_ = net::tls::client_name(stream);
    client_issuer_ = net::tls::issuer_of(net::tls::peer_certificate(stream));
    co_return true;
}

net::Task<bool> Session::wait_for_request() {
    for (;;) {
        if (service_.is_draining() && !(inside_ && !unread().empty())) co_return false;
        // While the log is behind and must not lose events, nothing new begins.
        if (!service_.generation()->settings->wait_for_log || service_.lane().has_room()) break;
        co_await service_.worker().sleep(net::Wheel::tick);
    }
    if (!unread().empty()) co_return true;
    // Who is refused gets no long time to ask: strangers must not hold the places of others.
    const Limits& limits = service_.generation()->settings->limits;
    client_->expires_in(refused_ ? limits.lingering : limits.client_idle);
    idle_ = true;
    const auto got = co_await client_->read_or_release(buffer_, service_.worker().buffers());
    idle_ = false;
    if (!got || *got == 0) co_return false;
    begin_ = 0;
    end_ = *got;
    co_return true;
}

net::Task<Result<std::size_t>> Session::read_more() {
    net::BufferPool& pool = service_.worker().buffers();
    if (!buffer_) {
        buffer_ = pool.borrow();
        begin_ = end_ = 0;
    }
    if (end_ == buffer_.size()) {
        if (begin_ > 0) {
            std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
        } else if (buffer_.size() < net::BufferPool::large_size) {
            net::Buffer larger = pool.borrow(net::BufferSize::large);
            std::memcpy(larger.data(), buffer_.data() + begin_, end_ - begin_);
            buffer_ = std::move(larger);
        } else {
            co_return fail(Errc::too_large, Side::client, "head too large");
        }
        end_ -= begin_;
        begin_ = 0;
    }
    const auto got = co_await client_->read_some(buffer_.span().subspan(end_));
    if (got) end_ += *got;
    co_return got;
}

// Between requests: what was read ahead comes to the front, and nothing is held for nothing.
void Session::tidy_buffer() {
    if (!pushed_back_.empty()) {
        const std::size_t size = end_ - begin_ + pushed_back_.size();
        net::Buffer whole =
            service_.worker().buffers().borrow(size < net::BufferPool::small_size ? net::BufferSize::small : net::BufferSize::large);
        if (end_ > begin_) std::memcpy(whole.data(), buffer_.data() + begin_, end_ - begin_);
        std::memcpy(whole.data() + (end_ - begin_), pushed_back_.data(), pushed_back_.size());
        buffer_ = std::move(whole);
        begin_ = 0;
        end_ = size;
        pushed_back_ = {};
        return;
    }
    if (begin_ == end_) begin_ = end_ = 0;
    if (end_ == 0 && buffer_.size() > net::BufferPool::small_size) buffer_.release();
}

// We answered before the client had sent everything. Closing now would make its system throw our answer away (RFC 9112 9.6): what still
// comes is read for a moment and forgotten.
net::Task<void> Session::linger() {
    client_->rearm();
    client_->shutdown_write();
    const Limits& limits = service_.worker().limits();
    client_->expires_in(limits.lingering);
    if (!buffer_) buffer_ = service_.worker().buffers().borrow();
    for (std::size_t read = 0; read < limits.lingering_bytes;) {
        const auto got = co_await client_->read_some(buffer_.span());
        if (!got || *got == 0) break;
        read += *got;
    }
}

}  // namespace sluice::http
