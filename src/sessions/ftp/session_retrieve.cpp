// SPDX-License-Identifier: Apache-2.0
// From the server to the client: files, looked at as they pass or held, and listings.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "net/relay.h"
#include "sessions/ftp/commands.h"
#include "sessions/ftp/service.h"
#include "sessions/ftp/session.h"

namespace sluice::ftp {

namespace {

// Nothing is wrong with the file, for all that is known: a client may come again.
}  // namespace

net::Task<Session::Then> Session::retrieve(const CommandInfo& info, const Command& command) {
    const std::uint64_t restart = std::exchange(restart_, 0);
    if (command.argument.empty()) co_return co_await answer(501, "Which file?");
    const std::string path = path_of(info, command);
    if (path.size() > limits().ftp_path) co_return co_await answer(501, "This path is too long.");
    if (const Denied denied = judge_command(info.verb, command.argument, path)) co_return co_await deny(*denied, info.refused, path);
    if (!has_data_address()) co_return co_await answer(425, "Say PASV, EPSV, PORT or EPRT first.");
    begin_payload(download_, path, false);
    // A part says nothing of the whole: it is fetched whole, looked at, and sent from where the client wants it.
    const policy::Ranges ranges = ranges_of(policy::Direction::download);
    if (restart > 0 && download_.is_on && ranges == policy::Ranges::block) co_return co_await refuse_part(info, path);
    const bool is_whole = restart == 0 || (download_.is_on && ranges != policy::Ranges::pass);
    if (!is_whole) begin_payload(download_, path, true);
    begin_data(is_whole ? restart : 0);
    if (!is_whole) server_restart_ = restart;
    patience_.emplace(worker_.timers(), [this] { say_patience(); });
    patience_->set(limits().ftp_patience);
    co_return co_await finish_download(co_await run_download(info.verb, command.argument));
}

net::Task<Session::Then> Session::list(const CommandInfo& info, const Command& command) {
    const std::string path = path_of(info, command);
    if (path.size() > limits().ftp_path) co_return co_await answer(501, "This path is too long.");
    if (const Denied denied = judge_command(info.verb, command.argument, path)) co_return co_await deny(*denied, info.refused, path);
    if (!has_data_address()) co_return co_await answer(425, "Say PASV, EPSV, PORT or EPRT first.");
    begin_data(0);
    co_return co_await finish_download(co_await run_download(info.verb, command.argument));
}

Session::Outcome<Session::Denied> Session::run_download(std::string_view verb, std::string_view argument) {
    Reply reply = CO_TRY(co_await begin_transfer(verb, argument));
    if (!reply.is_preliminary()) {
        last_reply_ = std::move(reply);
        co_return fail(Errc::closed, Side::server, "the server refused the transfer");
    }
    if (Denied denied = judge_reply(reply.code)) co_return denied;
    if (inspected_ != nullptr && !inspected_->is_on) co_return co_await join_data();
    co_return co_await pump_download();
}

Session::Outcome<Session::Denied> Session::pump_download() {
    net::Buffer in = worker_.buffers().borrow(net::BufferSize::large);
    const bool is_inspected = inspected_ != nullptr && inspected_->is_on;
    for (;;) {
        std::span<char> room = is_inspected ? inspected_->payload->room() : std::span<char>();
        const bool is_in_place = !room.empty();
        if (!is_in_place) room = in.span();
        server_->data()->expires_in(limits().body_idle);
        const std::size_t got = CO_TRY(co_await server_->data()->read_some(room));
        data_from_server_ += got;
        if (inspected_ == nullptr && data_from_server_ > limits().ftp_listing)
            co_return fail(Errc::too_large, Side::server, "the listing is larger than this proxy lets pass");
        if (got == 0) {
            // Whether that was all of it, the server says on the other connection.
            Reply last = CO_TRY(co_await server_->end_transfer());
            const bool is_whole = last.is_success();
            last_reply_ = std::move(last);
            if (!is_whole) co_return fail(Errc::closed, Side::server, "the server broke the transfer off");
        }
        const std::string_view bytes = is_in_place ? std::string_view() : std::string_view(room.data(), got);
        if (Denied denied = CO_TRY(co_await pass(bytes, is_in_place ? got : 0, got == 0))) co_return denied;
        if (got == 0) co_return std::nullopt;
    }
}

// Nobody looks: the kernel moves the bytes where both connections are plain.
Session::Outcome<Session::Denied> Session::join_data() {
    CO_TRY(co_await begin_client_leg());
    // The sender's end is the end: some clients close only after the last reply.
    const auto way = inspected_ == &upload_ ? net::RelayWay::to_server : net::RelayWay::to_client;
    const net::RelayResult joined = co_await net::relay(worker_, *client_data_, *server_->data(), limits().body_idle, nullptr, way);
    data_from_client_ += joined.to_server;
    data_from_server_ += joined.to_client;
    moved_ += joined.to_server + joined.to_client;
    if (joined.error) co_return std::unexpected(*joined.error);
    if (is_cut_ || joined.ended == net::RelayResult::Ended::cancelled)
        co_return fail(Errc::cancelled, Side::self, "the transfer was ended");
    if (joined.ended == net::RelayResult::Ended::idle) co_return fail(Errc::timed_out, Side::server, "nothing moved for too long");
    Reply last = CO_TRY(co_await server_->end_transfer());
    const bool is_whole = last.is_success();
    last_reply_ = std::move(last);
    if (!is_whole) co_return fail(Errc::closed, Side::server, "the server broke the transfer off");
    co_return std::nullopt;
}

Session::Outcome<void> Session::give_to_client() {
    std::vector<std::string_view>& released = released_;
    for (std::string_view& view : released) {
        const auto dropped = static_cast<std::size_t>(std::min<std::uint64_t>(skip_, view.size()));
        view.remove_prefix(dropped);
        skip_ -= dropped;
    }
    std::erase_if(released, [](std::string_view view) { return view.empty(); });
    if (released.empty()) co_return Result<void>{};
    CO_TRY(co_await begin_client_leg());
    moved_ += net::total_size(released);
    co_return co_await client_data_->write(released, 0, limits().body_idle);
}

// The client's data connection, and 150 once it is there.
Session::Outcome<void> Session::begin_client_leg() {
    if (client_data_) co_return Result<void>{};
    client_data_ = CO_TRY(co_await connect_client());
    CO_TRY(co_await tell_client_it_begins());
    co_return co_await secure_client_data();
}

Session::Outcome<void> Session::tell_client_it_begins() {
    patience_.reset();
    if (std::exchange(client_was_told_, true)) co_return Result<void>{};
    co_return co_await client_->send(encode(150, "Here it comes."), limits().body_idle);
}

// While a file is fetched and looked at, its client hears that something is going on: the first lines of the 150 to come.
void Session::say_patience() {
    constexpr std::array<std::string_view, 1> line{"150-Still at it: the file is being inspected.\r\n"};
    const auto sent = client_->stream().try_write(line);
    // A client that does not take so much is not waiting for it either: the rest of the line must not be lost, so nothing more is said.
    if (sent && *sent == line[0].size()) {
        is_patient_ = true;
        patience_->set(limits().ftp_patience);
    } else if (sent && *sent > 0) {
        client_->stream().cancel();
    }
}

net::Task<Session::Then> Session::finish_download(Result<Denied> pumped) {
    patience_.reset();
    if (pumped && !*pumped) {
        auto begun = co_await begin_client_leg();  // of what is empty
        if (begun) {
            client_data_->close();
            end_data();
            co_return co_await answer(*last_reply_);
        }
        pumped = std::unexpected(begun.error());
    }
    co_return co_await finish_broken(std::move(pumped));
}

// A denial or an error. Both data connections are broken so that whoever is there can tell, and the server has said its last word.
net::Task<Session::Then> Session::finish_broken(Result<Denied> outcome) {
    is_cut_ = is_over_ = true;
    patience_.reset();
    const bool was_aborted = client_->has_abort();
    if (inspected_ == &upload_ && outcome && client_data_ && !upload_ended_ && !was_aborted) upload_ended_ = co_await hear_client_out();
    // What a client could take for all of a file, or goes on sending in vain, is broken; else it hears our goodbye.
    const bool is_orderly = inspected_ == &upload_ ? upload_ended_ : moved_ == 0;
    if (client_data_ && is_orderly && !was_aborted) client_data_->close();
    else if (client_data_) client_data_->abort();
    bool is_server_lost = server_->failure().has_value();
    if (server_->is_transferring() && !is_server_lost && !client_->failure()) {
        auto said = co_await server_->abort_transfer(inspected_ != &upload_);
        is_server_lost = !said;
        if (said && !last_reply_) last_reply_ = std::move(*said);
    } else {
        server_->break_data();
    }
    co_await remove_remainder();
    end_data();
    if (!outcome && data_from_client_ + data_from_server_ == 0) inspected_ = nullptr;  // there was no payload
    if (client_->failure() && !outcome) {  // a denial is recorded as one, and its sample kept, though nobody is there to hear of it
        note_error(*client_->failure());
        co_return Then::end;
    }
    if (is_patient_ && !client_was_told_) static_cast<void>(co_await tell_client_it_begins());
    const Then then = co_await explain_broken(std::move(outcome), was_aborted);
    if (!is_server_lost || then == Then::end) co_return then;
    co_await say_goodbye("The server has broken the session: goodbye.");
    co_return Then::end;
}

net::Task<Session::Then> Session::explain_broken(Result<Denied> outcome, bool was_aborted) {
    if (outcome) {
        sessions::Denial denial = **outcome;
        if (inspected_ == &download_) service_.inspection().cut.add(fmt::format("ftp://{}{}", login_->server.host, path_));
        // For good, because clients come again after a 4xx; unless it is our own doing.
        const int code = denial.name == "unscanned" && inspected_ != nullptr && inspected_->has_scanner_failed() ? 451 : 550;
        co_await keep_sample(denial);
        co_return co_await deny(denial, code, path_.empty() ? std::string_view(verb_) : std::string_view(path_));
    }
    const Error& error = outcome.error();
    // What was cancelled here, was so for what the server said, or because it went.
    const bool is_by_server = error.side == Side::server || (error.code == Errc::cancelled && !was_aborted);
    const bool has_refused = is_by_server && last_reply_ && last_reply_->is_failure();
    if (action_ == audit::Action::blocked) {
        // It is said already.
    } else if (has_refused) {
        action_ = audit::Action::failed;
        if (reason_.empty()) reason_ = fmt::format("the server says {}", last_reply_->code);
    } else {
        note_error(is_by_server && server_->failure() ? *server_->failure() : error);
    }
    if (was_aborted) {
        action_ = audit::Action::aborted;
        co_return co_await answer(426, "The transfer was aborted.");
    }
    if (error.what == session_reuse_required)
        co_return co_await answer(522, "The data connection must resume the TLS session of this one.");
    if (has_refused) co_return co_await answer(*last_reply_);
    if (error.side == Side::client) co_return co_await answer(client_was_told_ ? 426 : 425, "The data connection failed.");
    co_return co_await answer(client_was_told_ ? 426 : 451,
                              error.side == Side::self ? "This proxy failed." : "The transfer failed at the server.");
}

}  // namespace sluice::ftp
