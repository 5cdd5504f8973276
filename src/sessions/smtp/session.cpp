// SPDX-License-Identifier: Apache-2.0
#include "sessions/smtp/session.h"

#include <algorithm>
#include <array>
#include <utility>

#include "net/wheel.h"
#include "sessions/smtp/service.h"
#include "sessions/transaction/proxy_header.h"

namespace sluice::smtp {

namespace {

constexpr std::string_view not_in_clients = "the client's address is not in http.clients";

}  // namespace

struct Session::CommandInfo {
    std::string_view verb;
    Handler handler;
    bool is_before_tls = false;  // allowed in the clear where TLS is required
};

Session::Session(Service& service, net::Accepted accepted)
    : Session(service, std::move(accepted.stream), std::move(accepted.permit), accepted.listener.to_string()) {
    is_implicit_ = std::ranges::find(settings().implicit_listeners, accepted.listener) != settings().implicit_listeners.end();
}

Session::Session(Service& service, std::unique_ptr<net::Stream> client, net::ConnectionPermit permit, std::string listener)
    : service_(service),
      worker_(service.worker()),
      generation_(service.generation()),
      accepted_(std::move(client)),
      peer_(accepted_->peer()),
      real_peer_(peer_),
      commands_(generation_->settings->limits),
      permit_(std::move(permit)),
      listener_name_(std::move(listener)),
      judgement_(policy::Protocol::smtp, service.judging()) {
    service_.add(*this);
}

Session::~Session() { service_.remove(*this); }

void Session::drain() {
    if (is_waiting_ && !is_in_transaction_) client_->stream().cancel();
}

net::Task<void> Session::run() {
    if (co_await open()) co_await serve();
    if (is_in_transaction_) {  // it went away in the middle
        if (action_ == audit::Action::allowed) {
            action_ = audit::Action::aborted;
            reason_ = "the client left before its message was whole";
        }
        record();
    }
    leave_upstream();
    if (client_) client_->stream().close();
    else if (accepted_) accepted_->close();
}

// Who is there, and whether we talk with them at all.
net::Task<bool> Session::open() {
    begin_record();
    auto ahead = co_await read_proxy_header();
    if (!ahead) co_return false;
    peer_ = real_peer_ = accepted_->peer();
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
    } else {
        client_.emplace(std::move(accepted_), *ahead);
    }
    if (!permit_.is_within_client_limit()) {
        service_.metrics().refused(audit::Refusal::client_limit);
        reply_ = 421;
        record_refused("", "the limit of connections is reached");
        co_await say_goodbye(421, with_id("4.3.2 You have too many sessions open."));
        co_return false;
    }
    if (!co_await admit()) co_return false;
    if (has_spoken_early()) {
        co_await end_out_of_step();
        co_return false;
    }
    answer(220, settings().hostname + " ESMTP");
    co_return true;
}

// Whether the client, by its address, is let in; else it has been told.
net::Task<bool> Session::admit() {
    if (!is_served()) {
        service_.metrics().refused(audit::Refusal::client_not_allowed);
        reply_ = 554;
        record_refused("", not_in_clients);
        co_await say_goodbye(554, with_id("5.7.1 This gateway does not serve your address."));
        co_return false;
    }
    const Denied denied = judge_accept();
    if (!denied) co_return true;
    service_.metrics().refused(audit::Refusal::policy);
    note(*denied);
    // RFC 5321 3.1: there is no session for this client, or none now.
    Refusal refusal = refusal_of(*denied);
    refusal.code = refusal.code == 450 ? 421 : refusal.code == 550 ? 554 : refusal.code;
    reply_ = refusal.code;
    record();
    if (denied->action == policy::Action::reset) client_->stream().abort();
    else co_await say_goodbye(refusal.code, refusal.text);
    co_return false;
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
        // Behind a half-read pipeline of commands nothing is lost: each is answered, or this is.
        if (service_.is_draining() && !is_in_transaction_)
            co_return co_await say_goodbye(421, "4.3.2 This gateway is going down: please come again.");
        // While the log is behind and must not lose events, nothing new begins.
        while (settings().wait_for_log && !service_.lane().has_room()) co_await worker_.sleep(net::Wheel::tick);
        auto command = co_await next_command();
        if (!command) {
            if (command.error().code == Errc::timed_out) co_await say_goodbye(421, "4.4.2 Nothing came for too long: goodbye.");
            else if (command.error().code == Errc::cancelled && service_.is_draining())
                co_await say_goodbye(421, "4.3.2 This gateway is going down: please come again.");
            co_return;
        }
        if (co_await handle(std::move(*command)) == Then::end) {
            if (client_) static_cast<void>(co_await client_->flush(limits().lingering));
            co_return;
        }
    }
}

Session::Outcome<Command> Session::next_command() {
    for (;;) {
        std::string_view in = client_->unread();
        const std::size_t had = in.size();
        auto command = commands_.next(in);
        client_->take(had - in.size());
        if (command) co_return std::move(*command);
        CO_TRY(co_await client_->flush(limits().body_idle));
        is_waiting_ = true;
        const auto filled = co_await fill_patiently(is_in_transaction_ && has_upstream() && !upstream_->is_in_message());
        is_waiting_ = false;
        if (!filled) co_return std::unexpected(filled.error());
    }
}

// The next octets. `beats`: meanwhile an upstream that waits in the middle of a message hears that we are there.
Session::Outcome<void> Session::fill_patiently(bool beats) {
    const auto until = std::chrono::steady_clock::now() + limits().smtp_idle;
    for (;;) {
        client_->stream().expires_in(beats ? std::min(limits().smtp_idle, limits().smtp_keep_alive) : limits().smtp_idle);
        auto filled = co_await client_->fill();
        client_->stream().expires_never();
        if (filled || filled.error().code != Errc::timed_out || !beats || std::chrono::steady_clock::now() >= until) co_return filled;
        // Its loss is told where it matters: at the next command, or the message's end.
        if (!co_await upstream_->keep_alive()) beats = false;
    }
}

const Session::CommandInfo* Session::find_command(std::string_view verb) {
    static constexpr std::array commands{
        CommandInfo{"EHLO", &Session::extended_hello, true},
        CommandInfo{"HELO", &Session::hello, true},
        CommandInfo{"MAIL", &Session::mail},
        CommandInfo{"RCPT", &Session::recipient},
        CommandInfo{"DATA", &Session::data},
        CommandInfo{"BDAT", &Session::chunk},
        CommandInfo{"RSET", &Session::reset, true},
        CommandInfo{"NOOP", &Session::noop, true},
        CommandInfo{"QUIT", &Session::quit, true},
        CommandInfo{"STARTTLS", &Session::start_tls, true},
        CommandInfo{"AUTH", &Session::authenticate},
        CommandInfo{"VRFY", &Session::verify},
        CommandInfo{"HELP", &Session::help, true},
        CommandInfo{"XCLIENT", &Session::take_client, true},
        CommandInfo{"XFORWARD", &Session::take_forwarded},
        CommandInfo{"EXPN", &Session::not_implemented},
        CommandInfo{"ETRN", &Session::not_implemented},
        CommandInfo{"TURN", &Session::not_implemented},
        CommandInfo{"ATRN", &Session::not_implemented},
        CommandInfo{"BURL", &Session::not_implemented},
    };
    const auto found = std::ranges::find(commands, verb, &CommandInfo::verb);
    return found == commands.end() ? nullptr : &*found;
}

net::Task<Session::Then> Session::handle(Command command) {
    if (command.fault != Command::Fault::none && is_by_chunks_) {
        // It may have been a BDAT, and what follows its content.
        action_ = audit::Action::refused;
        reason_ = "a bad line between chunks";
        co_await say_goodbye(500, with_id("5.5.2 This line is bad, and nobody knows what follows it."));
        co_return Then::end;
    }
    switch (command.fault) {
        case Command::Fault::none: break;
        case Command::Fault::too_long: co_return answer_bad(500, "5.5.2 This line is too long.");
        case Command::Fault::bad_octet: co_return answer_bad(500, "5.5.2 A line ends with CR LF, and has no CR, LF or NUL inside.");
        case Command::Fault::no_verb: co_return answer_bad(500, "5.5.2 This is no command.");
    }
    const CommandInfo* info = find_command(command.verb);
    if (info == nullptr) co_return answer_bad(500, "5.5.2 This command is not known.");
    if (settings().client_tls == ClientTls::require && client_tls_ == nullptr && !info->is_before_tls)
        co_return command.verb == "BDAT" ? co_await refuse_chunk(parse_chunk(command.argument), 530, "5.7.0 Say STARTTLS first.")
                                         : answer_bad(530, "5.7.0 Say STARTTLS first.");
    co_return co_await (this->*info->handler)(command);
}

Session::Then Session::answer(int code, std::string_view text) {
    reply_ = code;
    client_->say(encode(code, text));
    return code == 421 ? Then::end : Then::next;
}

Session::Then Session::answer(const Reply& reply) {
    // Its session is over (RFC 5321 3.8), and ours is not.
    if (reply.code == 421) return answer(451, with_id("4.4.2 The mail server has closed the session: please try again later."));
    reply_ = reply.code;
    client_->say(encode(reply));
    return Then::next;
}

Session::Then Session::answer_bad(int code, std::string_view text) {
    if (++bad_commands_ < limits().smtp_bad_commands) return answer(code, text);
    return answer(421, "4.7.0 Too many bad commands: goodbye.");
}

net::Task<void> Session::say_goodbye(int code, std::string_view text) {
    client_->stream().rearm();
    client_->stream().expires_in(limits().lingering);
    reply_ = code;
    client_->say(encode(code, text));
    if (co_await client_->flush(limits().lingering)) client_->stream().shutdown_write();
}

// RFC 2920 3.1: what the client said next, it said without knowing the answer; some of it may be an attacker's (a message's text taken for commands).
bool Session::has_spoken_early() {
    if (client_->unread().empty()) static_cast<void>(client_->fill_now());
    return !client_->unread().empty();
}

net::Task<Session::Then> Session::end_out_of_step() {
    if (!is_in_transaction_) begin_record();
    action_ = audit::Action::refused;
    reason_ = "the client did not wait for the reply";
    reply_ = 554;
    record();
    is_in_transaction_ = false;
    co_await say_goodbye(554, with_id("5.5.0 SMTP protocol synchronization: wait for the reply."));
    co_return Then::end;
}

net::Task<Session::Then> Session::noop(const Command&) { co_return answer(250, "2.0.0 OK"); }

net::Task<Session::Then> Session::help(const Command&) { co_return answer(214, "2.0.0 See RFC 5321."); }

// Who exists is told to nobody (RFC 5321 7.3).
net::Task<Session::Then> Session::verify(const Command& command) {
    if (command.argument.empty()) co_return answer_bad(501, "5.5.4 Say VRFY and an address.");
    co_return answer(252, "2.1.5 Send some mail, and see.");
}

net::Task<Session::Then> Session::not_implemented(const Command&) { co_return answer_bad(502, "5.5.1 This command is not implemented."); }

net::Task<Session::Then> Session::quit(const Command& command) {
    if (!command.argument.empty()) co_return answer_bad(501, "5.5.4 QUIT takes no argument.");
    co_await end_transaction();
    answer(221, "2.0.0 Goodbye.");
    co_return Then::end;
}

}  // namespace sluice::smtp
