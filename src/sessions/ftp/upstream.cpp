// SPDX-License-Identifier: Apache-2.0
// The control connection with a server, in the clear and in TLS.
#include "sessions/ftp/upstream.h"

#include <fmt/format.h>

#include <array>

#include "base/clock.h"

namespace sluice::ftp {

namespace {

constexpr std::uint16_t implicit_port = 990;

}  // namespace

Upstream::Upstream(net::Worker& worker, News& news, std::unique_ptr<net::Stream> stream, const FixedServer& server, For whose)
    : worker_(worker),
      news_(news),
      server_(server),
      whose_(std::move(whose)) {
    control_.emplace(std::move(stream), limits(), news_);
    control_->start();
}

void Upstream::use(std::shared_ptr<const Settings> settings) {
    whose_.protect_host = settings->protect_host;
    whose_.settings = std::move(settings);
}

net::Task<void> Upstream::stop() {
    if (!control_) co_return;
    co_await control_->stop();
    control_->stream().close();
}

net::Task<void> Upstream::leave() {
    const std::array<std::string_view, 1> goodbye{"QUIT\r\n"};
    if (control_ && !control_->failure()) static_cast<void>(control_->stream().try_write(goodbye));
    co_await stop();
}

std::optional<Error> Upstream::failure() const {
    if (!control_) return Error{Errc::closed, Side::server, "closed"};
    return control_->failure();
}

Upstream::Outcome<void> Upstream::tell(std::string_view verb, std::string_view argument) {
    if (!control_) co_return std::unexpected(*failure());
    const std::string line = argument.empty() ? encode(verb) : encode(verb, argument);
    co_return co_await control_->send(line, limits().body_idle);
}

// What the server says unasked would be taken for the answer to this, and from then on each answer for another's.
Upstream::Outcome<Reply> Upstream::ask(std::string_view verb, std::string_view argument) {
    if (has_reply()) co_return fail(Errc::malformed, Side::server, "the server spoke unasked");
    CO_TRY(co_await tell(verb, argument));
    co_return co_await await_reply(limits().first_byte);
}

Upstream::Outcome<Reply> Upstream::await_reply(Limits::Duration within) {
    if (!control_) co_return std::unexpected(*failure());
    const std::int64_t before = steady_ns();
    control_->stream().expires_in(within);
    co_await news_.until([&] { return control_->has_reply() || control_->failure() || whose_.has_left(); });
    waited_ns_ += steady_ns() - before;
    if (control_->has_reply()) {
        control_->stream().expires_never();
        co_return control_->take_reply();
    }
    if (control_->failure()) co_return std::unexpected(*control_->failure());
    co_return std::unexpected(*whose_.has_left());
}

Upstream::Outcome<Reply> Upstream::await_final(Limits::Duration within) {
    const auto until = std::chrono::steady_clock::now() + within;
    for (;;) {
        const auto left = std::chrono::duration_cast<Limits::Duration>(until - std::chrono::steady_clock::now());
        if (left.count() <= 0) co_return fail(Errc::timed_out, Side::server, "the server comes to no end");
        Reply reply = CO_TRY(co_await await_reply(left));
        if (!reply.is_preliminary()) co_return reply;
    }
}

bool Upstream::is_implicit() const { return server_.port == implicit_port && settings().upstream_tls != UpstreamTls::off; }

Upstream::Outcome<Reply> Upstream::greeting() {
    if (is_implicit()) CO_TRY(co_await shake_hands());
    co_return co_await await_final(limits().first_byte);  // it may ask for patience first (120)
}

Upstream::Outcome<void> Upstream::secure(bool is_client_private) {
    if (is_in_tls()) co_return Result<void>{};
    const UpstreamTls wanted = settings().upstream_tls;
    const bool must = wanted == UpstreamTls::require || (wanted == UpstreamTls::match && is_client_private);
    if (!must && wanted != UpstreamTls::prefer) co_return Result<void>{};
    const Reply agreed = CO_TRY(co_await ask("AUTH", "TLS"));
    if (!agreed.is_success()) {
        if (must) co_return fail(Errc::tls_failed, Side::server, "the server does not offer TLS");
        co_return Result<void>{};
    }
    // Whoever speaks between 234 and the handshake wants to be taken for the server later (CVE-2021-38371).
    if (control_->has_reply() || control_->has_unread()) co_return fail(Errc::tls_failed, Side::server, "octets in the clear behind 234");
    co_return co_await shake_hands();
}

std::string Upstream::key() const { return fmt::format("{}:{}", server_.host.host, server_.port); }

Upstream::Outcome<void> Upstream::shake_hands() {
    if (!settings().trust) co_return fail(Errc::tls_failed, Side::self, "nothing says which servers are to be believed");
    trust_ = settings().trust;
    is_always_private_ = settings().upstream_tls != UpstreamTls::match || is_implicit();
    std::unique_ptr<net::Stream> below = co_await control_->release();
    control_.reset();
    auto tls = CO_TRY(net::tls::open(below, *trust_, sessions_, name(), key()));
    tls->expires_in(limits().tls_handshake);
    CO_TRY(co_await tls->handshake());
    tls->expires_never();
    tls_ = tls.get();
    control_.emplace(std::move(tls), limits(), news_);
    control_->start();
    issuer_ = net::tls::issuer_of(net::tls::peer_certificate(*tls_));
    problem_ = net::tls::verification(*tls_);
    if (!problem_.empty()) co_return fail(Errc::tls_failed, Side::server, problem_);
    co_return Result<void>{};
}

// Data connections are as private as the client's where that is what `match` means, else wherever there is TLS at all.
Upstream::Outcome<void> Upstream::agree_on_protection(bool is_client_private) {
    const bool is_private = is_in_tls() && (is_client_private || is_always_private_);
    if (is_private == is_private_) co_return Result<void>{};
    // Said in implicit TLS as well: some servers insist, and who does not know the words protects data connections anyway.
    const bool may_refuse = is_implicit() && is_private;
    if (!has_pbsz_) {
        const Reply sized = CO_TRY(co_await ask("PBSZ", "0"));
        if (!sized.is_success() && !may_refuse) co_return fail(Errc::tls_failed, Side::server, "the server does not take PBSZ");
        has_pbsz_ = true;
    }
    const Reply agreed = CO_TRY(co_await ask("PROT", is_private ? "P" : "C"));
    if (!agreed.is_success() && !may_refuse)
        co_return fail(Errc::tls_failed, Side::server, "the server does not protect data connections as is wanted");
    is_private_ = is_private;
    co_return Result<void>{};
}

}  // namespace sluice::ftp
