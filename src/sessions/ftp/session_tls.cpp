// SPDX-License-Identifier: Apache-2.0
// TLS around control and data connections, each side for itself (RFC 4217). Nothing that came in the clear is believed once a handshake was asked for.
#include <fmt/format.h>

#include "base/text.h"
#include "net/tls/acceptor.h"
#include "protocols/tls/ja4.h"
#include "sessions/ftp/commands.h"
#include "sessions/ftp/service.h"
#include "sessions/ftp/session.h"

namespace sluice::ftp {

bool Session::may_offer_tls() const {
    return settings().client_tls != ClientTls::off && settings().own_tls &&
           (settings().own_has_certificate || service_.leaves() != nullptr);
}

net::ca::LeafCache* Session::leaves() const { return settings().own_has_certificate ? nullptr : service_.leaves(); }

// AUTH: the reader has stopped behind it, so that what follows is the handshake's. What was there before our 234 came in the clear, and would be taken
// for something that came protected.
net::Task<Session::Then> Session::start_tls(const Command& command) {
    const bool is_known = equals_ignoring_case(command.argument, "TLS") || equals_ignoring_case(command.argument, "TLS-C") ||
                          equals_ignoring_case(command.argument, "SSL");
    if (!may_offer_tls() || !is_known || client_tls_ != nullptr) {
        client_->unpark();
        if (!may_offer_tls()) co_return co_await answer(502, "This proxy offers no TLS.");
        co_return is_known ? co_await answer(503, "The connection is protected already.") : co_await answer(504, "AUTH takes TLS.");
    }
    if (client_->has_command() || client_->has_unread()) {
        action_ = audit::Action::refused;
        reason_ = "octets in the clear behind AUTH";
        co_await say_goodbye("Nothing may be sent between AUTH and the handshake.");
        co_return Then::end;
    }
    // Who was logged in, was so in the clear (RFC 4217 4).
    co_await leave_server();
    forget_data();
    forget_login();
    if (co_await answer(234, "Go on with the handshake.") == Then::end) co_return Then::end;
    auto secured = co_await secure_client({});
    if (secured) co_return Then::next;
    note_error(secured.error());
    error_type_ = "tls_protocol_error";
    co_return Then::end;
}

// The control connection, from here on or (an implicit listener) from the first octet on.
Session::Outcome<void> Session::secure_client(std::string ahead) {
    std::unique_ptr<net::Stream> below;
    if (client_) {
        below = co_await client_->release();
        client_.reset();
    } else {
        below = std::move(accepted_);
    }
    if (!settings().own_tls) co_return fail(Errc::tls_failed, Side::self, "this listener has no certificate any more");
    own_tls_ = settings().own_tls;
    const auto hello = CO_TRY(co_await sessions::read_client_hello(*below, ahead, limits().tls_handshake, limits()));
    client_server_name_ = hello.server_name.value_or("");
    client_ja4_ = tls::ja4(hello);
    CO_TRY(co_await sessions::choose_identity(*below, &hello, leaves(), own_identity_));
    auto tls = CO_TRY(own_tls_->open(below, std::move(ahead), own_identity_.leaf.get(), own_identity_.name));
    tls->expires_in(limits().tls_handshake);
    CO_TRY(co_await tls->handshake());
    tls->expires_never();
    client_tls_ = tls.get();
    client_.emplace(std::move(tls), limits(), news_);
    client_->start();
    client_before_ = {};
    co_return Result<void>{};
}

// PBSZ says nothing with TLS, but has to be said (RFC 4217 9).
net::Task<Session::Then> Session::set_buffer_size(const Command&) {
    if (client_tls_ == nullptr) co_return co_await answer(503, "Say AUTH TLS first.");
    has_pbsz_ = true;
    co_return co_await answer(200, "PBSZ=0");
}

net::Task<Session::Then> Session::set_protection(const Command& command) {
    if (client_tls_ == nullptr || !has_pbsz_) co_return co_await answer(503, "Say AUTH TLS and PBSZ 0 first.");
    const char level = command.argument.size() == 1 ? to_lower(command.argument.front()) : '?';
    if (level == 's' || level == 'e') co_return co_await answer(536, "Data connections are private or clear.");
    if (level != 'p' && level != 'c') co_return co_await answer(504, "Data connections are private (P) or clear (C).");
    if (level == 'c' && settings().client_tls == ClientTls::require) co_return co_await answer(534, "Data connections are private here.");
    is_private_ = level == 'p';
    co_return co_await answer(200, is_private_ ? "Data connections are private." : "Data connections are clear.");
}

// After our 150: some clients begin the handshake only then.
Session::Outcome<void> Session::secure_client_data() {
    if (!is_private_) co_return Result<void>{};
    auto opened = CO_TRY(own_tls_->open(client_data_, {}, own_identity_.leaf.get(), own_identity_.name));
    net::tls::TlsStream& tls = *opened;
    client_data_ = std::move(opened);
    // A client that only sends reads no tickets (RFC 8446 4.6.1), and its system then makes a reset of its close, which takes the last octets with it.
    if (inspected_ == &upload_ && !settings().require_tls_resumption) SSL_set_num_tickets(tls.ssl(), 0);
    tls.expires_in(limits().tls_handshake);
    CO_TRY(co_await tls.handshake());
    tls.expires_never();
    if (settings().require_tls_resumption && !tls.is_resumed()) co_return fail(Errc::tls_failed, Side::client, session_reuse_required);
    co_return Result<void>{};
}

}  // namespace sluice::ftp
