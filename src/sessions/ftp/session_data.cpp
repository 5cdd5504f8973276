// SPDX-License-Identifier: Apache-2.0
// Data connections with the client, each side as it likes: a client in active mode through a server in passive mode, IPv4 to IPv6. Nobody but the
// control connection's peer is connected to, or may connect.
#include <fmt/format.h>

#include <utility>

#include "net/dial.h"
#include "protocols/ftp/data_address.h"
#include "sessions/ftp/service.h"
#include "sessions/ftp/session.h"

namespace sluice::ftp {

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
    client_data_.reset();
    if (server_) server_->forget_data();
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
    auto reply = co_await server_->begin_transfer(verb, argument, std::exchange(server_restart_, 0), is_private_);
    if (server_->is_data_prohibited()) note({.name = sessions::protect_host_name, .reason = server_->no_data()});
    else if (reason_.empty()) reason_ = server_->no_data();
    co_return reply;
}

void Session::heed() {
    if (is_over_) return;
    const bool server_says_no =
        server_ && server_->is_transferring() && (server_->failure() || (server_->has_reply() && server_->front().is_failure()));
    if (!client_->failure() && !client_->has_abort() && !server_says_no) return;
    is_cut_ = true;
    if (client_data_) client_data_->cancel();
    if (listener_) listener_->cancel();
    if (server_) server_->cancel_data();
}

}  // namespace sluice::ftp
