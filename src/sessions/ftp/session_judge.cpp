// SPDX-License-Identifier: Apache-2.0
// What the rules see, phase by phase, and what a denial is called in FTP's words.
#include <fmt/format.h>

#include <utility>

#include "base/text.h"
#include "policy/registered_domain.h"
#include "protocols/ftp/path.h"
#include "sessions/ftp/service.h"
#include "sessions/ftp/session.h"

namespace sluice::ftp {

using policy::Action;
using policy::Field;
using policy::Phase;

// A new transaction: with what was said of the session before.
void Session::begin_judging() {
    judgement_.begin(settings(), generation_->rules);
    judgement_.set_client(peer_, listener_name_, "ftp", service_.unix_ns(start_ns_));
    judgement_.effects.header_edits = kept_.effects.header_edits;
    judgement_.effects.inspections = kept_.effects.inspections;
    for (const std::string_view tag : kept_.tags) judgement_.facts.add_tag(tag);
    judgement_.trusted = kept_.trusted;
    judgement_.allowed = kept_.allowed;
    judgement_.rule = kept_.rule;
    if (client_tls_ != nullptr) {
        judgement_.facts.set(Field::tls_version, client_tls_->version());
        judgement_.facts.set(Field::tls_cipher, client_tls_->cipher());
        judgement_.facts.set(Field::tls_resumed, client_tls_->is_resumed());
        judgement_.facts.set(Field::tls_client_ja4, std::string_view(client_ja4_));
        if (!client_server_name_.empty()) judgement_.facts.set(Field::tls_server_name, std::string_view(client_server_name_));
    }
    judgement_.identity = identity_;
    if (login_) fill_login_facts();
}

void Session::fill_login_facts() {
    policy::Facts& facts = judgement_.facts;
    const std::string_view host = login_->server.host;
    facts.set(Field::url_domain, host);
    facts.set(Field::server_address, host);
    facts.set(Field::url_port, login_->port);
    facts.set(Field::server_port, login_->port);
    if (judgement_.policy().reads(Field::url_registered_domain))
        if (const std::string_view registered = policy::registered_domain(host); !registered.empty())
            facts.set(Field::url_registered_domain, registered);
    if (!identity_.empty()) facts.set(Field::user_name, std::string_view(identity_));
    else if (!login_->user.empty()) facts.set(Field::user_name, std::string_view(login_->user));
    if (server_address_ && server_) judgement_.set_server(server_address_->address);
}

Session::Kept Session::effects_so_far() const {
    const auto tags = judgement_.facts.tags();
    return {judgement_.effects, {tags.begin(), tags.end()}, judgement_.trusted, judgement_.allowed, judgement_.rule};
}

Session::Denied Session::judge_accept() {
    kept_ = {};
    begin_judging();
    Denied denied = judgement_.judge(Phase::connect);
    kept_ = at_accept_ = effects_so_far();
    return denied;
}

// `connect` once more, now that it is known who wants to go where; and `tls`, because nothing was done for this client before, and a rule on a
// ClientHello may read the server too.
Session::Denied Session::judge_server() {
    if (Denied denied = judgement_.judge(Phase::connect)) return denied;
    if (client_tls_ == nullptr) return std::nullopt;
    return judgement_.judge(Phase::tls);
}

void Session::fill_command_facts(std::string_view verb, std::string_view argument, std::string_view path) {
    verb_ = verb;
    path_ = path;
    extension_ = file_extension(name_of(path_));
    begin_judging();
    policy::Facts& facts = judgement_.facts;
    facts.set(Field::ftp_command, std::string_view(verb_));
    if (!argument.empty()) facts.set(Field::ftp_argument, std::string_view(argument_));
    facts.set(Field::url_scheme, std::string_view("ftp"));
    if (!path_.empty()) facts.set(Field::url_path, std::string_view(path_));
    if (!extension_.empty()) facts.set(Field::url_extension, std::string_view(extension_));
    if (judgement_.policy().reads(Field::url_full)) {
        full_url_ = "ftp://";
        login_->server.append_to(full_url_, login_->port == 21 ? 0 : login_->port);
        full_url_ += path_;
        facts.set(Field::url_full, std::string_view(full_url_));
    }
}

Session::Denied Session::judge_command(std::string_view verb, std::string_view argument, std::string_view path) {
    fill_command_facts(verb, argument, path);
    return judgement_.judge(Phase::request);
}

Session::Denied Session::judge_data_command(std::string_view verb, std::string_view argument) {
    fill_command_facts(verb, argument, {});
    const bool was_allowed = std::exchange(judgement_.allowed, true);
    Denied denied = judgement_.judge(Phase::request);
    judgement_.allowed = was_allowed;
    return denied;
}

Session::Denied Session::judge_reply(int code) {
    judgement_.facts.set(Field::ftp_reply, code);
    if (server_ && server_->is_in_tls()) {
        judgement_.facts.set(Field::tls_server_issuer, std::string_view(server_->issuer()));
        judgement_.facts.set(Field::tls_server_verified, server_->problem().empty());
    }
    return judgement_.judge(Phase::response);
}

// A reload came: what was said of the session is said anew, or nothing more goes on.
Session::Denied Session::judge_again() {
    kept_ = at_accept_ = {};  // the old rules are gone
    begin_judging();
    if (!settings().serves(peer_.address)) return sessions::Denial{.name = {}, .reason = "the client's address is not in http.clients"};
    const auto login = std::exchange(login_, std::nullopt);
    Denied denied = judge_accept();
    login_ = login;
    if (denied || !login_) return denied;
    begin_judging();
    if ((denied = judge_server())) return denied;
    if (server_address_ && server_) {
        judgement_.begin_dial();
        const auto candidate = judgement_.may_dial(peer_.address, *server_address_);
        if (!candidate) return judgement_.dial_denial();
        judgement_.take(*candidate);
    }
    kept_ = effects_so_far();
    return std::nullopt;
}

std::string Session::words_of(const sessions::Denial& denial, std::string_view what) const {
    const std::string_view name = denial.name.empty() ? std::string_view("policy.default") : denial.name;
    return fmt::format("{}: blocked by rule {} ({})", what, name, id_.view());
}

net::Task<Session::Then> Session::deny(const sessions::Denial& denial, int code, std::string_view what) {
    note(denial);
    forget_data();
    if (denial.action == Action::reset) {
        client_->stream().abort();
        co_return Then::end;
    }
    if (denial.action == Action::limit) co_return co_await answer(421, "Too much at once: please wait a moment.");
    co_return co_await answer(code, words_of(denial, what));
}

}  // namespace sluice::ftp
