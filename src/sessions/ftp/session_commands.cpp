// SPDX-License-Identifier: Apache-2.0
// Command by command: what is answered here, and what goes on to the server, judged.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "protocols/ftp/features.h"
#include "sessions/ftp/commands.h"
#include "sessions/ftp/service.h"
#include "sessions/ftp/session.h"

namespace sluice::ftp {

namespace {

// Behind what stands before the first space; what `ls` would take for options is none of a path.
std::string_view behind_options(std::string_view argument) {
    while (argument.starts_with('-')) {
        const std::size_t space = argument.find(' ');
        if (space == std::string_view::npos) return {};
        argument.remove_prefix(space + 1);
    }
    return argument;
}

constexpr std::string_view words_of_help = "Say USER user@host, then PASS; the rest is FTP as the server speaks it.";

}  // namespace

net::Task<Session::Then> Session::run_command(const CommandInfo& info, const Command& command) {
    switch (info.handling) {
        case Handling::user: co_return co_await user(command);
        case Handling::password: co_return co_await password(command);
        case Handling::quit:
            co_await leave_server();
            co_await answer(221, "Goodbye.");
            co_return Then::end;
        case Handling::reinitialise: co_return co_await reinitialise();
        case Handling::features: co_return co_await answer_features();
        case Handling::help: co_return co_await answer(214, words_of_help);
        case Handling::here: co_return co_await answer(200, "OK.");
        case Handling::type: co_return co_await set_type(command);
        case Handling::only_stream:
            co_return upper(command.argument) == "S" ? co_await answer(200, "Mode is S.")
                                                     : co_await answer(504, "This proxy transfers in mode S alone.");
        case Handling::only_file:
            co_return upper(command.argument) == "F" ? co_await answer(200, "Structure is F.")
                                                     : co_await answer(504, "This proxy transfers structure F alone.");
        case Handling::allocate: co_return co_await answer(202, "No room need be made.");
        case Handling::options: co_return co_await set_options(command);
        case Handling::restart: co_return co_await set_restart(command);
        case Handling::passive: co_return co_await enter_passive(command);
        case Handling::active: co_return co_await enter_active(command);
        case Handling::abort: co_return co_await answer(226, "Nothing is being transferred.");
        case Handling::forward: co_return co_await forward(info, command);
        case Handling::site: co_return co_await site(info, command);
        case Handling::retrieve: co_return co_await retrieve(info, command);
        case Handling::list: co_return co_await list(info, command);
        case Handling::store: co_return co_await store(info, command);
        case Handling::start_tls: co_return co_await start_tls(command);
        case Handling::buffer_size: co_return co_await set_buffer_size(command);
        case Handling::protection: co_return co_await set_protection(command);
        case Handling::clear: co_return co_await answer(534, "The connection stays protected.");
    }
    co_return Then::end;
}

net::Task<Session::Then> Session::answer_features() {
    const Features ours{.has_tls = may_offer_tls()};
    if (!is_logged_in_) co_return co_await answer(features_for_client(nullptr, ours));
    const auto reply = co_await server_->ask("FEAT", {});
    if (!reply) co_return co_await answer_error(reply.error());
    co_return co_await answer(features_for_client(reply->is_success() ? &*reply : nullptr, ours));
}

// A, A N, I, L 8 (RFC 959 3.1.1): what makes a plain stream of octets.
net::Task<Session::Then> Session::set_type(const Command& command) {
    const std::string type = upper(command.argument);
    if (std::ranges::none_of(std::array{"A", "A N", "I", "L 8"}, [&](std::string_view known) { return known == type; }))
        co_return co_await answer(504, "This proxy transfers types A, I and L 8.");
    const auto reply = co_await server_->ask("TYPE", type);
    if (!reply) co_return co_await answer_error(reply.error());
    if (reply->is_success()) is_ascii_ = type.starts_with('A');
    co_return co_await answer(*reply);
}

net::Task<Session::Then> Session::set_options(const Command& command) {
    const std::string wanted = upper(command.argument);
    if (wanted == "UTF8 ON" || wanted == "UTF-8 ON" || wanted == "UTF8") co_return co_await answer(200, "Names go on as they are.");
    if (!wanted.starts_with("MLST") || !is_logged_in_) co_return co_await answer(501, "This option is not known to this proxy.");
    const auto reply = co_await server_->ask("OPTS", command.argument);
    if (!reply) co_return co_await answer_error(reply.error());
    co_return co_await answer(*reply);
}

// Kept until it is clear whether a part or the whole is fetched (`ranges`).
net::Task<Session::Then> Session::set_restart(const Command& command) {
    const auto number = parse_decimal<std::uint64_t>(command.argument);
    if (!number) co_return co_await answer(501, "REST takes a number of octets.");
    restart_ = *number;
    co_return co_await answer(350, fmt::format("The next transfer begins at octet {}.", restart_));
}

std::string Session::path_of(const CommandInfo& info, const Command& command) const {
    switch (info.names) {
        case Names::nothing: return {};
        case Names::path: return directory_.resolve(command.argument);
        case Names::path_behind_time: {
            const std::size_t space = command.argument.find(' ');
            return space == std::string::npos ? std::string() : directory_.resolve(std::string_view(command.argument).substr(space + 1));
        }
        case Names::path_behind_options: return directory_.resolve(behind_options(command.argument));
        case Names::directory_above: return directory_.resolve("..");
    }
    return {};
}

net::Task<Session::Then> Session::forward(const CommandInfo& info, const Command& command) {
    if (!server_) co_return co_await answer(503, "Say USER first.");
    const std::string_view verb = info.forwarded_as;
    if (verb == "RNTO" && !rename_from_) co_return co_await answer(503, "Say RNFR first.");
    if (info.names == Names::path && command.argument.empty() && verb != "MLST") co_return co_await answer(501, "Which one?");
    const std::string path = path_of(info, command);
    if (path.size() > limits().ftp_path) co_return co_await answer(501, "This path is too long.");
    if (const Denied denied = judge_command(verb, verb == "ACCT" ? std::string_view() : command.argument, path))
        co_return co_await deny(*denied, info.refused, path.empty() ? verb : std::string_view(path));
    auto reply = co_await server_->ask(verb, command.argument);
    if (reply && reply->is_preliminary())
        reply = co_await server_->await_final(limits().first_byte);  // the command has no data: the final one follows
    if (!reply) co_return co_await answer_error(reply.error());
    if (verb == "RNTO") rename_from_.reset();
    if (const Denied denied = judge_reply(reply->code))
        co_return co_await deny(*denied, info.refused, path.empty() ? verb : std::string_view(path));
    if (verb == "ACCT" && !is_logged_in_ && reply->is_success()) co_return co_await enter(*reply);
    note_success(info, command, *reply);
    co_return co_await answer(*reply);
}

void Session::note_success(const CommandInfo& info, const Command& command, const Reply& reply) {
    const std::string_view verb = info.forwarded_as;
    if (reply.is_failure()) {
        action_ = audit::Action::allowed;
        reason_ = fmt::format("the server says {}", reply.code);
        return;
    }
    if (verb == "CWD") directory_.change(command.argument);
    if (verb == "CDUP") directory_.up();
    if (verb == "PWD") static_cast<void>(directory_.set_from_reply(reply.text()));
    if (verb == "RNFR") rename_from_ = directory_.resolve(command.argument);
}

// What servers hide behind SITE runs programs and changes rights: what is not named does not exist.
net::Task<Session::Then> Session::site(const CommandInfo& info, const Command& command) {
    const std::string word = upper(std::string_view(command.argument).substr(0, command.argument.find(' ')));
    if (std::ranges::find(settings().site, word) == settings().site.end()) {
        action_ = audit::Action::refused;
        reason_ = "not in ftp.site";
        co_return co_await answer(502, "This SITE command does not go through this proxy.");
    }
    co_return co_await forward(info, command);
}

}  // namespace sluice::ftp
