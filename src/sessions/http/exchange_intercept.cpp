// SPDX-License-Identifier: Apache-2.0
// TLS inside a CONNECT: whether it is decrypted, and if so the two handshakes. What follows are requests like any others.
#include <fmt/format.h>

#include "net/ca/leaves.h"
#include "net/pool.h"
#include "net/tls/trust.h"
#include "protocols/tls/alert.h"
#include "protocols/tls/ja4.h"
#include "sessions/http/exchange.h"
#include "sessions/http/interception.h"
#include "sessions/http/service.h"
#include "sessions/http/session.h"

namespace sluice::http {

using policy::Field;
using policy::Phase;

namespace {

// RFC 8446 6.2.
constexpr std::uint8_t alert_access_denied = 49;
constexpr int alert_bad_certificate = 42;
constexpr int alert_certificate_unknown = 46;
constexpr int alert_unknown_ca = 48;

constexpr std::string_view not_tls = "what came is not TLS, and only what can be decrypted passes";

// A client that does not believe in us says so, or leaves at once. One that leaves after a while may have lost its patience with the server.
bool is_refusal_of_leaf(const Error& error, std::int64_t waited_ns) {
    constexpr std::int64_t at_once = 1'000'000'000;
    if (error.side != Side::client) return false;
    if (error.code == Errc::closed || error.code == Errc::reset) return waited_ns < at_once;
    return error.code == Errc::tls_failed &&
           (error.cause == alert_bad_certificate || error.cause == alert_certificate_unknown || error.cause == alert_unknown_ca);
}

std::string_view say_alert(int alert) {
    switch (alert) {
        case alert_bad_certificate: return "the client refused our certificate (bad_certificate)";
        case alert_certificate_unknown: return "the client refused our certificate (certificate_unknown)";
        case alert_unknown_ca: return "the client does not know our authority (unknown_ca)";
        default: return "";
    }
}

Refusal refusal_of_tls(const Error& error) {
    Refusal refusal = refused(502, "tls_protocol_error", "No encrypted connection to the server could be made.");
    refusal.action = audit::Action::failed;
    refusal.reason = error.what;
    if (error.code == Errc::tls_failed && error.cause != 0) {
        refusal.error = "tls_alert_received";
        refusal.reason = "the server refused the TLS handshake";
    } else if (error.code == Errc::timed_out) {
        refusal.status = 504;
        refusal.error = "connection_timeout";
        refusal.reason = "the server did not end the TLS handshake in time";
    }
    return refusal;
}

Refusal unverified(std::string_view problem) {
    Refusal refusal =
        refused(502, "tls_certificate_error", "The server could not prove who it is: this may not be the site that you want.");
    refusal.action = audit::Action::failed;
    refusal.reason = problem;
    return refusal;
}

}  // namespace

bool Exchange::wants_decryption() const {
    if (judgement_.trusted || service_->interception() == nullptr || !generation_->settings->trust) return false;
    return plan_ == TlsPlan::none ? generation_->settings->intercept : plan_ == TlsPlan::intercept;
}

// Browsers show no answer to a CONNECT but 200: a page is shown inside, where we can be inside.
bool Exchange::may_show_inside(const Refusal& refusal) const {
    return wants_decryption() && refusal.status >= 400 && refusal.status != 400 && refusal.status != 407 && head_complete_;
}

// What is asked inside is asked of the CONNECT's server.
Session::Inside Exchange::inside_of_connect() const {
    Session::Inside inside;
    inside.host = url_.authority.host;
    inside.port = url_.port;
    inside.authority = host_key_;
    return inside;
}

void Exchange::refuse_inside(Session::Inside& inside, const Refusal& refusal) const {
    inside.refusal = refusal;
    inside.refusal->close = true;
    inside.refused_by = generation_;
}

// The CONNECT is refused, and its client will read why from the answer to its first request inside.
net::Task<bool> Exchange::show_inside(Refusal refusal) {
    drop_upstream();
    if (!co_await say_connected()) co_return false;
    const Inside what = co_await look_inside(true);
    note(refusal);
    status_ = 200;
    if (what != Inside::tls && what != Inside::http) {
        session_->client().abort();
        record(refusal.action);
        co_return false;
    }
    Session::Inside inside = inside_of_connect();
    refuse_inside(inside, refusal);
    if (what == Inside::http) {
        session_->inside() = std::move(inside);
        session_->push_back(first_bytes_);
        record(refusal.action);
        co_return true;
    }
    has_hello_ = true;
    hello_ns_ = steady_ns();
    ja4_ = tls::ja4(hello_);
    co_return co_await begin_inside(std::move(inside), nullptr);
}

// A ClientHello that we cannot read, or that does not come, may be one that a server reads: whose name it has nobody has judged.
bool Exchange::hides_its_name() const {
    if (first_bytes_.empty() || !is_unreadable_) return false;
    return generation_->settings->intercept || judgement_.policy().has_own_rules(Phase::tls, policy::Protocol::http);
}

// Where everything is to be decrypted, what cannot be is blocked.
bool Exchange::refuse_opaque() {
    Refusal refusal = refused(403, "http_request_denied", "Only what can be decrypted passes here.");
    refusal.action = audit::Action::blocked;
    refusal.reason = not_tls;
    return end_tunnel(refusal);
}

std::string_view Exchange::tls_name() const {
    return hello_.server_name ? std::string_view(*hello_.server_name) : std::string_view(url_.authority.host);
}

net::Task<bool> Exchange::run_tls() {
    has_hello_ = true;
    hello_ns_ = steady_ns();
    ja4_ = tls::ja4(hello_);
    const std::int64_t before = steady_ns();
    const Refused no = co_await judge_hello();
    policy_ns_ += steady_ns() - before;
    if (no) {
        if (!may_show_inside(*no)) {
            note(*no);
            if (no->status == 0) {
                session_->client().abort();
            } else {
                const std::string alert = tls::fatal_alert(alert_access_denied);
                const std::string_view piece = alert;
                static_cast<void>(session_->client().try_write({&piece, 1}));
            }
            status_ = 200;
            record(no->action);
            co_return false;
        }
        drop_upstream();
        note(*no);
        Session::Inside inside = inside_of_connect();
        refuse_inside(inside, *no);
        co_return co_await begin_inside(std::move(inside), nullptr);
    }
    if (!wants_decryption()) co_return co_await leave_encrypted();
    // Another protocol than we speak inside: left alone, and counted, unless a rule said no.
    if (!hello_.alpn.empty() && !hello_.offers("http/1.1")) co_return co_await leave_encrypted();
    // Malware must not be able to switch off the inspection of its own traffic: what a rule decrypts stays decrypted.
    if (generation_->settings->learn == Learn::apply && plan_ != TlsPlan::intercept && is_exempt()) co_return co_await leave_encrypted();
    co_return co_await intercept();
}

// By `learn`. Both names, where there are two: whoever says a name that others pin must not get anywhere else by it.
bool Exchange::is_exempt() const {
    const auto exempt = [&](std::string_view name) {
        return service_->interception()->unwilling.is_exempt(name, session_->peer().address, Unwilling::Clock::now());
    };
    return exempt(tls_name()) && (tls_name() == url_.authority.host || exempt(url_.authority.host));
}

net::Task<bool> Exchange::leave_encrypted() {
    if (!upstream_) {
        if (const Refused no = co_await connect()) co_return end_tunnel(*no);
    }
    co_return co_await run_tunnel("tunnel");
}

// A CONNECT that was answered 200, and comes to nothing.
bool Exchange::end_tunnel(const Refusal& refusal) {
    note(refusal);
    status_ = 200;
    session_->client().abort();
    record(refusal.action);
    return false;
}

// Phase `tls`. Where the ClientHello names another server than the CONNECT, both are judged: refused if either is; allowed, trusted and left as it is
// only if both are.
net::Task<Exchange::Refused> Exchange::judge_hello() {
    const policy::Policy& policy = judgement_.policy();
    if (hello_.server_name) judgement_.facts.set(Field::tls_server_name, std::string_view(*hello_.server_name));
    if (policy.reads(Field::tls_client_ja4)) judgement_.facts.set(Field::tls_client_ja4, std::string_view(ja4_));
    if (!hello_.server_name || *hello_.server_name == url_.authority.host) {
        const Refused no = co_await judge(Phase::tls);
        co_return no;
    }

    const bool is_trusted = judgement_.trusted;
    const bool is_allowed = judgement_.allowed;
    const TlsPlan plan = judgement_.trusted ? TlsPlan::tunnel : plan_;
    judgement_.trusted = judgement_.allowed = false;
    plan_ = TlsPlan::none;
    const std::string name = *hello_.server_name;
    const std::string connect_key = host_key_;
    Authority authority;
    if (!parse_authority(name, false, authority)) {  // no host of any URL: no rule on names may miss it
        Refusal refusal = refused(403, "http_request_denied", "The server's name is not valid.");
        co_return refusal;
    }
    std::swap(url_.authority, authority);
    host_key_.clear();
    url_.authority.append_to(host_key_, url_.port);
    fill_request_facts();
    Refused no = co_await judge(Phase::connect);
    if (!no) no = co_await judge(Phase::request);
    if (!no) no = co_await judge(Phase::tls);
    std::swap(url_.authority, authority);
    host_key_ = connect_key;
    const TlsPlan plan_of_name = judgement_.trusted ? TlsPlan::tunnel : plan_;
    const bool name_is_trusted = judgement_.trusted;
    if (no) co_return no;

    judgement_.trusted = is_trusted && name_is_trusted;
    judgement_.allowed = is_allowed && judgement_.allowed;
    plan_ = is_trusted && !judgement_.trusted ? TlsPlan::none : plan;
    fill_request_facts();
    no = co_await judge(Phase::tls);
    if (no) co_return no;
    const TlsPlan plan_of_connect = judgement_.trusted || is_trusted ? TlsPlan::tunnel : plan_;
    if (plan_of_connect == plan_of_name) plan_ = plan_of_name;
    else plan_ = plan_of_connect == TlsPlan::intercept || plan_of_name == TlsPlan::intercept ? TlsPlan::intercept : TlsPlan::none;
    co_return std::nullopt;
}

// Both handshakes, the server's first: its certificate says what ours has to say.
net::Task<bool> Exchange::intercept() {
    Session::Inside inside = inside_of_connect();
    inside.trusted = judgement_.was_trusted_before_dial();
    inside.trusted_by = generation_;
    inside.tls.emplace();
    inside.tls->server_name = hello_.server_name.value_or("");
    session_->inside() = inside;  // for the pool's key, and the way to the server
    Refused no;
    if (upstream_) no = co_await begin_tls();
    else if (!take_pooled()) no = co_await connect();  // which begins TLS, too
    session_->inside().reset();
    // A rule of `dial` trusts the address: then it is left as it is.
    if (!no && judgement_.trusted) {
        drop_upstream();
        Refused still = co_await connect();
        if (!still && !judgement_.trusted) {  // another address this time
            still = refused(403, "http_request_denied", "Only what can be decrypted passes here.");
            still->reason = "the address that a rule trusts was not reached again";
        }
        if (still) co_return end_tunnel(*still);
        co_return co_await run_tunnel("tunnel");
    }
    X509* server = nullptr;
    if (no) {
        note(*no);
        refuse_inside(inside, *no);
    } else {
        const auto& stream = static_cast<const net::tls::TlsStream&>(*upstream_);
        server = net::tls::peer_certificate(stream);
        inside.tls->unverified = net::tls::verification(stream);
        inside.tls->server_issuer = net::tls::issuer_of(server);
        // A leaf that says what the server's says is for servers that are who they say.
        if (!inside.tls->unverified.empty()) server = nullptr;
    }
    co_return co_await begin_inside(std::move(inside), server);
}

// TLS with the server, on the connection that is there.
net::Task<Exchange::Refused> Exchange::begin_tls() {
    if (!generation_->settings->trust) {  // a reload has turned it off: what is open ends with its next request
        drop_upstream();
        Refusal refusal = refused(503, "proxy_configuration_error", "This proxy has ceased to decrypt: please try again.");
        refusal.close = true;
        co_return refusal;
    }
    const std::int64_t before = steady_ns();
    const std::string& name = session_->inside()->tls->server_name;
    net::tls::ServerName server{name.empty() ? session_->inside()->host : name, false};
    server.is_address = IpAddress::parse(server.name).has_value();
    auto stream = co_await net::tls::connect(std::move(upstream_), *generation_->settings->trust, service_->tls_sessions(), server,
                                             pool_key(), limits().tls_handshake);
    upstream_ns_ += steady_ns() - before;
    if (!stream) {
        service_->metrics().add(audit::Gauge::server_connections, -1);
        co_return refusal_of_tls(stream.error());
    }
    audit::MetricsShard& metrics = service_->metrics();
    metrics.add(audit::Counter::tls_server_handshakes);
    if ((*stream)->is_resumed()) metrics.add(audit::Counter::tls_server_resumed);
    if (!net::tls::verification(**stream).empty()) metrics.add(audit::Counter::tls_server_unverified);
    upstream_ = std::move(*stream);
    co_return std::nullopt;
}

// TLS with the client, under a leaf like `server`, or for the name alone; then the session goes on inside. The CONNECT's event is written here.
net::Task<bool> Exchange::begin_inside(Session::Inside inside, X509* server) {
    Interception& interception = *service_->interception();
    const bool is_refused = inside.refusal.has_value();
    const audit::Action outcome = is_refused ? inside.refusal->action : audit::Action::allowed;
    const std::string name(tls_name());
    const auto kind = hello_.may_use_ecdsa() ? net::ca::KeyKind::ecdsa : net::ca::KeyKind::rsa;
    const auto leaf = co_await service_->leaves().get(name, server, kind);
    if (!leaf) {
        error_type_ = "proxy_internal_error";
        reason_ = leaf.error().what;
        session_->client().abort();
        record(audit::Action::failed);
        co_return false;
    }
    auto opened = interception.acceptor->open(session_->client_stream(), std::move(first_bytes_), leaf->get(), name);
    first_bytes_.clear();
    Result<void> done{};
    net::tls::TlsStream* stream = nullptr;
    if (opened) {
        stream = opened->get();
        session_->client_stream() = std::move(*opened);
        stream->expires_in(limits().tls_handshake);
        done = co_await stream->handshake();
    } else {
        done = std::unexpected(opened.error());
    }
    if (!done) {
        const Error& error = done.error();
        if (is_refusal_of_leaf(error, steady_ns() - hello_ns_)) {
            service_->metrics().add(audit::Counter::tls_refused_by_client);
            if (generation_->settings->learn != Learn::off)
                interception.unwilling.note(name, session_->peer().address, Unwilling::Clock::now());
        }
        if (!is_refused) {
            const std::string_view said = error.code == Errc::tls_failed ? say_alert(error.cause) : std::string_view();
            error_type_ = error.code == Errc::tls_failed && error.cause != 0 ? "tls_alert_received"
                          : error.code == Errc::timed_out                    ? "connection_timeout"
                                                                             : "tls_protocol_error";
            reason_ = said.empty() ? error.what : said;
        }
        session_->client().close();
        record(is_refused ? outcome : audit::Action::failed);
        co_return false;
    }
    stream->expires_never();
    service_->metrics().add(audit::Counter::tls_intercepted);
    if (stream->is_resumed()) service_->metrics().add(audit::Counter::tls_intercepted_resumed);
    interception.unwilling.forgive(name, session_->peer().address);
    if (!inside.tls) inside.tls.emplace();
    inside.tls->server_name = hello_.server_name.value_or("");
    inside.tls->ja4 = ja4_;
    inside.tls->has_ech = hello_.encrypted_client_hello;
    inside.tls->version = stream->version();
    inside.tls->cipher = stream->cipher();
    inside.tls->resumed = stream->is_resumed();
    inside.tls->leaf = *leaf;
    session_->inside() = std::move(inside);
    if (!user_.empty()) session_->user() = user_;
    if (upstream_) keep_upstream();
    record(outcome);
    co_return true;
}

void Exchange::fill_tls_facts(policy::Facts& facts) const {
    const auto& inside = session_->inside();
    if (!inside || !inside->tls) return;
    const TlsAround& known = *inside->tls;
    if (!known.server_name.empty()) facts.set(Field::tls_server_name, std::string_view(known.server_name));
    facts.set(Field::tls_client_ja4, std::string_view(known.ja4));
    facts.set(Field::tls_version, std::string_view(known.version));
    facts.set(Field::tls_cipher, std::string_view(known.cipher));
    facts.set(Field::tls_resumed, known.resumed);
    if (known.server_issuer.empty()) return;
    facts.set(Field::tls_server_issuer, std::string_view(known.server_issuer));
    facts.set(Field::tls_server_verified, known.unverified.empty());
}

// Nothing is sent to a server that could not be verified, unless a rule that asks for that lets it through.
Exchange::Refused Exchange::check_verification() const {
    if (!session_->inside() || !session_->inside()->tls) return std::nullopt;
    const std::string_view problem = net::tls::verification(static_cast<const net::tls::TlsStream&>(*upstream_));
    // What a rule has excused is what was known when it was asked.
    if (problem.empty() || (judgement_.excuses_server && problem == session_->inside()->tls->unverified)) return std::nullopt;
    return unverified(problem);
}

// Whether the request belongs to the server whose certificate the client was shown (RFC 9110 7.4).
bool Exchange::is_covered() {
    TlsAround& tls = *session_->inside()->tls;
    const std::string& host = url_.authority.host;
    if (host == tls.covered) return true;
    if (!tls.leaf) return false;
    X509* leaf = tls.leaf->certificate.get();
    const bool is_covered = url_.authority.address
                                ? X509_check_ip_asc(leaf, host.c_str(), 0) == 1
                                : X509_check_host(leaf, host.data(), host.size(),
                                                  X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, nullptr) == 1;
    if (is_covered) tls.covered = host;
    return is_covered;
}

// Connections that may stand for one another: to the same server, in the clear or in TLS for the same name.
std::string_view Exchange::pool_key() {
    const auto& inside = session_->inside();
    const bool is_tls = inside && inside->tls;
    if (!is_tls && session_->binding() == 0) return host_key_;
    pool_key_.clear();
    // What proved who it is by NTLM or Negotiate is that client's alone.
    if (session_->binding() != 0) pool_key_ = fmt::format("#{} ", session_->binding());
    if (!is_tls) return pool_key_ += host_key_;
    // Under one trust: a reload may bring another.
    pool_key_ += fmt::format("tls{} ", generation_->settings->trust ? generation_->settings->trust->serial() : 0);
    pool_key_ += inside->authority;
    pool_key_ += ' ';
    pool_key_ += inside->tls->server_name;
    return pool_key_;
}

}  // namespace sluice::http
