// SPDX-License-Identifier: Apache-2.0
// EHLO and HELO: the session with the upstream begins, so that what is offered is true.
#include <fmt/format.h>

#include <algorithm>

#include "sessions/smtp/service.h"
#include "sessions/smtp/session.h"
#include "sessions/transaction/connect.h"

namespace sluice::smtp {

namespace {

constexpr std::size_t longest_name = 255;

// What an EHLO may say goes on to the upstream, and into our Received field.
bool is_good_name(std::string_view name) {
    return !name.empty() && name.size() <= longest_name && std::ranges::all_of(name, [](char c) { return c > 0x20 && c < 0x7f; });
}

}  // namespace

net::Task<Session::Then> Session::extended_hello(const Command& command) { co_return co_await say_hello(command, true); }
net::Task<Session::Then> Session::hello(const Command& command) { co_return co_await say_hello(command, false); }

net::Task<Session::Then> Session::say_hello(const Command& command, bool is_extended) {
    const std::string_view name = std::string_view(command.argument).substr(0, command.argument.find(' '));
    if (!is_good_name(name)) co_return answer_bad(501, "5.5.4 Say EHLO and your name.");
    co_await end_transaction();
    const bool is_new_name = helo_ != name;
    helo_ = name;
    is_extended_ = is_extended;
    if (const Denied denied = judge_hello()) {
        begin_record();
        note(*denied);
        const Refusal refusal = refusal_of(*denied);
        reply_ = refusal.code;
        record();
        helo_.clear();
        if (denied->action == policy::Action::reset) {
            client_->stream().abort();
            co_return Then::end;
        }
        co_return answer_bad(refusal.code, refusal.text);
    }
    judge_upstream();
    if (!has_upstream() && !is_authenticated_upstream_) {
        co_await reach_upstream();
    } else if (has_upstream() && is_new_name) {
        if (const auto greeted = co_await upstream_->greet_again(attributes()); !greeted) {
            unreached_ = greeted.error();
            leave_upstream();
        }
    }
    offered_ = has_upstream() ? upstream_->extensions() : Extensions();
    if (has_spoken_early()) co_return co_await end_out_of_step();
    if (!is_extended) co_return answer(250, settings().hostname);
    co_return answer(Reply{250, offer()});
}

std::uint64_t Session::largest_message() const {
    const std::uint64_t ours = settings().max_message;
    const auto theirs = has_upstream() ? upstream_->extensions().size : std::nullopt;
    return theirs && *theirs != 0 ? std::min(ours, *theirs) : ours;
}

std::vector<std::string> Session::mechanisms() const {
    if (is_authenticated()) return {};
    if (!service_.user_files().empty()) {
        if (client_tls_ == nullptr && !settings().auth_without_tls) return {};
        return {"PLAIN", "LOGIN"};
    }
    return may_relay_authentication() ? upstream_->extensions().auth : std::vector<std::string>();
}

// Ours, and of the upstream's what we understand; nothing that is not true of both.
std::vector<std::string> Session::offer() const {
    const Extensions none;
    const Extensions& theirs = has_upstream() ? upstream_->extensions() : none;
    std::vector<std::string> out{fmt::format("{} greets you", settings().hostname), "PIPELINING",
                                 fmt::format("SIZE {}", largest_message())};
    if (may_offer_tls() && client_tls_ == nullptr) out.emplace_back("STARTTLS");
    if (const auto names = mechanisms(); !names.empty()) out.push_back(fmt::format("AUTH {}", fmt::join(names, " ")));
    if (theirs.enhanced_status_codes) out.emplace_back("ENHANCEDSTATUSCODES");
    if (theirs.eightbitmime) out.emplace_back("8BITMIME");
    if (theirs.dsn) out.emplace_back("DSN");
    if (theirs.smtputf8) out.emplace_back("SMTPUTF8");
    out.emplace_back("CHUNKING");
    if (theirs.binarymime && theirs.chunking) out.emplace_back("BINARYMIME");
    if (is_trusted_peer()) {
        out.emplace_back("XCLIENT NAME ADDR PORT PROTO HELO LOGIN");
        out.emplace_back("XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE");
    }
    return out;
}

ClientAttributes Session::attributes() const {
    ClientAttributes out;
    if (is_client_known_) {
        out.address = peer_.address;
        out.port = peer_.port;
    }
    out.helo = helo_;
    out.name = told_.name;
    out.protocol = !told_.protocol.empty() ? told_.protocol : is_extended_ ? "ESMTP" : "SMTP";
    out.login = !identity_.empty() ? identity_ : told_.login;
    return out;
}

Session::Outcome<std::unique_ptr<net::Stream>> Session::dial(const UpstreamServer& server) {
    if (!server.path.empty()) co_return co_await net::dial_local(worker_, server.path, limits());
    judgement_.facts.set(policy::Field::server_address, std::string_view(server.host.host));
    judgement_.facts.set(policy::Field::server_port, server.port);
    auto reached = co_await sessions::connect(worker_, judgement_, peer_.address, server.host, server.port, limits());
    if (const auto* denied = std::get_if<sessions::Denial>(&reached)) {
        unreached_by_rule_ = *denied;
        co_return fail(Errc::refused_by_policy, Side::self, "a rule refuses the upstream's address");
    }
    if (const auto* failure = std::get_if<sessions::ConnectFailure>(&reached)) {
        server_address_ = failure->tried;
        co_return std::unexpected(failure->error);
    }
    auto& dialled = std::get<net::Dialled>(reached);
    server_address_ = dialled.address;
    service_.metrics().observe(audit::Histogram::server_connect, dialled.duration.count());
    if (is_own_listener(dialled))
        co_return fail(Errc::unsupported, Side::self, "the upstream is a listener of ours: mail would come back for ever");
    co_return std::move(dialled.stream);
}

// The first of the upstreams that takes us; why none does is kept for MAIL.
net::Task<void> Session::reach_upstream() {
    leave_upstream();
    server_ = nullptr;
    server_address_.reset();
    kept_ = at_hello_;  // what was said of another upstream is not of this one
    unreached_.reset();
    unreached_by_rule_.reset();
    upstream_generation_ = generation_;
    const std::int64_t before = steady_ns();
    begin_judging();
    for (const UpstreamServer* candidate : service_.upstreams(settings())) {
        const UpstreamServer& server = *candidate;
        auto stream = co_await dial(server);
        if (!stream) {
            const bool is_by_rule = stream.error().code == Errc::refused_by_policy;
            if (!is_by_rule) service_.remember(server, false);
            if (!is_by_rule || !unreached_) unreached_ = stream.error();
            continue;
        }
        server_ = &server;
        upstream_.emplace(generation_->settings, server, std::move(*stream), service_.tls_sessions());
        service_.metrics().add(audit::Gauge::server_connections, 1);
        const auto opened = co_await upstream_->open(attributes(), client_->stream().local());
        service_.remember(server, opened.has_value());
        if (opened) break;
        unreached_ = opened.error();
        leave_upstream();
    }
    upstream_ns_ += steady_ns() - before;
    if (!has_upstream()) {
        // One that is down may be there again in a moment: then the rules' word on another is not the last.
        if (unreached_ && unreached_->code != Errc::refused_by_policy) unreached_by_rule_.reset();
        co_return;
    }
    unreached_.reset();
    unreached_by_rule_.reset();
    server_issuer_ = upstream_->issuer();
    kept_ = effects_so_far();
    server_received_before_ = 0;
}

// A name may have any address, ours too.
bool Session::is_own_listener(const net::Dialled& dialled) const {
    return std::ranges::any_of(settings().listeners, [&](const IpPort& listener) {
        const bool takes_any = listener.address == IpAddress() || listener.address == IpAddress::v6({});
        const bool is_here =
            takes_any ? dialled.stream->local().address == dialled.address.address : listener.address == dialled.address.address;
        return is_here && listener.port == dialled.address.port;
    });
}

void Session::leave_upstream() {
    if (!upstream_) return;
    upstream_ns_ += upstream_->take_waited_ns();
    upstream_->leave();
    upstream_.reset();
    service_.metrics().add(audit::Gauge::server_connections, -1);
}

}  // namespace sluice::smtp
