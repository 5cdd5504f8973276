// SPDX-License-Identifier: Apache-2.0
#include "sessions/ftp/session.h"

#include <fmt/format.h>

#include <algorithm>

#include "net/tcp_stream.h"
#include "net/wheel.h"
#include "sessions/ftp/commands.h"
#include "sessions/ftp/service.h"
#include "sessions/transaction/proxy_header.h"

namespace sluice::ftp {

namespace {

constexpr std::string_view not_in_clients = "the client's address is not in http.clients";
constexpr std::string_view greeting = "FTP proxy ready. Say USER user@host.";
constexpr std::string_view fixed_greeting = "FTP proxy ready.";

// An ABOR is sent urgent, and its last octet would come out of line.
std::unique_ptr<net::Stream> keeping_urgent_inline(std::unique_ptr<net::TcpStream> stream) {
    stream->keep_urgent_inline();
    return stream;
}

}  // namespace

Session::Session(Service& service, net::Accepted accepted)
    : Session(service, keeping_urgent_inline(std::move(accepted.stream)), std::move(accepted.permit), accepted.listener.to_string()) {
    is_implicit_ = std::ranges::find(settings().implicit_listeners, accepted.listener) != settings().implicit_listeners.end();
}

Session::Session(Service& service, std::unique_ptr<net::Stream> client, net::ConnectionPermit permit, std::string listener)
    : service_(service),
      worker_(service.worker()),
      generation_(service.generation()),
      accepted_(std::move(client)),
      peer_(accepted_->peer()),
      permit_(std::move(permit)),
      listener_name_(std::move(listener)),
      judgement_(policy::Protocol::ftp, service.judging()) {
    service_.add(*this);
}

Session::~Session() { service_.remove(*this); }

net::Task<void> Session::run() {
    if (co_await open()) co_await serve();
    forget_data();
    if (client_) {
        co_await client_->stop();
        client_->stream().close();
    } else if (accepted_) {
        accepted_->close();
    }
    if (server_) co_await server_->stop();
    forget_server();
}

// Who is there, and whether we talk with them at all.
net::Task<bool> Session::open() {
    start_ns_ = steady_ns();
    id_ = service_.next_id(service_.unix_ns(start_ns_));
    auto ahead = co_await read_proxy_header();
    if (!ahead) co_return false;
    peer_ = accepted_->peer();
    if (is_implicit_) {
        // Nobody can be told anything before the handshake, and who is not served is not worth one.
        if (!settings().serves(peer_.address)) {
            service_.metrics().refused(audit::Refusal::client_not_allowed);
            record_refused("", not_in_clients);
            accepted_->abort();
            co_return false;
        }
        if (const auto secured = co_await secure_client(std::move(*ahead)); !secured) {
            record_refused("tls_protocol_error", secured.error().what);
            co_return false;
        }
        has_pbsz_ = is_private_ = true;
    } else {
        client_.emplace(std::move(accepted_), limits(), news_);
        client_->start(*ahead);
    }
    const IpAddress& peer = peer_.address;
    const auto turn_away = [&](audit::Refusal why, std::string_view reason, std::string_view text) -> net::Task<bool> {
        service_.metrics().refused(why);
        record_refused("", reason);
        co_await say_goodbye(text);
        co_return false;
    };
    if (!settings().serves(peer))
        co_return co_await turn_away(audit::Refusal::client_not_allowed, not_in_clients, "This proxy does not serve your address.");
    if (auto place = service_.session_limits().enter(peer)) session_permit_ = std::move(*place);
    if (!permit_.is_within_client_limit() || !session_permit_ || !session_permit_.is_within_client_limit())
        co_return co_await turn_away(audit::Refusal::client_limit, "the limit of connections or ftp.sessions_per_client is reached",
                                     "You have too many sessions open.");
    if (const Denied denied = judge_accept()) {
        service_.metrics().refused(audit::Refusal::policy);
        note(*denied);
        record();
        if (denied->action == policy::Action::reset) client_->stream().abort();
        else co_await say_goodbye(words_of(*denied, "connection"));
        co_return false;
    }
    const auto said = co_await client_->send(encode(220, settings().upstream ? fixed_greeting : greeting), limits().body_idle);
    co_return said.has_value();
}

// What came behind the header; nullopt: the connection is gone.
net::Task<std::optional<std::string>> Session::read_proxy_header() {
    auto ahead = co_await sessions::read_proxy_header(*accepted_, permit_, settings().proxy_from, limits());
    if (ahead) co_return std::move(*ahead);
    service_.metrics().refused(audit::Refusal::proxy_header);
    record_refused("", ahead.error().what);
    accepted_->abort();
    co_return std::nullopt;
}

net::Task<void> Session::serve() {
    for (;;) {
        if (service_.is_draining()) co_return co_await say_goodbye("This proxy is going down: please come again.");
        // While the log is behind and must not lose events, nothing new begins.
        while (settings().wait_for_log && !service_.lane().has_room()) co_await worker_.sleep(net::Wheel::tick);
        client_->stream().expires_in(limits().ftp_idle);
        co_await news_.until([&] {
            return client_->has_command() || client_->failure() || service_.is_draining() ||
                   (server_ && (server_->has_reply() || server_->failure()));
        });
        if (client_->has_command()) {
            client_->stream().expires_never();
            if (co_await handle(client_->take_command()) == Then::end) co_return;
            continue;
        }
        if (client_->failure()) {
            if (client_->failure()->code == Errc::timed_out) co_await say_goodbye("Nothing came for too long: goodbye.");
            co_return;
        }
        if (service_.is_draining()) continue;
        // A server that speaks unasked says goodbye; whatever it says, the session with it cannot go on.
        co_return co_await say_goodbye("The server has closed the session.");
    }
}

net::Task<Session::Then> Session::handle(Command command) {
    begin_record(command);
    switch (command.fault) {
        case Command::Fault::none: break;
        case Command::Fault::too_long: co_return co_await answer(500, "This line is too long.");
        case Command::Fault::bad_octet: co_return co_await answer(501, "A line ends with CR LF, and has no CR, LF or NUL inside.");
        case Command::Fault::no_verb: co_return co_await answer(500, "This is no command.");
    }
    const CommandInfo* info = find_command(command.verb);
    if (info == nullptr) co_return co_await answer(502, "This command is not known to this proxy.");
    const bool is_about_tls =
        info->handling == Handling::start_tls || info->handling == Handling::features || info->handling == Handling::quit;
    if (settings().client_tls == ClientTls::require && client_tls_ == nullptr && !is_about_tls)
        co_return co_await answer(530, "Say AUTH TLS first.");
    if (info->needs_login && !is_logged_in_) co_return co_await answer(530, "Please log in with USER and PASS.");
    if (generation_ != service_.generation()) {
        generation_ = service_.generation();
        if (server_) server_->use(generation_->settings);
        if (const Denied denied = judge_again()) {
            note(*denied);
            record();
            co_await say_goodbye(words_of(*denied, "session"));
            co_return Then::end;
        }
    }
    const Then then = co_await run_command(*info, command);
    if (info->is_recorded || std::exchange(record_login_, false) || action_ != audit::Action::allowed) record();
    // What comes from now on is the next command's.
    client_before_ = client_ ? client_->traffic() : Control::Traffic();
    server_before_ = server_ ? server_->traffic() : Control::Traffic();
    co_return then;
}

net::Task<Session::Then> Session::answer(int code, std::string_view text) {
    reply_ = code;
    const bool was_sent = (co_await client_->send(encode(code, text), limits().body_idle)).has_value();
    co_return was_sent&& code != 421 ? Then::next : Then::end;
}

net::Task<Session::Then> Session::answer(const Reply& reply) {
    reply_ = reply.code;
    const bool was_sent = (co_await client_->send(encode(reply), limits().body_idle)).has_value();
    co_return was_sent&& reply.code != 421 ? Then::next : Then::end;
}

net::Task<Session::Then> Session::answer_error(const Error& error) {
    note_error(error);
    if (error.side == Side::client) co_return Then::end;
    if (error.side == Side::self) co_return co_await answer(451, "This proxy failed: please try again.");
    if (error.code == Errc::tls_failed) co_return co_await answer(421, fmt::format("TLS with the server failed: {}", error.what));
    co_return co_await answer(
        421, error.code == Errc::timed_out ? "The server does not answer: goodbye." : "The server has broken the session: goodbye.");
}

net::Task<void> Session::say_goodbye(std::string_view text) {
    client_->stream().rearm();
    client_->stream().expires_in(limits().lingering);
    reply_ = 421;
    const auto sent = co_await client_->send(encode(421, text), limits().lingering);
    if (sent) client_->stream().shutdown_write();
}

net::Task<void> Session::leave_server() {
    if (!server_) co_return;
    co_await server_->leave();
    forget_server();
}

void Session::forget_server() {
    if (server_) {
        upstream_ns_ += server_->take_waited_ns();
        server_.reset();
        service_.metrics().add(audit::Gauge::server_connections, -1);
    }
    server_before_ = {};
    is_logged_in_ = false;
    user_was_refused_ = false;
    rename_from_.reset();
    restart_ = 0;
}

}  // namespace sluice::ftp
