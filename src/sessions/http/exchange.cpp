// SPDX-License-Identifier: Apache-2.0
// The request's head, and what it asks for.
#include "sessions/http/exchange.h"
#include "protocols/ftp/url_path.h"

#include "base/text.h"
#include "sessions/http/alarm.h"
#include "sessions/http/authority_page.h"
#include "sessions/http/ports.h"
#include "sessions/http/service.h"
#include "sessions/http/session.h"

namespace sluice::http {

Exchange::Exchange(Service& service)
    : worker_(service.worker()),
      service_(&service),
      judgement_(policy::Protocol::http, service.judging()),
      alarm_(std::make_unique<Alarm>(worker_.wheel(), [this] { on_alarm(); })) {}

Exchange::~Exchange() = default;

void Exchange::begin(Session& session) {
    session_ = &session;
    if (generation_ != service_->generation()) {
        generation_ = service_->generation();
        request_parser_.emplace(limits());
        response_parser_.emplace(limits());
    } else {
        request_parser_->reset();
        response_parser_->reset();
    }
    start_ns_ = steady_ns();
    id_ = service_->next_id(service_->unix_ns(start_ns_));
    has_target_ = head_complete_ = false;
    upload_ = Upload::none;
    upload_taken_ = doubt_ = false;
    upload_error_.reset();
    upload_done_.shut();
    judgement_.begin(*generation_->settings, generation_->rules);
    user_.clear();
    judgement_.trusted = session.inside() && session.inside()->trusted && session.inside()->trusted_by.lock() == generation_;
    has_hello_ = is_unreadable_ = is_cut_ = false;
    plan_ = TlsPlan::none;
    counted_tags_ = counted_shadows_ = 0;
    request_type_.clear();
    response_type_.clear();
    upstream_.reset();
    reused_ = false;
    server_.reset();
    response_.status = 0;
    upload_body_.bytes = download_body_.bytes = 0;
    upload_payload_.is_on = download_payload_.is_on = false;
    payload_refusal_.reset();
    quarantined_.reset();
    answers_expectation_ = upload_pauses_ = head_waits_ = is_sending_ = false;
    trickle_left_.clear();
    in_begin_ = in_end_ = 0;
    response_started_ = watching_ = false;
    keep_client_ = linger_ = client_gone_ = in_tunnel_ = start_recorded_ = false;
    relay_.reset();
    policy_ns_ = upstream_ns_ = 0;
    client_bytes_ = server_bytes_ = client_sent_ = server_sent_ = 0;
    status_ = 0;
    error_type_ = reason_ = scan_reason_ = {};
    outcome_.reset();
}

bool Exchange::is_worth_keeping(const std::shared_ptr<const Generation>& current) const {
    constexpr std::size_t much = 64 * 1024;
    return generation_ == current && upload_out_.capacity() + first_bytes_.capacity() + out_.capacity() < much &&
           (upload_body_.pieces.capacity() + download_body_.pieces.capacity()) * sizeof(std::string_view) < much;
}

net::Task<bool> Exchange::run(Session& session) {
    begin(session);
    bool again = false;
    Result<bool> head = take_head();
    if (head && !*head) {
        const auto rest = co_await read_head();
        if (!rest) head = std::unexpected(rest.error());
    }
    if (!head) {
        again = co_await answer(refusal_of(head.error(), http::Stage::reading_head));
    } else {
        service_->metrics().add(audit::Counter::requests);
        again = co_await route();
    }
    in_.release();
    head_in_.release();
    upload_in_.release();
    for (Inspected* way : {&upload_payload_, &download_payload_})
        if (way->is_on) way->payload->clear();
    drop_upstream();
    co_return again && !service_->is_draining();
}

// From what is here already: true when that is all of it, as it nearly always is.
Result<bool> Exchange::take_head() {
    const auto consumed = TRY(request_parser_->parse(session_->unread(), head_));
    if (!consumed) return false;
    session_->consume(*consumed);
    client_bytes_ = *consumed;
    head_complete_ = true;
    session_->client().expires_never();
    return true;
}

// The rest of a head of which only a part is here.
net::Task<Result<void>> Exchange::read_head() {
    // Of the whole head: not set anew with every byte. Who is refused in any case gets no long time to ask.
    session_->client().expires_in(session_->refused_at_accept() ? limits().lingering : limits().head);
    do {
        const std::size_t got = CO_TRY(co_await session_->read_more());
        if (got == 0) co_return fail(Errc::closed, Side::client, "the client closed inside a request head");
    } while (!CO_TRY(take_head()));
    co_return Result<void>{};
}

net::Task<bool> Exchange::route() {
    upload_ = head_.body.kind == http1::Framing::Kind::none ? Upload::complete : Upload::none;
    if (const auto& refused = session_->refused_at_accept()) co_return co_await answer(*refused);
    if (const auto& inside = session_->inside(); inside && inside->refusal) {
        static_cast<void>(take_target());                // for the page alone
        co_return co_await answer(*inside->refusal);
    }
    if (const Refused refused = check_head()) co_return co_await answer(*refused);
    if (is_connect()) co_return co_await run_connect();
    if (const Refused refused = take_target()) co_return co_await answer(*refused);
    if (!has_target_) co_return co_await answer_self();
    if (url_.authority.host == own_host && !session_->inside()) co_return co_await answer_own_host();
    if ((head_.method == "TRACE" || head_.method == "OPTIONS") && head_.fields.find(http1::KnownField::max_forwards) == "0")
        co_return co_await answer_trace();

    const std::int64_t before = steady_ns();
    fill_client_facts(judgement_);
    fill_request_facts();
    Refused no = judge_accept();
    if (!no) no = co_await judge(policy::Phase::request);
    policy_ns_ += steady_ns() - before;
    if (!no && url_.scheme == "ftp" && head_.method == "PUT" && !judgement_.allowed && !judgement_.trusted) {
        no = refused(403, "http_request_denied", "Uploads to FTP servers are not allowed here.");
        no->reason = "no rule allows this PUT";
    }
    if (no) co_return co_await answer(*no);
    co_return co_await forward();
}

// What is wrong with a request whatever it asks for.
Exchange::Refused Exchange::check_head() {
    // A form is taken apart by its boundary: by which of two, servers would not agree.
    if (head_.fields.count(http1::KnownField::content_type) > 1) {
        Refusal refusal = refused(400, "http_request_error", "The request says two types for its content.");
        refusal.reason = "two Content-Type fields";
        return refusal;
    }
    if (head_.unknown_expectation)
        return refused(417, "http_request_error", "The request expects something that this proxy does not know.");
    bool loop = false;
    head_.fields.for_each(http1::KnownField::via, [&](std::string_view value) {
        for_each_list_element(value, [&](std::string_view element) {
            // received-protocol SP received-by [ SP comment ] (RFC 9110 7.6.3)
            const std::size_t space = element.find(' ');
            if (space == std::string_view::npos) return;
            const std::string_view by = trim(element.substr(space));
            loop = loop || equals_ignoring_case(by.substr(0, by.find_first_of(" \t(")), generation_->settings->via);
        });
    });
    if (loop) {
        Refusal refusal = refused(502, "proxy_loop_detected", "This request has been here before: it goes round in a circle.");
        refusal.action = audit::Action::failed;
        return refusal;
    }
    if (const auto hops = head_.fields.find(http1::KnownField::max_forwards);
        hops && (head_.method == "TRACE" || head_.method == "OPTIONS") && !parse_decimal<std::uint32_t>(*hops))
        return refused(400, "http_request_error", "Max-Forwards is not a number.");
    return std::nullopt;
}

// Fills url_ from the target, or leaves has_target_ false: the request is for the listener itself.
Exchange::Refused Exchange::take_target() {
    const auto& inside = session_->inside();
    const auto malformed = [](const Error& error) {
        Refusal refusal = refused(400, "http_request_error", "The address in the request is not valid.");
        refusal.reason = error.what;
        refusal.close = true;
        return refusal;
    };
    if (head_.form == http1::TargetForm::absolute) {
        if (const auto parsed = parse_url(head_.target, url_); !parsed) return malformed(parsed.error());
    } else if (inside) {
        const auto host = head_.fields.find(http1::KnownField::host);
        url_.scheme = inside->tls ? "https" : "http";
        if (const auto parsed = parse_authority(host.value_or(inside->authority), false, url_.authority); !parsed)
            return malformed(parsed.error());
        url_.port = url_.authority.port == 0 ? default_port(url_.scheme) : url_.authority.port;
        const std::string_view target = head_.form == http1::TargetForm::asterisk ? "/" : head_.target;
        if (const auto parsed = set_target(url_, target); !parsed) return malformed(parsed.error());
        if (head_.form == http1::TargetForm::asterisk) url_.raw_target = "*";
    } else {
        return std::nullopt;
    }
    has_target_ = true;
    const bool is_elsewhere = inside && (url_.port != inside->port || (inside->tls ? !is_covered() : url_.authority.host != inside->host));
    if (is_elsewhere) {
        Refusal refusal = refused(421, "http_request_error", "Inside this tunnel only the server that was asked for can be reached.");
        refusal.close = true;
        return refusal;
    }
    if (head_.method == "OPTIONS" && head_.form == http1::TargetForm::absolute && url_.path == "/" && !url_.has_query &&
        !head_.target.ends_with('/'))
        url_.raw_target = "*";                           // RFC 9112 3.2.4
    const bool is_ftp = url_.scheme == "ftp" && !inside && service_->ftp_gateway();
    if (!is_ftp && url_.scheme != (inside && inside->tls ? "https" : "http"))
        return refused(501, "http_request_error",
                       url_.scheme == "https" ? "An https: address is reached through this proxy with CONNECT."
                                              : "An ftp: address is not fetched here.");
    if (is_ftp)
        if (Refused refused = take_ftp_target()) return refused;
    if (!is_ftp && !inside && is_bad_port(url_.port)) {
        Refusal refusal = refused(403, "http_request_denied", "This port is not one for the web.");
        refusal.reason = "a bad port of the Fetch standard";
        return refusal;
    }
    host_key_.clear();
    url_.authority.append_to(host_key_, url_.port);
    extension_ = url_.extension();
    return std::nullopt;
}

// Of an ftp: URL: its port, its type, which is none of the file's name, and nothing that a server could read in another way.
Exchange::Refused Exchange::take_ftp_target() {
    if (!generation_->settings->may_fetch_from(url_.port)) {
        Refusal refusal = refused(403, "http_request_denied", "This proxy does not go to that port.");
        refusal.reason = not_in_ftp_ports;
        return refusal;
    }
    const auto typed = ftp::split_type(url_.raw_target);
    ftp_type_ = typed.type;
    const std::string target(typed.target);
    std::string_view why;
    if (url_.has_query) why = "a question mark in an ftp: address";
    else if (!set_target(url_, target) || !ftp::parse_url_path(url_.path)) why = "a name in the path is none";
    else if (!ftp::parse_userinfo(url_.authority.userinfo)) why = "a line end in the userinfo";
    else return std::nullopt;
    Refusal refusal = refused(400, "http_request_error", "The address in the request is not valid.");
    refusal.reason = why;
    return refusal;
}

}  // namespace sluice::http
