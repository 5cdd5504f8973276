// SPDX-License-Identifier: Apache-2.0
// From the client to the server: held until it is known to be clean, so that what is refused has never been there.
#include <fmt/format.h>

#include "protocols/ftp/path.h"
#include "sessions/ftp/commands.h"
#include "sessions/ftp/service.h"
#include "sessions/ftp/session.h"

namespace sluice::ftp {

net::Task<Session::Then> Session::store(const CommandInfo& info, const Command& command) {
    const std::uint64_t restart = std::exchange(restart_, 0);
    const bool is_unique = info.verb == "STOU";
    if (command.argument.empty() && !is_unique) co_return co_await answer(501, "Which file?");
    const std::string path = path_of(info, command);
    if (path.size() > limits().ftp_path) co_return co_await answer(501, "This path is too long.");
    if (const Denied denied = judge_command(info.verb, command.argument, path)) co_return co_await deny(*denied, info.refused, path);
    if (!has_data_address()) co_return co_await answer(425, "Say PASV, EPSV, PORT or EPRT first.");
    // What is added to a file makes something else of it, which nobody has looked at.
    const bool is_part = restart > 0 || info.verb == "APPE";
    begin_payload(upload_, path, is_part);
    if (is_part && upload_.is_on && ranges_of(policy::Direction::upload) != policy::Ranges::pass)
        co_return co_await refuse_part(info, path);
    begin_data(0);
    server_restart_ = restart;
    store_verb_ = info.verb;
    store_argument_ = command.argument;
    existed_before_ = true;
    stored_as_ = command.argument;
    co_return co_await finish_upload(co_await run_upload(is_unique || !upload_.is_on));
}

Session::Outcome<Session::Denied> Session::run_upload(bool begins_at_once) {
    std::string text = "Go on.";
    if (begins_at_once) {
        const Reply begun = CO_TRY(co_await begin_storing());
        if (Denied denied = judge_reply(begun.code)) co_return denied;
        text = begun.text();
    }
    client_data_ = CO_TRY(co_await connect_client());
    client_was_told_ = true;
    CO_TRY(co_await client_->send(encode(150, text), limits().body_idle));
    CO_TRY(co_await secure_client_data());
    if (!upload_.is_on) co_return co_await join_data();
    co_return co_await pump_upload();
}

// The server gets the command. An error where it refuses: last_reply_ says why.
Session::Outcome<Reply> Session::begin_storing() {
    Reply reply = CO_TRY(co_await begin_transfer(store_verb_, store_argument_));
    if (!reply.is_preliminary()) {
        last_reply_ = std::move(reply);
        co_return fail(Errc::closed, Side::server, "the server refused the transfer");
    }
    if (store_verb_ == "STOU") {
        const auto name = name_from_stou(reply.text());
        stored_as_ = name.value_or(std::string());
        existed_before_ = !name;
        if (name && upload_.is_on) {
            path_ = directory_.resolve(*name);
            upload_.set_names({std::string(name_of(path_))});
        }
    }
    co_return reply;
}

// Before a file is begun that may have to be taken back: whether there is one already. In type A servers refuse SIZE for what is there.
Session::Outcome<void> Session::look_before_storing() {
    if (store_verb_ != "STOR" || is_ascii_) co_return Result<void>{};
    const Reply size = CO_TRY(co_await server_->ask("SIZE", store_argument_));
    existed_before_ = size.code != 550;
    co_return Result<void>{};
}

Session::Outcome<Session::Denied> Session::pump_upload() {
    net::Buffer in = worker_.buffers().borrow(net::BufferSize::large);
    for (;;) {
        std::span<char> room = upload_.is_on ? upload_.payload->room() : std::span<char>();
        const bool is_in_place = !room.empty();
        if (!is_in_place) room = in.span();
        client_data_->expires_in(limits().body_idle);
        const std::size_t got = CO_TRY(co_await client_data_->read_some(room));
        data_from_client_ += got;
        upload_ended_ = got == 0;
        const std::string_view bytes = is_in_place ? std::string_view() : std::string_view(room.data(), got);
        if (Denied denied = CO_TRY(co_await pass(bytes, is_in_place ? got : 0, got == 0))) co_return denied;
        if (got > 0) continue;
        if (!server_->is_transferring()) CO_TRY(co_await begin_storing());  // of what is empty
        Reply last = CO_TRY(co_await server_->end_transfer());
        const bool is_whole = last.is_success();
        last_reply_ = std::move(last);
        if (!is_whole) co_return fail(Errc::closed, Side::server, "the server did not take all of it");
        co_return std::nullopt;
    }
}

Session::Outcome<void> Session::give_to_server() {
    if (released_.empty()) co_return Result<void>{};
    if (!server_->is_transferring()) {
        if (!upload_.payload || !upload_.payload->has_ended()) CO_TRY(co_await look_before_storing());
        CO_TRY(co_await begin_storing());
    }
    moved_ += net::total_size(released_);
    co_return co_await server_->data()->write(released_, 0, limits().body_idle);
}

// A client that is refused in the middle of what it sends would lose our words to a reset: what still comes is read for a moment and forgotten.
net::Task<bool> Session::hear_client_out() {
    net::Buffer room = worker_.buffers().borrow();
    client_data_->expires_in(limits().lingering);
    for (std::size_t read = 0; read < limits().lingering_bytes;) {
        const auto got = co_await client_data_->read_some(room.span());
        if (!got) co_return false;
        if (*got == 0) co_return true;
        read += *got;
    }
    co_return false;
}

net::Task<Session::Then> Session::finish_upload(Result<Denied> pumped) {
    if (pumped && !*pumped) {
        if (client_data_) client_data_->close();
        end_data();
        co_return co_await answer(*last_reply_);
    }
    const bool is_denied = pumped.has_value();
    if (server_->is_transferring() && is_denied) must_remove_ = !existed_before_ && !stored_as_.empty();
    co_return co_await finish_broken(std::move(pumped));
}

// The half of a refused file that the server has: taken back where there was none before, and only then.
net::Task<void> Session::remove_remainder() {
    if (!std::exchange(must_remove_, false) || !server_ || server_->failure()) co_return;
    const auto removed = co_await server_->ask("DELE", stored_as_);
    if (!removed || removed->is_failure()) sample_problem_ = "what had gone on of it could not be removed from the server";
}

}  // namespace sluice::ftp
