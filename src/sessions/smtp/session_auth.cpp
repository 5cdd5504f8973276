// SPDX-License-Identifier: Apache-2.0
// AUTH (RFC 4954): ours where a rule wants to know who this is, else the upstream's, whose words go through unread. And what trusted peers say of
// their own clients: XCLIENT, XFORWARD. Nothing that is said here reaches a log.
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>

#include "base/text.h"
#include "sessions/smtp/service.h"
#include "sessions/smtp/session.h"
#include "sessions/transaction/passwords.h"

namespace sluice::smtp {

namespace {

std::optional<std::string> decode_base64(std::string_view text) {
    if (text.empty() || text == "=") return std::string();
    if (text.size() % 4 != 0) return std::nullopt;
    std::string out(text.size() / 4 * 3, '\0');
    const int length = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()), reinterpret_cast<const unsigned char*>(text.data()),
                                       static_cast<int>(text.size()));
    if (length < 0) return std::nullopt;
    out.resize(static_cast<std::size_t>(length) - (text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0));
    return out;
}

// RFC 4616: authorization, authentication, password.
std::optional<sessions::Credentials> parse_plain(std::string_view encoded) {
    auto decoded = decode_base64(encoded);
    if (!decoded) return std::nullopt;
    const auto words = split(*decoded, '\0');
    std::optional<sessions::Credentials> out;
    if (words.size() == 3 && !words[1].empty() && (words[0].empty() || words[0] == words[1]))
        out = sessions::Credentials{std::string(words[1]), std::string(words[2])};
    OPENSSL_cleanse(decoded->data(), decoded->size());
    return out;
}

bool is_printable(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; });
}

}  // namespace

// Secrets go where nobody listens: inside TLS on both legs, unless the administrator says otherwise.
bool Session::may_relay_authentication() const {
    if (!has_upstream() || upstream_->extensions().auth.empty()) return false;
    const bool is_safe_here = client_tls_ != nullptr || settings().auth_without_tls;
    return is_safe_here && (upstream_->is_in_tls() || upstream_->is_loopback());
}

net::Task<Session::Then> Session::authenticate(const Command& command) {
    if (helo_.empty() || !is_extended_) co_return answer_bad(503, "5.5.1 Say EHLO first.");
    if (is_authenticated()) co_return answer_bad(503, "5.5.1 You have said who you are.");
    if (is_in_transaction_) co_return answer_bad(503, "5.5.1 Not in the middle of a message.");
    const bool is_ours = !service_.user_files().empty();
    if (client_tls_ == nullptr && !settings().auth_without_tls)
        co_return answer_bad(538, "5.7.11 Say STARTTLS first: AUTH is for protected connections.");
    if (!is_ours && !has_upstream()) co_return answer(454, "4.7.0 The mail server cannot be asked now: please try again later.");
    if (command.argument.empty()) co_return answer_bad(501, "5.5.4 Say AUTH and a mechanism.");
    const std::size_t space = command.argument.find(' ');
    const std::string mechanism = upper(command.argument.substr(0, space));
    const std::string_view initial =
        space == std::string::npos ? std::string_view() : trim(std::string_view(command.argument).substr(space));
    const auto known = mechanisms();
    if (known.empty()) co_return answer_bad(502, "5.5.1 AUTH is not offered.");
    if (std::ranges::find(known, mechanism) == known.end()) co_return answer_bad(504, "5.5.4 This mechanism is not offered.");
    if (is_ours) co_return co_await check_authentication(mechanism, initial);
    co_return co_await relay_authentication(mechanism, fmt::format("AUTH {}{}{}", mechanism, initial.empty() ? "" : " ", initial));
}

Session::Outcome<std::string> Session::ask_client(std::string_view challenge) {
    client_->say(encode(334, challenge));
    CO_TRY(co_await client_->flush(limits().body_idle));
    for (;;) {
        std::string_view in = client_->unread();
        const std::size_t had = in.size();
        auto line = commands_.next_answer(in);
        client_->take(had - in.size());
        if (line && line->fault != Command::Fault::none) co_return fail(Errc::malformed, Side::client, "a bad line in AUTH");
        if (line) co_return std::move(line->argument);
        client_->stream().expires_in(limits().smtp_idle);
        const auto filled = co_await client_->fill();
        client_->stream().expires_never();
        if (!filled) co_return std::unexpected(filled.error());
    }
}

net::Task<Session::Then> Session::relay_authentication(std::string_view mechanism, const std::string& line) {
    upstream_user_.clear();
    const std::string_view initial = std::string_view(line).substr(line.rfind(' ') + 1);
    const bool has_initial = initial != mechanism;
    std::string user;
    if (mechanism == "PLAIN" && has_initial)
        if (const auto credentials = parse_plain(initial)) user = credentials->user;
    if (mechanism == "LOGIN" && has_initial) user = decode_base64(initial).value_or("");
    auto reply = co_await upstream_->ask_step(line, limits().smtp_command);
    for (std::size_t step = 0; reply && reply->code == 334 && step < 16; ++step) {
        const auto said = co_await ask_client(reply->text());
        if (!said) {
            if (said.error().code != Errc::malformed) co_return co_await end_silent_authentication(said.error());
            static_cast<void>(co_await upstream_->ask("*", limits().smtp_command));
            co_return answer_bad(500, "5.5.6 This line is bad.");
        }
        // The first answer is the name, and the next a secret; with an initial response the first is. Who is asked more may have said another name.
        if (mechanism == "LOGIN" && step == 0 && !has_initial) user = decode_base64(*said).value_or("");
        if (mechanism == "LOGIN" && step > (has_initial ? 0U : 1U)) user.clear();
        if (mechanism == "PLAIN" && step == 0 && !has_initial)
            if (const auto credentials = parse_plain(*said)) user = credentials->user;
        reply = co_await upstream_->ask_step(*said, limits().smtp_command);
    }
    if (!reply) {
        leave_upstream();
        co_return answer(454, "4.7.0 The mail server cannot be asked now: please try again later.");
    }
    if (reply->code == 334) {
        leave_upstream();
        co_return co_await fail_authentication(454, "4.7.0 The mail server comes to no end.");
    }
    if (reply->code == 235) {
        is_authenticated_upstream_ = true;
        if (is_printable(user)) upstream_user_ = std::move(user);
        failed_logins_ = 0;
        co_return answer(*reply);
    }
    if (!reply->is_failure() || reply->code == 421) {
        leave_upstream();
        co_return co_await fail_authentication(454, "4.7.0 The mail server cannot be asked now: please try again later.");
    }
    record_failed_login(audit::Action::failed, fmt::format("the server says {} to a login", reply->code), reply->code);
    if (++failed_logins_ < limits().smtp_failed_logins) co_return answer(*reply);
    co_return answer(421, "4.7.0 Too many attempts to log in: goodbye.");
}

// PLAIN and LOGIN (draft-murchison-sasl-login), by the users of rules.
net::Task<Session::Then> Session::check_authentication(std::string_view mechanism, std::string_view initial) {
    sessions::Credentials credentials;
    std::optional<std::string> said;
    if (!initial.empty()) said = initial;
    const auto ask = [&](std::string_view challenge) -> net::Task<Result<std::string>> {
        if (said) co_return *std::exchange(said, std::nullopt);
        co_return co_await ask_client(challenge);
    };
    if (mechanism == "PLAIN") {
        const auto line = co_await ask("");
        if (!line && line.error().code != Errc::malformed) co_return co_await end_silent_authentication(line.error());
        auto parsed = line ? parse_plain(*line) : std::nullopt;
        if (!parsed) co_return answer_bad(501, "5.5.2 This cannot be decoded.");
        credentials = std::move(*parsed);
    } else {
        const auto user = co_await ask("VXNlcm5hbWU6");
        if (!user && user.error().code != Errc::malformed) co_return co_await end_silent_authentication(user.error());
        const auto password = user && *user != "*" ? co_await ask_client("UGFzc3dvcmQ6") : Result<std::string>("*");
        if (!password && password.error().code != Errc::malformed) co_return co_await end_silent_authentication(password.error());
        const auto name = user ? decode_base64(*user) : std::nullopt;
        auto secret = password ? decode_base64(*password) : std::nullopt;
        if (!name || !secret || name->empty()) co_return answer_bad(501, "5.5.2 This cannot be decoded.");
        credentials = {*name, std::move(*secret)};
    }
    sessions::Checked checked;
    const auto known = service_.user_files();
    const std::vector<std::shared_ptr<const policy::UserFile>> files(known.begin(), known.end());  // a reload may come meanwhile
    for (const auto& users : files) {
        checked = co_await sessions::check_password(worker_, service_.passwords(), service_.credentials(), service_.rate_limits(), users,
                                                    credentials, peer_.address, limits());
        if (checked.kind != sessions::Checked::Kind::bad) break;
    }
    const std::string user = credentials.user;
    OPENSSL_cleanse(credentials.password.data(), credentials.password.size());
    switch (checked.kind) {
        case sessions::Checked::Kind::good:
            identity_ = user;
            failed_logins_ = 0;
            // An upstream that is told who the client is learns this with the next message's session.
            if (settings().upstream_client == UpstreamClient::xclient) leave_upstream();
            co_return answer(235, "2.7.0 Welcome.");
        case sessions::Checked::Kind::too_many:
            record_failed_login(audit::Action::limited, "too many attempts to log in", 421);
            co_return answer(421, "4.7.0 Too many attempts to log in: please wait a moment.");
        case sessions::Checked::Kind::busy:
            record_failed_login(audit::Action::failed, "too many passwords wait to be checked", 454);
            co_return answer(454, "4.7.0 Too many people are logging in at this moment.");
        case sessions::Checked::Kind::bad: break;
    }
    record_failed_login(audit::Action::blocked, "the user or password is wrong", 535);
    co_return co_await fail_authentication(535, "5.7.8 The user or password is wrong.");
}

void Session::record_failed_login(audit::Action action, std::string reason, int code) {
    begin_record();
    action_ = action;
    reason_ = std::move(reason);
    reply_ = code;
    record();
}

// In the middle of it the client has said nothing more.
net::Task<Session::Then> Session::end_silent_authentication(const Error& error) {
    if (error.code == Errc::timed_out) co_await say_goodbye(421, "4.4.2 Nothing came for too long: goodbye.");
    co_return Then::end;
}

// Nobody guesses fast, and nobody guesses long.
net::Task<Session::Then> Session::fail_authentication(int code, std::string_view text) {
    co_await worker_.sleep(limits().smtp_failed_login);
    if (++failed_logins_ < limits().smtp_failed_logins) co_return answer(code, text);
    co_return answer(421, "4.7.0 Too many attempts to log in: goodbye.");
}

bool Session::is_trusted_peer() const {
    return std::ranges::any_of(settings().trusted, [&](const IpNetwork& network) { return network.contains(real_peer_.address); });
}

// http.clients holds for who a trusted peer says that its client is; where it does not know, for the peer.
bool Session::is_served() const { return settings().serves(is_client_known_ ? peer_.address : real_peer_.address); }

// It is as if that client had connected itself: all begins anew with a greeting.
net::Task<Session::Then> Session::take_client(const Command& command) {
    if (!is_trusted_peer()) co_return answer_bad(550, "5.7.0 XCLIENT is not for you.");
    if (is_in_transaction_) co_return answer_bad(503, "5.5.1 Not in the middle of a message.");
    ClientAttributes client = told_;
    if (is_client_known_) client.address = peer_.address;
    client.port = peer_.port;
    client.helo = helo_;
    if (const auto parsed = parse_attributes(command.argument, client); !parsed)
        co_return answer_bad(501, "5.5.4 These attributes are bad.");
    leave_upstream();
    is_client_known_ = client.address.has_value();
    peer_ = is_client_known_ ? IpPort{*client.address, client.port} : IpPort{};
    told_ = std::move(client);
    helo_.clear();
    identity_.clear();
    upstream_user_.clear();
    is_authenticated_upstream_ = false;
    has_forwarded_ = false;
    forwarded_ = {};
    begin_record();
    if (!co_await admit()) co_return Then::end;
    co_return answer(220, settings().hostname + " ESMTP");
}

net::Task<Session::Then> Session::take_forwarded(const Command& command) {
    if (!is_trusted_peer()) co_return answer_bad(550, "5.7.0 XFORWARD is not for you.");
    if (is_in_transaction_) co_return answer_bad(503, "5.5.1 Not in the middle of a message.");
    if (const auto parsed = parse_attributes(command.argument, forwarded_); !parsed)
        co_return answer_bad(501, "5.5.4 These attributes are bad.");
    has_forwarded_ = true;
    co_return answer(250, "2.0.0 OK");
}

}  // namespace sluice::smtp
