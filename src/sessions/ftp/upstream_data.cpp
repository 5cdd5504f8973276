// SPDX-License-Identifier: Apache-2.0
// Data connections with a server, and the commands that use them. Nobody but the control connection's peer is connected to, or may connect.
#include <fmt/format.h>

#include <array>
#include <utility>

#include "net/dial.h"
#include "net/timer.h"
#include "protocols/ftp/data_address.h"
#include "sessions/ftp/upstream.h"

namespace sluice::ftp {

Upstream::Outcome<Reply> Upstream::begin_transfer(std::string_view verb, std::string_view argument, std::uint64_t from,
                                                  bool is_client_private) {
    no_data_.clear();
    is_data_prohibited_ = false;
    CO_TRY(co_await agree_on_protection(is_client_private));
    std::optional<Reply> refused = CO_TRY(settings().upstream_mode == DataMode::active ? co_await listen() : co_await connect_passively());
    if (refused) co_return std::move(*refused);
    // Right before the command (RFC 959 4.1.3): some servers forget it at any other.
    if (from > 0) {
        Reply agreed = CO_TRY(co_await ask("REST", fmt::to_string(from)));
        if (agreed.is_failure()) co_return agreed;
        if (!agreed.is_intermediate()) co_return fail(Errc::malformed, Side::server, "no answer to REST");
    }
    Reply reply = CO_TRY(co_await ask(verb, argument));
    if (!reply.is_preliminary()) {  // a success without data is none: nothing was transferred
        forget_data();
        if (reply.is_success()) co_return fail(Errc::malformed, Side::server, "a transfer ended before it began");
        co_return reply;
    }
    is_transferring_ = true;
    if (listener_) {
        auto accepted = co_await listener_->accept(limits().ftp_data_connect);
        listener_.reset();
        if (!accepted) co_return std::unexpected(accepted.error());
        data_ = std::move(*accepted);
    }
    CO_TRY(co_await secure_data());
    co_return reply;
}

Reply Upstream::refuse_data(std::string_view why) {
    no_data_ = fmt::format("No data connection with the server: {}.", why);
    return {425, {no_data_}};
}

// The address in a server's 227 is not asked: it is the control connection's peer that was judged (curl's CVE-2020-8284).
Upstream::Outcome<std::optional<Reply>> Upstream::connect_passively() {
    const IpAddress server = control_->stream().peer().address;
    std::optional<std::uint16_t> port;
    if (server.is_v4()) {
        const Reply reply = CO_TRY(co_await ask("PASV", {}));
        if (reply.is_success()) port = CO_TRY(parse_passive_reply(reply.text())).port;
    }
    if (!port) {
        const Reply reply = CO_TRY(co_await ask("EPSV", {}));
        if (!reply.is_success()) co_return refuse_data(reply.text());
        port = CO_TRY(parse_extended_passive_reply(reply.text()));
    }
    const std::array<IpPort, 1> address{IpPort{server, *port}};
    if (*port < first_data_port) co_return refuse_data("it names a port below 1024");
    if (whose_.protect_host)
        if (const auto why = whose_.protect_host->refuses(whose_.client, address.front())) {
            Reply reply = refuse_data(*why);
            is_data_prohibited_ = true;
            no_data_ = *why;
            co_return reply;
        }
    auto dialled = co_await net::dial(worker_, address, limits());
    if (!dialled) co_return refuse_data(dialled.error().what);
    data_ = std::move(dialled->stream);
    co_return std::nullopt;
}

Upstream::Outcome<std::optional<Reply>> Upstream::listen() {
    const net::Stream& control = control_->stream();
    listener_ = CO_TRY(net::PeerListener::open(worker_, control.local().address, settings().passive_ports.first,
                                               settings().passive_ports.last, control.peer().address, Side::server));
    const IpPort local = listener_->local();
    const Reply reply =
        CO_TRY(local.address.is_v4() ? co_await ask("PORT", port_argument(local)) : co_await ask("EPRT", eprt_argument(local)));
    if (reply.is_success()) co_return std::nullopt;
    listener_.reset();
    co_return refuse_data(reply.text());
}

// After the server's 150: some begin the handshake only then. Servers that insist get the control connection's session again, and again: those of
// TLS 1.3 come two at a time, and an upload brings none.
Upstream::Outcome<void> Upstream::secure_data() {
    if (!is_private_) co_return Result<void>{};
    if (sessions_.size() == 0)
        if (SSL_SESSION* session = SSL_get1_session(tls_->ssl()); session != nullptr)
            sessions_.put(fmt::format("{}/{}", trust_->serial(), key()), net::tls::SessionPtr(session));
    auto opened = CO_TRY(net::tls::open(data_, *trust_, sessions_, name(), key()));
    net::tls::TlsStream& tls = *opened;
    data_ = std::move(opened);
    tls.expires_in(limits().tls_handshake);
    CO_TRY(co_await tls.handshake());
    tls.expires_never();
    if (!net::tls::verification(tls).empty()) co_return fail(Errc::tls_failed, Side::server, net::tls::verification(tls));
    co_return Result<void>{};
}

// Tickets for the next data connections come on this one, and an upload has read nothing of it; and some servers miss a goodbye that is not waited for.
net::Task<void> Upstream::hear_data_out() {
    std::array<char, 4096> room;
    data_->shutdown_write();
    data_->expires_in(limits().lingering);
    for (;;) {
        const auto got = co_await data_->read_some(room);
        if (!got || *got == 0) co_return;
    }
}

Upstream::Outcome<Reply> Upstream::end_transfer() {
    if (data_) {
        if (is_private_) co_await hear_data_out();
        data_->close();
    }
    forget_data();
    if (!std::exchange(is_transferring_, false)) co_return Reply{226, {"Nothing was transferred."}};
    co_return co_await await_final(limits().first_byte);
}

// Whether the rest of a download came in a moment: then the transfer ends by itself.
net::Task<bool> Upstream::drain_data() {
    net::Buffer room = worker_.buffers().borrow();
    data_->rearm();
    net::Timer timer(worker_.timers(), [this] { data_->cancel(); });
    timer.set(std::chrono::milliseconds(300));
    for (;;) {
        const auto got = co_await data_->read_some(room.span());
        if (!got || *got == 0) co_return got.has_value();
    }
}

// Servers answer ABOR with one reply or two, or miss it: NOOP goes behind it, and what comes before its 200 is of what was cut.
Upstream::Outcome<std::optional<Reply>> Upstream::abort_transfer(bool is_download) {
    constexpr int most_replies = 8;
    if (data_ && is_download && co_await drain_data()) {
        CO_TRY(co_await end_transfer());
        co_return std::nullopt;
    }
    is_transferring_ = false;
    CO_TRY(co_await tell("ABOR", {}));
    CO_TRY(co_await tell("NOOP", {}));
    break_data();
    std::optional<Reply> refusal;
    for (int n = 0; n < most_replies; ++n) {
        Reply reply = CO_TRY(co_await await_reply(limits().ftp_after_abort));
        if (reply.code == 200) co_return refusal;
        if (reply.is_failure() && !refusal) refusal = std::move(reply);
    }
    co_return fail(Errc::malformed, Side::server, "the server is out of step");
}

void Upstream::cancel_data() {
    if (data_) data_->cancel();
    if (listener_) listener_->cancel();
}

void Upstream::break_data() {
    if (data_) data_->abort();
    forget_data();
}

void Upstream::forget_data() {
    listener_.reset();
    data_.reset();
}

}  // namespace sluice::ftp
