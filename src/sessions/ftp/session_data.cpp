// SPDX-License-Identifier: Apache-2.0
// Data connections, each side as it likes: a client in active mode through a server in passive mode, IPv4 to IPv6. Nobody but the peer of a
// control connection is connected to, or may connect.
#include <fmt/format.h>

#include <utility>

#include "net/dial.h"
#include "protocols/ftp/data_address.h"
#include "sessions/ftp/service.h"
#include "sessions/ftp/session.h"

namespace sluice::ftp {

namespace {

// Below are ports that other services listen at (RFC 2577 3).
constexpr std::uint16_t first_data_port = 1024;

Reply no_data(std::string_view why) { return {425, {fmt::format("No data connection with the server: {}.", why)}}; }

}  // namespace

net::Task<Session::Then> Session::enter_passive(const Command& command) {
    const IpAddress local = client_->stream().local().address;
    const bool is_extended = command.verb == "EPSV";
    if (is_extended) {
        const auto wanted = parse_epsv(command.argument);
        if (!wanted && wanted.error().code != Errc::unsupported) co_return co_await answer(501, "EPSV takes 1, 2 or ALL.");
        if (wanted && *wanted == EpsvArgument::all) {
            only_epsv_ = true;
            co_return co_await answer(200, "EPSV it is from now on.");
        }
        if (!wanted || (*wanted == EpsvArgument::ipv4 && local.is_v6()) || (*wanted == EpsvArgument::ipv6 && local.is_v4()))
            co_return co_await answer(522, fmt::format("Network protocol not supported, use ({})", local.is_v4() ? 1 : 2));
    } else if (only_epsv_) {
        co_return co_await answer(503, "EPSV ALL was said.");
    } else if (local.is_v6() && !settings().passive_address) {
        co_return co_await answer(522, "Network protocol not supported, use EPSV (2)");
    }
    if (const Denied denied = judge_data_command(command.verb, command.argument)) co_return co_await deny(*denied, 550, command.verb);
    forget_data();
    auto listener =
        net::PeerListener::open(worker_, local, settings().passive_ports.first, settings().passive_ports.last, peer_.address, Side::client);
    if (!listener) {
        note_error(listener.error());
        co_return co_await answer(425, "This proxy has no port left for a data connection.");
    }
    listener_ = std::move(*listener);
    const std::uint16_t port = listener_->local().port;
    if (is_extended) co_return co_await answer(229, extended_passive_text(port));
    co_return co_await answer(227, passive_text({settings().passive_address.value_or(local), port}));
}

net::Task<Session::Then> Session::enter_active(const Command& command) {
    if (only_epsv_) co_return co_await answer(503, "EPSV ALL was said.");
    const auto wanted = command.verb == "PORT" ? parse_port(command.argument) : parse_eprt(command.argument);
    if (!wanted && wanted.error().code == Errc::unsupported) co_return co_await answer(522, "Network protocol not supported, use (1,2)");
    if (!wanted) co_return co_await answer(501, "This is no address.");
    const IpPort address{wanted->address.unmapped(), wanted->port};
    if (address.address != peer_.address || address.port < first_data_port) {
        action_ = audit::Action::refused;
        error_type_ = "destination_ip_prohibited";
        reason_ = "a data connection to somebody else, or to a port below 1024";
        co_return co_await answer(504, "Data connections go to the client itself, and to a port of 1024 or above.");
    }
    if (const Denied denied = judge_data_command(command.verb, command.argument)) co_return co_await deny(*denied, 504, command.verb);
    forget_data();
    active_ = address;
    co_return co_await answer(200, "The data connection will go there.");
}

void Session::forget_data() {
    listener_.reset();
    active_.reset();
    server_listener_.reset();
    client_data_.reset();
    server_data_.reset();
}

// An error: the client's, whatever it was.
Session::Outcome<std::unique_ptr<net::Stream>> Session::connect_client() {
    if (listener_) {
        auto accepted = co_await listener_->accept(limits().ftp_data_connect);
        listener_.reset();
        if (!accepted) co_return std::unexpected(accepted.error());
        co_return std::move(*accepted);
    }
    const std::array<IpPort, 1> address{*active_};
    active_.reset();
    auto dialled = co_await net::dial(worker_, address, limits());
    if (!dialled) co_return fail(dialled.error().code, Side::client, dialled.error().what);
    dialled->stream->set_side(Side::client);
    co_return std::move(dialled->stream);
}

Session::Outcome<Reply> Session::begin_transfer(std::string_view verb, std::string_view argument) {
    const bool is_active = settings().upstream_mode == DataMode::active;
    CO_TRY(co_await agree_on_protection());
    const std::optional<Reply> refused = CO_TRY(is_active ? co_await listen_for_server() : co_await connect_passively());
    if (refused) {
        if (reason_.empty()) reason_ = refused->text();
        co_return *refused;
    }
    // Right before the command (RFC 959 4.1.3): some servers forget it at any other.
    if (const std::uint64_t from = std::exchange(server_restart_, 0); from > 0) {
        Reply agreed = CO_TRY(co_await ask("REST", fmt::to_string(from)));
        if (agreed.is_failure()) co_return agreed;
        if (!agreed.is_intermediate()) co_return fail(Errc::malformed, Side::server, "no answer to REST");
    }
    Reply reply = CO_TRY(co_await ask(verb, argument));
    if (!reply.is_preliminary()) {  // a success without data is none: nothing was transferred
        server_listener_.reset();
        server_data_.reset();
        if (reply.is_success()) co_return fail(Errc::malformed, Side::server, "a transfer ended before it began");
        co_return reply;
    }
    server_began_ = true;
    if (server_listener_) {
        auto accepted = co_await server_listener_->accept(limits().ftp_data_connect);
        server_listener_.reset();
        if (!accepted) co_return std::unexpected(accepted.error());
        server_data_ = std::move(*accepted);
    }
    CO_TRY(co_await secure_server_data());
    co_return reply;
}

// The address in a server's 227 is not asked: it is the control connection's peer that was judged (curl's CVE-2020-8284).
Session::Outcome<std::optional<Reply>> Session::connect_passively() {
    const IpAddress server = server_->stream().peer().address;
    std::optional<std::uint16_t> port;
    if (server.is_v4()) {
        const Reply reply = CO_TRY(co_await ask("PASV", {}));
        if (reply.is_success()) port = CO_TRY(parse_passive_reply(reply.text())).port;
    }
    if (!port) {
        const Reply reply = CO_TRY(co_await ask("EPSV", {}));
        if (!reply.is_success()) co_return no_data(reply.text());
        port = CO_TRY(parse_extended_passive_reply(reply.text()));
    }
    const std::array<IpPort, 1> address{IpPort{server, *port}};
    if (*port < first_data_port) co_return no_data("it names a port below 1024");
    if (settings().protect_host)
        if (const auto why = settings().protect_host->refuses(peer_.address, address.front())) {
            note({.name = sessions::protect_host_name, .reason = *why});
            co_return no_data(*why);
        }
    auto dialled = co_await net::dial(worker_, address, limits());
    if (!dialled) co_return no_data(dialled.error().what);
    server_data_ = std::move(dialled->stream);
    co_return std::nullopt;
}

Session::Outcome<std::optional<Reply>> Session::listen_for_server() {
    const net::Stream& control = server_->stream();
    server_listener_ = CO_TRY(net::PeerListener::open(worker_, control.local().address, settings().passive_ports.first,
                                                      settings().passive_ports.last, control.peer().address, Side::server));
    const IpPort local = server_listener_->local();
    const Reply reply =
        CO_TRY(local.address.is_v4() ? co_await ask("PORT", port_argument(local)) : co_await ask("EPRT", eprt_argument(local)));
    if (reply.is_success()) co_return std::nullopt;
    server_listener_.reset();
    co_return no_data(reply.text());
}

// Tickets for the next data connections come on this one, and an upload has read nothing of it; and some servers miss a goodbye that is not waited for.
net::Task<void> Session::hear_server_out() {
    std::array<char, 4096> room;
    server_data_->shutdown_write();
    server_data_->expires_in(limits().lingering);
    for (;;) {
        const auto got = co_await server_data_->read_some(room);
        if (!got || *got == 0) co_return;
    }
}

Session::Outcome<Reply> Session::end_transfer() {
    if (server_data_) {
        if (server_is_private_) co_await hear_server_out();
        server_data_->close();
        server_data_.reset();
    }
    server_listener_.reset();
    if (!std::exchange(server_began_, false)) co_return Reply{226, {"Nothing was transferred."}};
    co_return co_await await_final(limits().first_byte);
}

// Whether the rest of a download came in a moment: then the transfer ends by itself.
net::Task<bool> Session::drain_server() {
    net::Buffer room = worker_.buffers().borrow();
    server_data_->rearm();
    net::Timer timer(worker_.timers(), [this] { server_data_->cancel(); });
    timer.set(std::chrono::milliseconds(300));
    for (;;) {
        const auto got = co_await server_data_->read_some(room.span());
        if (!got || *got == 0) co_return got.has_value();
    }
}

// The server is told to stop, and its data connection breaks. Servers answer ABOR with one reply or two, or miss it: NOOP goes behind it, and what
// comes before its 200 is of what was cut. The first refusal among that is kept in last_reply_.
Session::Outcome<void> Session::abort_transfer() {
    constexpr int most_replies = 8;
    if (server_data_ && inspected_ != &upload_ && co_await drain_server()) {
        CO_TRY(co_await end_transfer());
        co_return Result<void>{};
    }
    server_began_ = false;
    CO_TRY(co_await tell_server("ABOR", {}));
    CO_TRY(co_await tell_server("NOOP", {}));
    if (server_data_) server_data_->abort();
    server_data_.reset();
    server_listener_.reset();
    for (int n = 0; n < most_replies; ++n) {
        Reply reply = CO_TRY(co_await await_reply(limits().ftp_after_abort));
        if (reply.code == 200) co_return Result<void>{};
        if (reply.is_failure() && !last_reply_) last_reply_ = std::move(reply);
    }
    co_return fail(Errc::malformed, Side::server, "the server is out of step");
}

void Session::heed() {
    if (is_over_) return;
    const bool server_says_no = server_began_ && server_ && (server_->failure() || (server_->has_reply() && server_->front().is_failure()));
    if (!client_->failure() && !client_->has_abort() && !server_says_no) return;
    is_cut_ = true;
    for (const auto* data : {&client_data_, &server_data_})
        if (*data) (*data)->cancel();
    for (const auto* listener : {&listener_, &server_listener_})
        if (*listener) (*listener)->cancel();
}

}  // namespace sluice::ftp
