// SPDX-License-Identifier: Apache-2.0
// USER and PASS: to which server, whether this client may go there, and who it is there.
#include <fmt/format.h>

#include <algorithm>

#include "sessions/ftp/service.h"
#include "sessions/ftp/session.h"
#include "sessions/transaction/connect.h"
#include "sessions/transaction/passwords.h"

namespace sluice::ftp {

namespace {

std::string_view why_unreached(const sessions::ConnectFailure& failure) {
    if (failure.in_resolving) return failure.error.code == Errc::timed_out ? "dns_timeout" : "dns_error";
    switch (failure.error.code) {
        case Errc::refused: return "connection_refused";
        case Errc::timed_out: return "connection_timeout";
        case Errc::unreachable: return "destination_ip_unroutable";
        case Errc::overloaded: return "connection_limit_reached";
        default: return "destination_unavailable";
    }
}

}  // namespace

net::Task<Session::Then> Session::user(const Command& command) {
    // Whoever says USER begins anew (RFC 959 4.1.1), maybe with another server.
    co_await leave_server();
    forget_data();
    forget_login();
    auto login = parse_user(command.argument, false);
    if (!login) {
        action_ = audit::Action::refused;
        reason_ = login.error().what;
        co_return co_await answer(
            530, login.error().what == no_server ? "Which server? Say USER user@host." : "Say USER user@host or user@host:port.");
    }
    login_ = std::move(*login);
    if (!settings().upstream && std::ranges::none_of(settings().ports, [&](const PortRange& range) { return range.has(login_->port); })) {
        action_ = audit::Action::refused;
        reason_ = "the port is not in ftp.ports";
        co_return co_await answer(530, "This proxy does not go to that port.");
    }
    begin_judging();
    if (const Denied denied = judge_server()) {
        const bool asks = denied->action == policy::Action::authenticate && denied->rule != nullptr;
        co_return asks ? co_await ask_who(*denied, command.argument) : co_await refuse_login(*denied);
    }
    if (const auto then = co_await reach_server()) co_return *then;
    co_return co_await answer(asks_for_password_);
}

// "user@host", with `asks_for_proxy_user` "user@proxyuser@host"; where the server is fixed, without the host.
Result<Login> Session::parse_user(std::string_view argument, bool asks_for_proxy_user) const {
    if (!settings().upstream) return parse_login(argument, asks_for_proxy_user);
    Login login{.user = std::string(argument), .proxy_user = {}, .server = settings().upstream->host, .port = settings().upstream->port};
    const std::size_t at = asks_for_proxy_user ? argument.rfind('@') : std::string_view::npos;
    if (at == std::string_view::npos) return login;
    login.user = argument.substr(0, at);
    if (at + 1 < argument.size()) login.proxy_user = argument.substr(at + 1);
    return login;
}

// A rule wants to know who this is: the password comes with PASS, and nobody is dialled before.
net::Task<Session::Then> Session::ask_who(const sessions::Denial& denial, std::string_view argument) {
    const auto login = parse_user(argument, true);
    if (!login || !login->proxy_user) {
        note(denial);
        co_return co_await answer(530, settings().upstream ? "This proxy asks who you are: say USER user@proxyuser."
                                                           : "This proxy asks who you are: say USER user@proxyuser@host.");
    }
    login_ = *login;
    asked_by_ = denial.rule->users;
    co_return co_await answer(331, "Say PASS password@proxypassword.");
}

// The proxy's own password was right or wrong; nullopt: right, and `server_password` is what goes on.
net::Task<std::optional<Session::Then>> Session::prove_identity(std::string_view argument, std::string& server_password) {
    const auto passwords = split_password(argument);
    sessions::Checked checked;
    if (passwords)
        checked = co_await sessions::check_password(worker_, service_.passwords(), service_.credentials(), service_.rate_limits(),
                                                    asked_by_, {*login_->proxy_user, passwords->proxy}, peer_.address, limits());
    switch (checked.kind) {
        case sessions::Checked::Kind::good:
            identity_ = *login_->proxy_user;
            server_password = passwords->server;
            co_return std::nullopt;
        case sessions::Checked::Kind::too_many:
            action_ = audit::Action::limited;
            reason_ = "too many attempts to log in";
            co_return co_await answer(421, "Too many attempts to log in: please wait a moment.");
        case sessions::Checked::Kind::busy:
            action_ = audit::Action::failed;
            reason_ = "too many passwords wait to be checked";
            co_return co_await answer(421, "Too many people are logging in at this moment.");
        case sessions::Checked::Kind::bad: break;
    }
    action_ = audit::Action::blocked;
    reason_ = "the proxy's user or password is wrong";
    co_return co_await fail_login({530, {"Login incorrect."}});
}

// Nobody guesses fast, and nobody guesses long.
net::Task<Session::Then> Session::fail_login(const Reply& reply) {
    co_await worker_.sleep(limits().ftp_failed_login);
    if (++failed_logins_ < limits().ftp_failed_logins) co_return co_await answer(reply);
    co_return co_await answer(421, "Too many attempts to log in: goodbye.");
}

// From the name to the server's word about it. nullopt: it wants a password; else the client has its answer.
net::Task<std::optional<Session::Then>> Session::reach_server() {
    auto reached = co_await sessions::connect(worker_, judgement_, peer_.address, login_->server, login_->port, limits());
    if (const auto* denied = std::get_if<sessions::Denial>(&reached)) co_return co_await refuse_login(*denied);
    if (const auto* failure = std::get_if<sessions::ConnectFailure>(&reached)) {
        action_ = audit::Action::failed;
        error_type_ = why_unreached(*failure);
        reason_ = failure->error.what;
        server_address_ = failure->tried;
        co_return co_await answer(421, fmt::format("{} cannot be reached: {}.", login_->server.host, failure->error.what));
    }
    auto& dialled = std::get<net::Dialled>(reached);
    kept_ = effects_so_far();
    upstream_ns_ += dialled.duration.count();
    server_address_ = dialled.address;
    server_.emplace(worker_, news_, std::move(dialled.stream), FixedServer{login_->server, login_->port},
                    Upstream::For{generation_->settings, settings().protect_host, peer_.address, [this] { return client_->failure(); }});
    service_.metrics().add(audit::Gauge::server_connections, 1);
    service_.metrics().observe(audit::Histogram::server_connect, dialled.duration.count());
    co_return co_await greet();
}

net::Task<Session::Then> Session::refuse_login(const sessions::Denial& denial) {
    co_return co_await deny(denial, 530, login_->server.host);
}

// The server's greeting, and what it says to the name.
net::Task<std::optional<Session::Then>> Session::greet() {
    const auto greeting = co_await server_->greeting();
    if (!greeting) co_return co_await answer_error(greeting.error());
    if (!greeting->is_success()) {
        action_ = audit::Action::failed;
        error_type_ = "destination_unavailable";
        reason_ = fmt::format("the server says {}", greeting->code);
        co_return co_await answer(421, fmt::format("{} does not serve us now: {}", login_->server.host, greeting->text()));
    }
    if (const auto secured = co_await server_->secure(client_tls_ != nullptr); !secured) co_return co_await answer_error(secured.error());
    const auto reply = co_await server_->ask("USER", login_->user);
    if (!reply) co_return co_await answer_error(reply.error());
    if (reply->is_success()) {  // no password is wanted: this is the login
        record_login_ = true;
        if (const Denied denied = judge_command("USER", argument_, {})) {
            const Then then = co_await refuse_login(*denied);
            co_await leave_server();
            co_return then;
        }
        co_return co_await enter(*reply);
    }
    // Whether the server knows the name, it says after the password alone (RFC 2577 7).
    user_was_refused_ = !reply->is_intermediate();
    asks_for_password_ = user_was_refused_ ? Reply{331, {fmt::format("Password required for {}.", login_->user)}} : *reply;
    co_return std::nullopt;
}

net::Task<Session::Then> Session::password(const Command& command) {
    std::string password = command.argument;
    // Each PASS of such a login holds both passwords, also after the server refused its own: the proxy's never goes on.
    if (login_ && asked_by_ && !is_logged_in_) {
        if (const auto then = co_await prove_identity(command.argument, password)) co_return *then;
        if (!server_) {
            begin_judging();
            if (const Denied denied = judge_server()) co_return co_await refuse_login(*denied);
            if (const auto then = co_await reach_server()) co_return *then;
            if (asks_for_password_.code == 332) co_return co_await answer(asks_for_password_);  // no password, but an account
        }
    }
    if (!login_ || !server_ || is_logged_in_) co_return co_await answer(503, "Say USER first.");
    if (const Denied denied = judge_command("PASS", {}, {})) {
        const Then then = co_await refuse_login(*denied);
        co_await leave_server();
        co_return then;
    }
    auto reply = user_was_refused_ ? Result<Reply>(Reply{530, {"Login incorrect."}}) : co_await server_->ask("PASS", password);
    if (!reply) co_return co_await answer_error(reply.error());
    if (reply->is_success()) co_return co_await enter(*reply);
    if (reply->is_intermediate()) co_return co_await answer(*reply);  // ACCT is wanted
    action_ = audit::Action::failed;
    reason_ = fmt::format("the server says {}", reply->code);
    co_return co_await fail_login(*reply);
}

// The login was good. Where the session begins is asked for, so that rules see whole paths.
net::Task<Session::Then> Session::enter(const Reply& welcome) {
    is_logged_in_ = true;
    failed_logins_ = 0;
    is_ascii_ = true;
    restart_ = 0;
    directory_ = {};
    const auto where = co_await server_->ask("PWD", {});
    if (!where) co_return co_await answer_error(where.error());
    if (where->is_success()) static_cast<void>(directory_.set_from_reply(where->text()));
    co_return co_await answer(welcome);
}

void Session::forget_login() {
    login_.reset();
    server_address_.reset();
    asked_by_.reset();
    identity_.clear();
    kept_ = at_accept_;
}

net::Task<Session::Then> Session::reinitialise() {
    co_await leave_server();
    forget_data();
    forget_login();
    co_return co_await answer(220, "Everything is forgotten. Say USER user@host.");
}

}  // namespace sluice::ftp
