// SPDX-License-Identifier: Apache-2.0
// What transfers of both directions have in common: their beginning and end, and the payload on its way past the engines.
#include <fmt/format.h>

#include <array>

#include "audit/event_json.h"
#include "protocols/mime/file_names.h"
#include "sessions/ftp/commands.h"
#include "sessions/ftp/service.h"
#include "sessions/ftp/session.h"

namespace sluice::ftp {

void Session::begin_data(std::uint64_t skip) {
    is_over_ = is_cut_ = upload_ended_ = client_was_told_ = is_patient_ = false;
    skip_ = skip;
    server_restart_ = 0;
    last_reply_.reset();
}

void Session::end_data() {
    is_over_ = true;
    patience_.reset();
    forget_data();
}

void Session::begin_payload(sessions::Inspected& way, std::string_view path, bool is_part) {
    inspected_ = &way;
    way.begin(worker_, service_.bench(), service_.inspection(), settings(), judgement_,
              {.coding = {}, .partial = is_part, .has_network_lines = is_ascii_});
    if (way.is_on) way.set_names(mime::file_names_of_path(path));
}

policy::Ranges Session::ranges_of(policy::Direction direction) {
    if (direction == policy::Direction::download && service_.inspection().cut.has(fmt::format("ftp://{}{}", login_->server.host, path_)))
        return policy::Ranges::whole;
    return policy::inspect_options(judgement_.effects, direction).ranges.value_or(settings().ranges);
}

net::Task<Session::Then> Session::refuse_part(const CommandInfo& info, std::string_view path) {
    action_ = audit::Action::blocked;
    reason_ = "a part of a file: inspect.ranges";
    inspected_ = nullptr;
    forget_data();
    co_return co_await answer(550, fmt::format("{}: {} of a part is not allowed on this network.", path, info.verb));
}

// The next bytes, pushed or (`in_place` of them) read where they wait: what may go on has gone on afterwards. A denial: nothing more does.
Session::Outcome<Session::Denied> Session::pass(std::string_view bytes, std::size_t in_place, bool ended) {
    sessions::Inspected* const way = inspected_;
    if (way == nullptr || !way->is_on) {
        released_.assign(bytes.empty() ? 0 : 1, bytes);
        CO_TRY(co_await give());
        co_return std::nullopt;
    }
    inspect::Payload& payload = *way->payload;
    payload.step();
    released_.clear();
    if (in_place > 0) payload.push_in_place(in_place);
    else if (!bytes.empty()) payload.push(bytes, false, released_);
    if (ended) payload.end(true);
    if (Denied denied = follow_up(*way)) co_return denied;
    CO_TRY(co_await give());
    while (payload.has_work()) {
        released_.clear();
        CO_TRY(co_await payload.work(released_));
        if (Denied denied = follow_up(*way)) co_return denied;
        CO_TRY(co_await give());
    }
    if (is_cut_) co_return fail(Errc::cancelled, Side::self, "the transfer was ended");
    co_return std::nullopt;
}

Session::Outcome<void> Session::give() { return inspected_ == &upload_ ? give_to_server() : give_to_client(); }

// What is known by now is judged, and what may go on is in released_.
Session::Denied Session::follow_up(sessions::Inspected& way) {
    inspect::Payload& payload = *way.payload;
    if (!payload.is_planned() && (payload.is_identified() || payload.has_news()))
        if (Denied denied = plan(way)) return denied;
    if (!payload.has_news()) return std::nullopt;
    const std::array<sessions::Inspected::Number, 2> bytes{
        {{policy::Field::client_bytes, data_from_client_}, {policy::Field::server_bytes, data_from_server_}}};
    if (Denied denied = way.judge_verdict(judgement_, bytes)) return denied;
    payload.accept_news(released_);
    return std::nullopt;
}

// Phase `payload`, and what comes of it.
Session::Denied Session::plan(sessions::Inspected& way) {
    inspect::Payload& payload = *way.payload;
    if (Denied denied = way.judge_type(judgement_, payload.has_ended() ? payload.size() : 0)) return denied;
    const auto options = way.options(judgement_);
    if (!options) {
        payload.skip(released_);
        return std::nullopt;
    }
    if (options->max_size) payload.set_max_size(*options->max_size);
    inspect::Examination examination = way.examination(settings(), *options);
    const bool is_upload = way.direction == policy::Direction::upload;
    if (settings().inspect->icap && examination.engines.has(policy::Engine::icap)) {
        examination.message.emplace();
        examination.message->is_request = is_upload;
        examination.message->method = is_upload ? "PUT" : "GET";
        examination.message->url = fmt::format("ftp://{}{}", login_->server.host, path_);
        examination.message->authority = login_->server.host;
    }
    if (is_upload) examination.at_most = limits().ftp_upload_scan;
    const policy::Deliver wanted = options->deliver.value_or(settings().deliver);
    inspect::Delivery delivery = inspect::choose_delivery(wanted, payload.type(), {}, 0);
    // What has not begun at the server leaves nothing there.
    if (is_upload && wanted == policy::Deliver::automatic) delivery = {.mode = inspect::Mode::hold, .automatic = true};
    delivery.may_let_go = false;
    payload.deliver(delivery, std::move(examination), released_);
    return std::nullopt;
}

// Before anybody hears of the denial. Without a copy it is a block like any other, and the event says why.
net::Task<void> Session::keep_sample(sessions::Denial& denial) {
    if (inspected_ == nullptr || !inspected_->is_on) co_return;
    if (denial.action != policy::Action::quarantine) co_return;
    note(denial);
    std::string event;
    const audit::Redaction none;
    audit::write_json(describe(), settings().redaction ? *settings().redaction : none, event);
    const std::string_view problem = co_await inspected_->keep_sample(worker_, service_.inspection(), id_, event);
    service_.metrics().add(problem.empty() ? audit::Counter::quarantine_kept : audit::Counter::quarantine_failed);
    if (problem.empty()) co_return;
    denial.action = policy::Action::block;
    sample_problem_ = fmt::format("no copy was kept: {}", problem);
}

}  // namespace sluice::ftp
