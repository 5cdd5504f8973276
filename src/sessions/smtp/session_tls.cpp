// SPDX-License-Identifier: Apache-2.0
// TLS with the client (RFC 3207). Nothing that came in the clear is believed once a handshake was asked for.
#include <array>

#include "protocols/tls/ja4.h"
#include "sessions/smtp/service.h"
#include "sessions/smtp/session.h"

namespace sluice::smtp {

bool Session::may_offer_tls() const {
    return settings().client_tls != ClientTls::off && settings().own_tls &&
           (settings().own_has_certificate || service_.leaves() != nullptr);
}

net::ca::LeafCache* Session::leaves() const { return settings().own_has_certificate ? nullptr : service_.leaves(); }

net::Task<Session::Then> Session::start_tls(const Command& command) {
    // What follows would be taken for something that came protected (CVE-2011-0411).
    if (has_spoken_early()) co_return co_await end_out_of_step();
    if (client_tls_ != nullptr) co_return answer_bad(503, "5.5.1 The connection is protected already.");
    if (!may_offer_tls()) co_return answer_bad(502, "5.5.1 This gateway offers no TLS.");
    if (!command.argument.empty()) co_return answer_bad(501, "5.5.4 STARTTLS takes no argument.");
    // Who the client said it was, it said in the clear (RFC 3207 4.2).
    co_await end_transaction();
    leave_upstream();
    helo_.clear();
    identity_.clear();
    upstream_user_.clear();
    is_authenticated_upstream_ = false;
    answer(220, "2.0.0 Go on with the handshake.");
    if (!co_await client_->flush(limits().body_idle)) co_return Then::end;
    if (const auto secured = co_await secure_client({}); !secured) {
        begin_record();
        record_refused("tls_protocol_error", secured.error().what);
        co_return Then::end;
    }
    co_return Then::next;
}

// The connection, from here on or (an implicit listener) from the first octet on.
Session::Outcome<void> Session::secure_client(std::string ahead) {
    std::unique_ptr<net::Stream> below;
    if (client_) {
        below = client_->release();
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
    client_.emplace(std::move(tls));
    client_received_before_ = 0;
    commands_ = CommandReader(limits());
    co_return Result<void>{};
}

}  // namespace sluice::smtp
