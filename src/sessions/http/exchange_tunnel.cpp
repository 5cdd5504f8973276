// SPDX-License-Identifier: Apache-2.0
// CONNECT and WebSockets: bytes that we pass on unread, once we know that they are not HTTP.
#include <array>

#include "net/pool.h"
#include "policy/users.h"
#include "protocols/http1/encoder.h"
#include "protocols/tls/client_hello.h"
#include "sessions/http/alarm.h"
#include "sessions/http/exchange.h"
#include "sessions/http/header_edits.h"
#include "sessions/http/service.h"
#include "sessions/http/session.h"

namespace sluice::http {

namespace {

// The first octet of every TLS record that begins a connection (RFC 8446 5.1).
constexpr char tls_handshake = 22;

constexpr std::string_view nothing_moved = "nothing moved for limits.tunnel_idle";

}  // namespace

net::Task<bool> Exchange::run_connect() {
    if (session_->inside()) {
        Refusal nested = refused(403, "http_request_denied", "There is no tunnel inside a tunnel.");
        nested.close = true;
        co_return co_await answer(nested);
    }
    if (const auto parsed = parse_authority(head_.target, false, url_.authority); !parsed || url_.authority.port == 0) {
        Refusal refusal = refused(400, "http_request_error", "CONNECT wants a host and a port.");
        refusal.reason = parsed ? "no port" : parsed.error().what;
        refusal.close = true;
        co_return co_await answer(refusal);
    }
    url_.scheme.clear();
    url_.path.clear();
    url_.query.clear();
    url_.has_query = false;
    url_.port = url_.authority.port;
    has_target_ = true;
    extension_.clear();
    host_key_.clear();
    url_.authority.append_to(host_key_, url_.port);

    const std::int64_t before = steady_ns();
    fill_client_facts(judgement_);
    fill_request_facts();
    Refused no = judge_accept();
    if (!no) no = co_await judge(policy::Phase::connect);
    if (!no) no = co_await judge(policy::Phase::request);
    policy_ns_ += steady_ns() - before;
    if (!no && !generation_->settings->may_connect_to(url_.port)) {
        no = refused(403, "http_request_denied", no_tunnel_there);
        no->reason = not_in_connect_ports;
    }
    // Where it is to be decrypted, the server is dialled once the ClientHello has said what for: a connection may be there already.
    const bool dials_later = wants_decryption();
    if (!no && !dials_later) no = co_await connect();
    if (no) co_return may_show_inside(*no) ? co_await show_inside(*no) : co_await answer(*no);
    if (!co_await say_connected()) co_return false;

    switch (co_await look_inside(wants_decryption())) {
        case Inside::gone: record(audit::Action::tunnelled); co_return false;
        case Inside::http:
            // Not a blind tunnel: what is asked inside is judged and recorded like any other request.
            // What a rule of `dial` trusts is an address: the next request may go to another one.
            session_->inside() =
                Session::Inside{url_.authority.host, url_.port, host_key_, judgement_.was_trusted_before_dial(), generation_, {}, {}, {}};
            if (!user_.empty()) session_->user() = user_;
            session_->push_back(first_bytes_);
            if (upstream_) keep_upstream();
            record(audit::Action::allowed);
            co_return true;
        case Inside::tls: co_return co_await run_tls();
        case Inside::opaque: break;
    }
    if (wants_decryption() || hides_its_name()) co_return refuse_opaque();
    co_return co_await run_tunnel("tunnel");
}

// 200 to a CONNECT. False: the client is gone, which was recorded.
net::Task<bool> Exchange::say_connected() {
    out_.clear();
    http1::HeadWriter writer(out_);
    writer.status_line(200, "Connection established");
    writer.field("Proxy-Status", "sluice");
    const HeaderEdits edits(judgement_.effects.header_edits, policy::Action::set_response_header, policy::Action::remove_response_header);
    edits.write(writer);
    writer.end();
    std::array<std::string_view, 1> pieces{out_};
    client_sent_ += net::total_size(pieces);
    session_->client().expires_never();
    if (const auto sent = co_await session_->client().write(pieces, 0, limits().body_idle); !sent) {
        note_error(sent.error(), http::Stage::relaying);
        record(audit::Action::aborted);
        co_return false;
    }
    status_ = 200;
    co_return true;
}

// Waits for the first bytes, of whichever side. What the client sent stays in first_bytes_, and a ClientHello, whole, in hello_. `must_be_known`: who
// says nothing, or begins one and does not end it, is `opaque` after limits.client_hello.
net::Task<Exchange::Inside> Exchange::look_inside(bool must_be_known) {
    first_bytes_.assign(session_->unread());
    session_->consume(first_bytes_.size());
    net::Stream& client = session_->client();
    client.expires_in(must_be_known ? limits().client_hello_wait : limits().tunnel_idle);
    bool is_tls = false;

    // A server that speaks first (SSH, SMTP) ends the wait: that is no HTTP.
    bool server_spoke = false;
    net::Gate watch_done;
    const auto watch_server = [](Exchange& self, bool& spoke, net::Gate& done) -> net::Task<void> {
        const auto ready = co_await self.upstream_->wait_readable();
        if (ready || ready.error().code != Errc::cancelled) {
            spoke = true;
            self.session_->client().cancel();
        }
        done.open();
    };
    bool watching = false;
    Inside inside = Inside::opaque;
    for (;;) {
        if (!first_bytes_.empty() && first_bytes_.front() == tls_handshake) {
            const auto hello = tls::parse_client_hello(first_bytes_, limits(), hello_);
            if (!hello) {
                is_unreadable_ = hello.error().code != Errc::unsupported;
                break;
            }
            if (*hello) {
                inside = Inside::tls;
                break;
            }
            if (!is_tls && !must_be_known) client.expires_in(limits().client_hello_wait);
            is_tls = true;
        }
        const http1::Guess guess = is_tls                 ? http1::Guess::undecided
                                   : first_bytes_.empty() ? http1::Guess::undecided
                                                          : http1::looks_like_request(first_bytes_);
        if (guess == http1::Guess::no) break;
        if (guess == http1::Guess::yes || (!is_tls && first_bytes_.size() >= limits().request_target)) {
            inside = Inside::http;
            break;
        }
        if (!watching && upstream_) {
            watching = true;
            net::spawn(worker_, watch_server(*this, server_spoke, watch_done));
        }
        std::array<char, 4096> more;
        const auto got = co_await client.read_some(more);
        if (!got && server_spoke) break;
        if (!got && got.error().code == Errc::timed_out && (is_tls || must_be_known)) {
            is_unreadable_ = is_tls;
            break;
        }
        if (!got || *got == 0) {
            // A client that ends its half at once may still want to hear the server.
            inside = got && !first_bytes_.empty() ? Inside::opaque : Inside::gone;
            if (!got && got.error().code == Errc::timed_out) reason_ = nothing_moved;
            else if (!got) note_error(got.error(), http::Stage::relaying);
            break;
        }
        first_bytes_.append(more.data(), *got);
    }
    if (watching && !watch_done.is_open()) {
        upstream_->cancel();
        co_await watch_done.wait();
    }
    if (watching) {
        upstream_->rearm();
        client.rearm();
    }
    client.expires_never();
    client_bytes_ += inside == Inside::http ? 0 : first_bytes_.size();
    co_return inside;
}

net::Task<bool> Exchange::run_tunnel(std::string_view scan_reason) {
    scan_reason_ = scan_reason;
    net::Stream& client = session_->client();
    client.expires_never();
    upstream_->expires_never();
    in_tunnel_ = true;
    relay_.emplace();
    service_->add_tunnel(*this);
    // A reload that came while the tunnel was being made.
    if (generation_ != service_->generation()) judge_tunnel_again(service_->generation());
    alarm_->expires_in(limits().long_lived);

    Result<void> ready{};
    std::array<std::string_view, 1> to_server{first_bytes_};
    if (!first_bytes_.empty() && !outcome_) { ready = co_await upstream_->write(to_server, 0, limits().body_idle); }
    net::RelayResult result;
    if (ready) {
        result = co_await net::relay(worker_, client, *upstream_, limits().tunnel_idle, &*relay_);
    } else {
        result.error = ready.error();
    }
    alarm_->expires_never();
    service_->remove_tunnel(*this);
    in_tunnel_ = false;
    client_bytes_ += result.to_server;
    server_bytes_ += result.to_client;
    server_sent_ += first_bytes_.size() + result.to_server;
    client_sent_ += result.to_client;

    if (!outcome_) {
        outcome_ = audit::Action::tunnelled;
        if (result.ended == net::RelayResult::Ended::idle) reason_ = nothing_moved;
        else if (result.error && result.error->code != Errc::cancelled) note_error(*result.error, http::Stage::relaying);
    }
    if (result.ended == net::RelayResult::Ended::error) client.abort();
    record(*outcome_, start_recorded_ ? audit::Stage::end : audit::Stage::whole);
    co_return false;
}

// 101: the client hears it, and from then on the bytes are theirs.
net::Task<bool> Exchange::upgrade() {
    if (watching_) co_await stop_client_watch();
    alarm_->expires_never();
    out_.clear();
    http1::HeadWriter writer(out_);
    writer.status_line(101, response_.reason);
    const HeaderEdits edits(judgement_.effects.header_edits, policy::Action::set_response_header, policy::Action::remove_response_header);
    const auto fields = response_.fields.all();
    for (std::size_t i = 0; i < fields.size(); ++i)
        if (!response_.is_for_this_hop(i) && !edits.touches(fields[i].name) &&
            response_.fields.known(i) != http1::KnownField::content_length)
            writer.field(fields[i].name, fields[i].value);
    writer.field("Connection", "Upgrade");
    writer.field("Upgrade", "websocket");
    writer.field("Via", via(response_.version));
    edits.write(writer);
    writer.end();
    status_ = 101;

    std::array<std::string_view, 2> pieces{out_, std::string_view(in_.data() + in_begin_, in_end_ - in_begin_)};
    client_sent_ += net::total_size(pieces);
    session_->client().expires_never();
    if (const auto sent = co_await session_->client().write(pieces, 0, limits().body_idle); !sent) {
        note_error(sent.error(), http::Stage::relaying);
        record(audit::Action::aborted);
        co_return false;
    }
    in_.release();
    judgement_.facts.clear(policy::Field::response_header);  // views of what was in it
    first_bytes_.assign(session_->unread());
    session_->consume(first_bytes_.size());
    first_bytes_ += session_->take_pushed_back();
    client_bytes_ += first_bytes_.size();
    co_return co_await run_tunnel("upgrade");
}

void Exchange::judge_tunnel_again(std::shared_ptr<const Generation> generation) {
    if (!relay_) return;
    // A token that a `limit` rule takes here would be taken twice for one tunnel.
    policy::RateLimits no_limits(1);
    sessions::Judgement again(policy::Protocol::http, {service_->scratch(), no_limits, service_->metrics()});
    again.begin(*generation->settings, generation->rules);
    policy::Facts& facts = again.facts;
    bool allowed = false;
    bool trusted = false;
    const policy::Rule* ending = nullptr;
    const auto end_as = [&](audit::Action action, std::string_view error, std::string_view rule, std::string_view reason) {
        outcome_ = action;
        error_type_ = error;
        judgement_.rule = rule;
        reason_ = reason;
        return true;
    };
    const auto says_no = [&](policy::Phase phase) {
        std::uint32_t from = 0;
        for (;;) {
            const policy::Decision decision = again.evaluate(phase, from);
            if (decision.action == policy::Action::authenticate && decision.rule->users->has(user_)) {
                from = decision.next;
                continue;
            }
            trusted = trusted || decision.action == policy::Action::trust;
            allowed = allowed || trusted || decision.action == policy::Action::allow;
            if (decision.action == policy::Action::none || decision.action == policy::Action::limit ||
                decision.action == policy::Action::intercept || decision.action == policy::Action::tunnel ||
                decision.action == policy::Action::allow || decision.action == policy::Action::trust)
                return false;
            ending = decision.rule;
            return end_as(decision.action == policy::Action::reset ? audit::Action::reset : audit::Action::blocked, "http_request_denied",
                          decision.rule->name, decision.rule->reason);
        }
    };
    bool ends = false;
    const Settings& settings = *generation->settings;
    const auto& protect = settings.protect_host;
    if (!settings.serves(session_->peer().address)) {
        ends = end_as(audit::Action::refused, "http_request_denied", "", not_in_clients);
    } else if (const std::uint16_t port = session_->inside() ? session_->inside()->port : url_.port;
               (is_connect() || session_->inside()) && !settings.may_connect_to(port)) {
        ends = end_as(audit::Action::refused, "http_request_denied", "", not_in_connect_ports);
    } else if (const auto why = protect && server_ ? protect->refuses(session_->peer().address, *server_) : std::nullopt) {
        ends = end_as(audit::Action::blocked, "destination_ip_prohibited", sessions::protect_host_name, *why);
    } else {
        fill_client_facts(again);
        ends = says_no(policy::Phase::connect);
        fill_request_facts(again);
        if (!user_.empty()) facts.set(policy::Field::user_name, std::string_view(user_));
        ends = ends || (!trusted && is_connect() && says_no(policy::Phase::connect)) || (!trusted && says_no(policy::Phase::request));
        if (!ends && !allowed && again.policy().default_action() == policy::Action::block)
            ends = end_as(audit::Action::blocked, "http_request_denied", "", sessions::no_rule_allows);
        if (!ends && !trusted && server_) {
            again.set_server(server_->address);
            ends = says_no(policy::Phase::dial);
        }
        if (!ends && has_hello_) {
            if (hello_.server_name) facts.set(policy::Field::tls_server_name, std::string_view(*hello_.server_name));
            facts.set(policy::Field::tls_client_ja4, std::string_view(ja4_));
            ends = !trusted && says_no(policy::Phase::tls);
            if (!ends && hello_.server_name && *hello_.server_name != url_.authority.host) {
                for (const policy::Field field : {policy::Field::url_domain, policy::Field::server_address})
                    facts.set(field, std::string_view(*hello_.server_name));
                facts.clear(policy::Field::url_full);
                ends = says_no(policy::Phase::connect) || says_no(policy::Phase::request) || says_no(policy::Phase::tls);
            }
        }
    }
    if (!ends) return;
    // Tags and effects are of the old generation's rules.
    const std::string_view rule = judgement_.rule;
    counted_tags_ = counted_shadows_ = 0;
    generation_ = std::move(generation);
    judgement_.begin(*generation_->settings, generation_->rules);
    judgement_.rule = rule;
    if (ending) judgement_.count_rule(*ending);
    relay_->cancel();
}

}  // namespace sluice::http
