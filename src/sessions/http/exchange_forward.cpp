// SPDX-License-Identifier: Apache-2.0
// The request goes out, written anew; the response's head comes back, is judged, and goes on, written anew.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "inspect/content/coding.h"
#include "protocols/http1/encoder.h"
#include "sessions/http/alarm.h"
#include "sessions/http/exchange.h"
#include "sessions/http/header_edits.h"
#include "sessions/http/service.h"
#include "sessions/http/session.h"

namespace sluice::http {

using http1::Framing;
using http1::KnownField;

namespace {

constexpr Error client_left{Errc::closed, Side::client, "the client left before it had its answer"};

bool is_idempotent(std::string_view method) {                                // RFC 9110 9.2.2
    static constexpr std::array<std::string_view, 6> methods{"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"};
    return std::ranges::find(methods, method) != methods.end();
}

}  // namespace

net::Task<bool> Exchange::forward() {
    if (const Refused refused = check_range()) co_return co_await answer(*refused);
    if (const auto taken = take_buffered_upload(); !taken) co_return co_await answer(refusal_of(taken.error(), http::Stage::reading_body));
    if (head_.body.kind != Framing::Kind::none)
        if (const Refused refused = co_await receive_upload()) co_return co_await answer(*refused);
    for (bool may_reuse = url_.scheme != "ftp";; may_reuse = false) {
        if (!(may_reuse && take_pooled()))
            if (const Refused refused = co_await connect()) co_return co_await answer(*refused);
        if (const Refused refused = check_verification()) co_return co_await answer(*refused);
        const std::int64_t before = steady_ns();
        write_request_head();
        http::Stage stage = http::Stage::sending;
        auto result = co_await send_request();
        if (result || result.error().code == Errc::reset) stage = http::Stage::awaiting_response;
        if (result || result.error().code == Errc::reset)
            result = co_await read_response_head();   // a server may refuse before it has read all
        upstream_ns_ += steady_ns() - before;
        if (result) break;
        if (upload_ == Upload::running) co_await stop_upload();
        if (watching_) co_await stop_client_watch();
        alarm_->expires_never();
        if (payload_refusal_) co_return co_await answer(*payload_refusal_);
        // What stopped the upload stopped the rest: the client, ourselves, or a server that took no more of it.
        const bool upload_stalled = upload_error_ && upload_error_->side == Side::server && upload_error_->code == Errc::timed_out;
        const Error error = upload_error_ && (upload_error_->side != Side::server || upload_stalled) ? *upload_error_ : result.error();
        if (upload_stalled) stage = http::Stage::sending;
        if (client_gone_) {
            note_error(client_left, http::Stage::relaying);
            outcome_ = audit::Action::aborted;
            record(*outcome_);
            co_return false;
        }
        if (may_retry(error)) {
            service_->metrics().add(audit::Counter::pool_stale);
            drop_upstream();
            continue;
        }
        if (error.side == Side::client) stage = http::Stage::reading_body;
        co_return co_await answer(refusal_of(error, stage));
    }
    bind_if_authenticated();
    fill_response_facts();
    if (!judgement_.trusted && judgement_.has_rules(policy::Phase::response)) {
        const std::int64_t before = steady_ns();
        const Refused refused = co_await judge(policy::Phase::response);
        policy_ns_ += steady_ns() - before;
        if (refused) {
            if (upload_ == Upload::running) co_await stop_upload();
            if (watching_) co_await stop_client_watch();
            alarm_->expires_never();
            co_return co_await answer(*refused);
        }
    }
    if (response_.status == 101) co_return co_await upgrade();
    co_return co_await relay_response();
}

// A connection from the pool may have been closed by the server just when we used it. That is no fault of the request: if asking twice is
// safe and nothing was read of its body that cannot be sent again, it gets a new connection (RFC 9110 9.2.2).
bool Exchange::may_retry(const Error& error) const {
    return reused_ && error.side == Side::server && (error.code == Errc::closed || error.code == Errc::reset) && in_end_ == 0 &&
           head_.body.kind == Framing::Kind::none && is_idempotent(head_.method);
}

void Exchange::write_request_head() {
    out_.clear();
    http1::HeadWriter writer(out_);
    const HeaderEdits edits(judgement_.effects.header_edits, policy::Action::set_request_header, policy::Action::remove_request_header);
    writer.request_line(head_.method, url_.raw_target);
    const bool inspects = will_be_inspected();
    const bool wants_whole = inspects && head_.fields.has(KnownField::range) && asks_for_the_whole();

    host_.clear();
    url_.authority.append_to(host_, url_.port == default_port(url_.scheme) ? 0 : url_.port);
    writer.field("Host", host_);
    const bool adds_forwarded_for = generation_->settings->forwarded == Forwarded::x_forwarded_for;
    const auto fields = head_.fields.all();
    for (std::size_t i = 0; i < fields.size(); ++i) {
        const KnownField known = head_.fields.known(i);
        if (known == KnownField::host || known == KnownField::content_length || known == KnownField::expect) continue;
        if (wants_whole && (known == KnownField::range || known == KnownField::if_range)) continue;
        if (inspects && known == KnownField::accept_encoding) {
            writer.field("Accept-Encoding", inspect::decodable_codings(fields[i].value, accept_encoding_));
            continue;
        }
        if (known == KnownField::x_forwarded_for && adds_forwarded_for) continue;
        if (known == KnownField::forwarded && generation_->settings->forwarded == Forwarded::forwarded) continue;
        if (head_.is_for_this_hop(i) || edits.touches(fields[i].name)) continue;
        if (known == KnownField::max_forwards && (head_.method == "TRACE" || head_.method == "OPTIONS")) {
            if (const auto hops = parse_decimal<std::uint32_t>(fields[i].value); hops && *hops > 0)
                writer.field(fields[i].name, std::uint64_t{*hops - 1});
            continue;
        }
        writer.field(fields[i].name, fields[i].value);
    }
    switch (head_.body.kind) {
        case Framing::Kind::length: writer.field("Content-Length", head_.body.length); break;
        case Framing::Kind::chunked: writer.field("Transfer-Encoding", "chunked"); break;
        default: break;
    }
    if (head_.expects_continue && upload_ != Upload::complete && !answers_expectation_) writer.field("Expect", "100-continue");
    bool wants_trailers = false;
    head_.fields.for_each(KnownField::te, [&](std::string_view value) {
        for_each_list_element(
            value, [&](std::string_view coding) { wants_trailers = wants_trailers || equals_ignoring_case(coding, "trailers"); });
    });
    if (head_.upgrade_websocket) {
        writer.field("Connection", wants_trailers ? "Upgrade, TE" : "Upgrade");
        writer.field("Upgrade", "websocket");
    } else if (wants_trailers) {
        writer.field("Connection", "TE");
    }
    if (wants_trailers) writer.field("TE", "trailers");
    writer.field("Via", via(head_.version));
    switch (generation_->settings->forwarded) {
        case Forwarded::off: break;
        case Forwarded::forwarded: {
            const IpAddress& client = session_->peer().address;
            std::string value;
            head_.fields.for_each(KnownField::forwarded, [&](std::string_view before) { value += fmt::format("{}, ", before); });
            value += client.is_v6() ? fmt::format("for=\"[{}]\";proto={}", client.to_string(), url_.scheme)
                                    : fmt::format("for={};proto={}", client.to_string(), url_.scheme);
            writer.field("Forwarded", value);
            break;
        }
        case Forwarded::x_forwarded_for: {
            std::string value;
            head_.fields.for_each(KnownField::x_forwarded_for, [&](std::string_view before) { value += fmt::format("{}, ", before); });
            writer.field("X-Forwarded-For", value + session_->peer().address.to_string());
            break;
        }
    }
    edits.write(writer);
    writer.end();
}

std::string_view Exchange::via(http1::Version received) {
    via_ = http1::to_string(received);
    via_ += ' ';
    via_ += generation_->settings->via;
    return via_;
}

// The head, and what of the body is here already; the rest of it follows in a coroutine of its own, while the response is awaited: servers
// answer early, and say 100 in between.
net::Task<Result<void>> Exchange::send_request() {
    upstream_->expires_never();                          // a write has its own
    request_pieces_.assign({out_, upload_out_});
    if (upload_payload_.is_on) request_pieces_.insert(request_pieces_.end(), upload_body_.pieces.begin(), upload_body_.pieces.end());
    const std::size_t size = net::total_size(request_pieces_);
    const auto sent = upstream_->try_write(request_pieces_);
    if (!sent) co_return std::unexpected(sent.error());
    if (*sent < size) CO_TRY(co_await upstream_->write(request_pieces_, *sent, limits().body_idle));
    server_sent_ += size;
    if (upload_ == Upload::complete) {
        upstream_->expires_in(limits().first_byte);
    } else {
        upload_ = Upload::running;
        upload_done_.shut();
        net::spawn(worker_, pump_upload());
    }
    co_return Result<void>{};
}

// Up to the final response's head (or 101); interim responses go on to the client.
net::Task<Result<void>> Exchange::read_response_head() {
    if (!in_) in_ = worker_.buffers().borrow();
    in_begin_ = in_end_ = 0;
    if (upload_ == Upload::complete) start_client_watch();
    for (std::size_t interim = 0;;) {
        if (in_end_ > in_begin_) {
            const std::string_view unread(in_.data() + in_begin_, in_end_ - in_begin_);
            const auto consumed = CO_TRY(response_parser_->parse(unread, head_.method, response_));
            if (consumed) {
                in_begin_ += *consumed;
                response_parser_->reset();
                if (response_.status == 101 && !(head_.upgrade_websocket && response_.upgrade_websocket))
                    co_return fail(Errc::malformed, Side::server, "switched to a protocol that was not asked for");
                if (!response_.is_interim()) co_return Result<void>{};
                doubt_ = doubt_ || !response_.keep_alive;
                if (++interim > limits().interim_responses) co_return fail(Errc::malformed, Side::server, "too many interim responses");
                CO_TRY(co_await relay_interim());
                continue;
            }
        }
        if (in_end_ == in_.size()) {
            if (in_.size() >= net::BufferPool::large_size) co_return fail(Errc::too_large, Side::server, "response head too large");
            net::Buffer larger = worker_.buffers().borrow(net::BufferSize::large);
            std::copy(in_.data() + in_begin_, in_.data() + in_end_, larger.data());
            in_ = std::move(larger);
            in_end_ -= in_begin_;
            in_begin_ = 0;
        }
        const std::span<char> room = in_.span().subspan(in_end_);
        auto read = upstream_->read_or_arm(room);
        for (; read && !*read; read = upstream_->read_or_arm(room)) co_await upstream_->until_woken();
        const std::size_t got = *CO_TRY(std::move(read));
        if (got == 0)
            co_return fail(Errc::closed, Side::server, in_end_ == in_begin_ ? "closed without an answer" : "closed inside a response head");
        in_end_ += got;
        server_bytes_ += got;
    }
}

net::Task<Result<void>> Exchange::relay_interim() {
    if (head_.version == http1::Version::http_1_0) co_return Result<void>{};       // RFC 9110 15.2
    out_.clear();
    http1::HeadWriter writer(out_);
    writer.status_line(response_.status, response_.reason);
    const auto fields = response_.fields.all();
    for (std::size_t i = 0; i < fields.size(); ++i)
        if (!response_.is_for_this_hop(i) && response_.fields.known(i) != KnownField::content_length)
            writer.field(fields[i].name, fields[i].value);
    writer.field("Via", via(response_.version));
    writer.end();
    std::array<std::string_view, 1> pieces{out_};
    client_sent_ += out_.size();
    co_return co_await session_->client().write(pieces, 0, limits().body_idle);
}

void Exchange::write_response_head() {
    const bool to_http_1_0 = head_.version == http1::Version::http_1_0;
    switch (response_.body.kind) {
        case Framing::Kind::none: body_out_.kind = BodyOut::Kind::none; break;
        case Framing::Kind::length: body_out_.kind = BodyOut::Kind::length; break;
        case Framing::Kind::chunked:
        case Framing::Kind::until_close: body_out_.kind = to_http_1_0 ? BodyOut::Kind::until_close : BodyOut::Kind::chunked; break;
    }
    keep_client_ = may_keep_client() && body_out_.kind != BodyOut::Kind::until_close;

    out_.clear();
    http1::HeadWriter writer(out_);
    const HeaderEdits edits(judgement_.effects.header_edits, policy::Action::set_response_header, policy::Action::remove_response_header);
    writer.status_line(response_.status, response_.reason);
    // What is said inside TLS of other ways to the server (RFC 7838) would lead past us.
    const bool leads_past_us = session_->inside() && session_->inside()->tls;
    const auto fields = response_.fields.all();
    for (std::size_t i = 0; i < fields.size(); ++i) {
        const KnownField known = response_.fields.known(i);
        if (known == KnownField::content_length) continue;
        if (known == KnownField::trailer && body_out_.kind == BodyOut::Kind::chunked && response_.body.kind == Framing::Kind::chunked) {
            writer.field(fields[i].name, fields[i].value);                   // RFC 9110 6.6.2: trailers do go on
            continue;
        }
        if (response_.is_for_this_hop(i) || edits.touches(fields[i].name)) continue;
        if (leads_past_us && equals_ignoring_case(fields[i].name, "Alt-Svc")) continue;
        writer.field(fields[i].name, fields[i].value);
    }
    if (!response_.fields.has(KnownField::date)) writer.field("Date", service_->http_date());  // RFC 9110 6.6.1
    if (body_out_.kind == BodyOut::Kind::length) writer.field("Content-Length", response_.body.length);
    if (body_out_.kind == BodyOut::Kind::chunked) writer.field("Transfer-Encoding", "chunked");
    if (body_out_.kind == BodyOut::Kind::none && response_.content_length && response_.status != 204)
        writer.field("Content-Length", *response_.content_length);
    writer.field("Via", via(response_.version));
    edits.write(writer);
    if (!keep_client_) writer.field("Connection", "close");
    writer.end();
}

net::Task<bool> Exchange::relay_response() {
    write_response_head();
    status_ = response_.status;
    const auto pumped = co_await pump_download();
    if (watching_) co_await stop_client_watch();
    alarm_->expires_never();
    if (upload_ == Upload::running) {                    // an early answer: the rest of the request is not wanted any more
        co_await stop_upload();
        keep_client_ = false;
    }
    if (pumped && !payload_refusal_) {
        const bool upload_whole = upload_ == Upload::complete;
        const bool quiet = in_begin_ == in_end_;         // bytes behind a response are nobody's: the connection is not used again
        if (upload_whole && quiet && !doubt_ && response_.keep_alive && response_.body.kind != Framing::Kind::until_close) keep_upstream();
        linger_ = !upload_whole;
        record(audit::Action::allowed);
        co_return keep_client_&& upload_whole;
    }
    if (payload_refusal_) {
        if (head_waits_) co_return co_await answer(*payload_refusal_);
        const int status = status_;
        note(*payload_refusal_);
        status_ = status;                                // which the client has had
        session_->client().abort();
        co_await keep_sample(*payload_refusal_);
        record(payload_refusal_->action);
        co_return false;
    }
    is_cut_ = true;
    Error error = upload_error_ && upload_error_->side == Side::client ? *upload_error_ : pumped.error();
    if (head_waits_ && !client_gone_ && error.side == Side::server) co_return co_await answer(refusal_of(error, http::Stage::relaying));
    if (client_gone_) error = client_left;
    note_error(error, http::Stage::relaying);
    // The client must see that this is not all: a reset, and no last chunk.
    session_->client().abort();
    record(error.side == Side::client ? audit::Action::aborted : audit::Action::failed);
    co_return false;
}

}  // namespace sluice::http
