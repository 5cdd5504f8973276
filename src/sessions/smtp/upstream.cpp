// SPDX-License-Identifier: Apache-2.0
// The dialogue with a server up to its envelope: greeting, EHLO, TLS, and who the client is.
#include "sessions/smtp/upstream.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "base/clock.h"
#include "net/proxy_protocol.h"
#include "protocols/smtp/command.h"

namespace sluice::smtp {

Upstream::Upstream(std::shared_ptr<const Settings> settings, const UpstreamServer& server, std::unique_ptr<net::Stream> stream,
                   net::tls::SessionCache& sessions)
    : settings_(std::move(settings)),
      server_(server),
      sessions_(sessions),
      channel_(std::in_place, std::move(stream)),
      replies_(settings_->limits) {}

std::unexpected<Error> Upstream::broken(const Error& error) {
    is_broken_ = true;
    return std::unexpected(error);
}

bool Upstream::is_loopback() const { return channel_ && (!server_.path.empty() || channel_->stream().peer().address.is_loopback()); }

void Upstream::leave() {
    if (!channel_) return;
    if (is_in_message_) return channel_->stream().abort();
    const std::array<std::string_view, 1> goodbye{"QUIT\r\n"};
    if (!is_broken_) static_cast<void>(channel_->stream().try_write(goodbye));
    channel_->stream().close();
}

Upstream::Outcome<Reply> Upstream::await_reply(Limits::Duration within) {
    if (!channel_ || is_broken_) co_return broken({Errc::closed, Side::server, "closed"});
    const std::int64_t before = steady_ns();
    channel_->stream().expires_in(within);
    for (;;) {
        std::string_view in = channel_->unread();
        const std::size_t had = in.size();
        auto reply = replies_.next(in);
        channel_->take(had - in.size());
        if (!reply) co_return broken(reply.error());
        if (*reply) {
            waited_ns_ += steady_ns() - before;
            channel_->stream().expires_never();
            if ((*reply)->code == 421) is_broken_ = true;  // it closes the session behind it (RFC 5321 3.8)
            co_return std::move(**reply);
        }
        if (const auto filled = co_await channel_->fill(); !filled) {
            waited_ns_ += steady_ns() - before;
            co_return broken(filled.error());
        }
    }
}

Upstream::Outcome<Reply> Upstream::ask(std::string_view line, Limits::Duration within) {
    co_return only_final(co_await ask_step(line, within));
}

// A client that was told to go on where there is nothing to go on with would say its commands to a server that takes them for something else.
Result<Reply> Upstream::only_final(Result<Reply> reply) {
    if (reply && !reply->is_success() && !reply->is_failure()) return broken({Errc::malformed, Side::server, "the server's reply is none"});
    return reply;
}

// What the server says unasked would be taken for the answer to this, and from then on each answer for another's.
Upstream::Outcome<Reply> Upstream::ask_step(std::string_view line, Limits::Duration within) {
    if (!channel_ || is_broken_) co_return broken({Errc::closed, Side::server, "closed"});
    last_asked_ = std::chrono::steady_clock::now();
    // A server that says goodbye does so before it closes (RFC 5321 3.8): then that is the reason.
    if (channel_->unread().empty())
        if (const auto filled = channel_->fill_now(); !filled) co_return broken(filled.error());
    if (!channel_->unread().empty()) {
        const auto unasked = co_await await_reply(within);
        co_return broken(
            {Errc::closed, Side::server, unasked && unasked->code == 421 ? "the server has said goodbye" : "the server spoke unasked"});
    }
    const std::array<std::string_view, 2> pieces{line, "\r\n"};
    if (const auto sent = co_await channel_->send(pieces, limits().body_idle); !sent) co_return broken(sent.error());
    co_return co_await await_reply(within);
}

Upstream::Outcome<void> Upstream::open(const ClientAttributes& client, const IpPort& local) {
    auto opened = co_await talk(client, local);
    if (!opened) is_broken_ = true;
    co_return opened;
}

Upstream::Outcome<void> Upstream::talk(const ClientAttributes& client, const IpPort& local) {
    const bool has_proxy_header =
        settings_->upstream_client == UpstreamClient::proxy1 || settings_->upstream_client == UpstreamClient::proxy2;
    if (has_proxy_header && client.address) {
        channel_->say(settings_->upstream_client == UpstreamClient::proxy1 ? net::encode_proxy_v1({*client.address, client.port}, local)
                                                                           : net::encode_proxy_v2({*client.address, client.port}, local));
        CO_TRY(co_await channel_->flush(limits().body_idle));
    }
    if (server_.kind == UpstreamServer::Kind::smtps)
        if (const auto shaken = co_await shake_hands(); !shaken)
            co_return fail(Errc::tls_failed, shaken.error().side,
                           shaken.error().code == Errc::tls_failed ? shaken.error().what : "the handshake with the server broke");
    const Reply greeting = CO_TRY(co_await await_reply(limits().smtp_greeting));
    if (!greeting.is_success()) co_return fail(Errc::refused, Side::server, "the server does not take mail now");
    CO_TRY(co_await hello(client.helo));
    CO_TRY(co_await secure());
    co_return co_await tell_client(client);
}

Upstream::Outcome<void> Upstream::greet_again(const ClientAttributes& client) { co_return co_await hello(client.helo); }

// EHLO, or HELO where the server does not know that; then it has no extension.
Upstream::Outcome<void> Upstream::hello(std::string_view name) {
    extensions_ = {};
    name_ = name;
    const Reply reply = CO_TRY(co_await ask(fmt::format("{} {}", is_lmtp() ? "LHLO" : "EHLO", name), limits().smtp_command));
    if (reply.is_success()) {
        extensions_ = parse_extensions(reply);
        co_return Result<void>{};
    }
    if (is_lmtp() || reply.code == 421) co_return fail(Errc::refused, Side::server, "the server refuses our greeting");
    const Reply plain = CO_TRY(co_await ask(fmt::format("HELO {}", name), limits().smtp_command));
    if (!plain.is_success()) co_return fail(Errc::refused, Side::server, "the server refuses our greeting");
    co_return Result<void>{};
}

// STARTTLS, as the settings want it. After 220 nothing falls back.
Upstream::Outcome<void> Upstream::secure() {
    if (is_in_tls() || settings_->upstream_tls == UpstreamTls::off || !server_.path.empty()) co_return Result<void>{};
    const bool must = settings_->upstream_tls == UpstreamTls::require;
    if (!extensions_.starttls) {
        if (must) co_return fail(Errc::tls_failed, Side::server, "the server does not offer TLS");
        co_return Result<void>{};
    }
    const Reply agreed = CO_TRY(co_await ask("STARTTLS", limits().smtp_command));
    if (agreed.code != 220) {
        if (must) co_return fail(Errc::tls_failed, Side::server, "the server refuses STARTTLS");
        co_return Result<void>{};
    }
    // Whoever speaks between 220 and the handshake wants to be taken for the server later (CVE-2021-38371).
    if (const auto filled = channel_->fill_now(); !filled)
        co_return fail(Errc::tls_failed, Side::server, "the server broke the connection behind 220");
    if (!channel_->unread().empty()) co_return fail(Errc::tls_failed, Side::server, "octets in the clear behind 220");
    const std::string name(name_);
    // Whatever breaks it now, the clear is no way back.
    if (const auto shaken = co_await shake_hands(); !shaken)
        co_return fail(Errc::tls_failed, shaken.error().side,
                       shaken.error().code == Errc::tls_failed ? shaken.error().what : "the handshake with the server broke");
    co_return co_await hello(name);
}

Upstream::Outcome<void> Upstream::shake_hands() {
    if (!settings_->trust) co_return fail(Errc::tls_failed, Side::self, "nothing says which servers are to be believed");
    trust_ = settings_->trust;
    std::unique_ptr<net::Stream> below = channel_->release();
    channel_.reset();
    const net::tls::ServerName name{server_.host.host, server_.host.address.has_value()};
    auto tls = CO_TRY(net::tls::open(below, *trust_, sessions_, name, fmt::format("smtp:{}:{}", server_.host.host, server_.port)));
    tls->expires_in(limits().tls_handshake);
    CO_TRY(co_await tls->handshake());
    tls->expires_never();
    tls_ = tls.get();
    channel_.emplace(std::move(tls));
    replies_ = ReplyReader(limits());
    issuer_ = net::tls::issuer_of(net::tls::peer_certificate(*tls_));
    problem_ = net::tls::verification(*tls_);
    // RFC 7435: what nobody asked for is better than nothing also where it cannot be verified.
    if (!problem_.empty() && settings_->upstream_tls == UpstreamTls::require) co_return fail(Errc::tls_failed, Side::server, problem_);
    co_return Result<void>{};
}

// A server that is to judge by the client, and is not told who it is, would take all for us.
Upstream::Outcome<void> Upstream::tell_client(const ClientAttributes& client) {
    if (settings_->upstream_client != UpstreamClient::xclient) co_return Result<void>{};
    if (extensions_.xclient.empty()) co_return fail(Errc::unsupported, Side::server, "the server does not take XCLIENT from us");
    for (std::string_view line : encode_attributes("XCLIENT", client, extensions_.xclient)) {
        line.remove_suffix(2);
        const Reply reply = CO_TRY(co_await ask(line, limits().smtp_command));
        if (!reply.is_success()) co_return fail(Errc::unsupported, Side::server, "the server refuses XCLIENT");
    }
    co_return co_await hello(client.helo);  // XCLIENT goes back to the greeting
}

Upstream::Outcome<void> Upstream::introduce(const ClientAttributes& client) {
    if (settings_->upstream_client != UpstreamClient::xforward || extensions_.xforward.empty()) co_return Result<void>{};
    for (std::string_view line : encode_attributes("XFORWARD", client, extensions_.xforward)) {
        line.remove_suffix(2);
        CO_TRY(co_await ask(line, limits().smtp_command));
    }
    co_return Result<void>{};
}

Upstream::Outcome<void> Upstream::keep_alive() {
    if (is_in_message_ || std::chrono::steady_clock::now() - last_asked_ < limits().smtp_keep_alive) co_return Result<void>{};
    CO_TRY(co_await ask("NOOP", limits().smtp_command));
    co_return Result<void>{};
}

}  // namespace sluice::smtp
