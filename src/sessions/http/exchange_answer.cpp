// SPDX-License-Identifier: Apache-2.0
// Answers of our own: refusals, and what the listener itself serves.
#include <fmt/format.h>

#include <array>

#include "audit/redact.h"
#include "base/text.h"
#include "protocols/http1/encoder.h"
#include "sessions/http/authority_page.h"
#include "sessions/http/exchange.h"
#include "sessions/http/interception.h"
#include "sessions/http/own_pages.h"
#include "sessions/http/page.h"
#include "sessions/http/service.h"
#include "sessions/http/session.h"

namespace sluice::http {

using http1::KnownField;

// Another request can follow only where this one has been read to its end.
bool Exchange::may_keep_client() { return head_complete_ && head_.keep_alive && upload_ == Upload::complete && !service_->is_draining(); }

net::Task<bool> Exchange::answer(Refusal refusal) {
    note(refusal);
    co_await keep_sample(refusal);
    if (refusal.status == 0) {
        session_->client().abort();
        record(refusal.action);
        co_return false;
    }
    // A body that is here already need not cost the connection.
    if (head_complete_ && upload_ == Upload::none && !upload_taken_) static_cast<void>(take_buffered_upload());
    if (upload_taken_ && upload_body_.ended) upload_ = Upload::complete;  // it came whole, though not all of it went on
    keep_client_ = !refusal.close && may_keep_client();

    const PageKind kind = head_complete_ ? preferred_page(head_.fields) : PageKind::html;
    std::string url;
    if (has_target_) {
        if (is_connect()) url = host_key_;
        else
            url = audit::redacted_url(url_.canonical(),
                                      generation_->settings->redaction ? *generation_->settings->redaction : audit::Redaction());
    }
    PageFacts facts;
    facts.status = refusal.status;
    facts.what = refusal.what;
    facts.reason = refusal.reason;
    facts.rule = refusal.rule;
    facts.url = url;
    facts.id = id_.view();
    facts.error = refusal.error;
    std::string body;
    append_page(body, kind, facts, generation_->settings->page);

    out_.clear();
    http1::HeadWriter writer(out_);
    writer.status_line(refusal.status);
    writer.field("Proxy-Status", fmt::format("sluice; error={}", refusal.error));
    if (!refusal.location.empty()) writer.field("Location", refusal.location);
    if (refusal.retry_after > 0) writer.field("Retry-After", static_cast<std::uint64_t>(refusal.retry_after));
    if (refusal.status == 407) writer.field("Proxy-Authenticate", fmt::format("Basic realm=\"{}\", charset=\"UTF-8\"", refusal.realm));
    writer.field("Cache-Control", "no-store");
    writer.field("Content-Type", content_type(kind));
    co_return co_await send_own(body, refusal.action);
}

// The rest of the head, and the body unless the method wants none. `out_` has what comes before.
net::Task<bool> Exchange::send_own(std::string_view body, audit::Action action) {
    http1::HeadWriter writer(out_);
    writer.field("Date", service_->http_date());
    writer.field("Content-Length", std::uint64_t{body.size()});
    if (!keep_client_) writer.field("Connection", "close");
    writer.end();
    const bool without_body = head_complete_ && head_.method == "HEAD";
    std::array<std::string_view, 2> pieces{out_, without_body ? std::string_view() : body};
    session_->client().expires_never();
    const auto sent = co_await session_->client().write(pieces, 0, limits().body_idle);
    client_sent_ += net::total_size(pieces);
    download_body_.bytes = without_body ? 0 : body.size();
    linger_ = !keep_client_;
    record(action);
    co_return sent&& keep_client_;
}

// A request in origin-form is for this listener: /proxy.pac and nothing else.
net::Task<bool> Exchange::answer_self() {
    if (head_.form == http1::TargetForm::asterisk && head_.method == "OPTIONS") {
        status_ = 204;
        keep_client_ = may_keep_client();
        out_.clear();
        http1::HeadWriter writer(out_);
        writer.status_line(204);
        writer.field("Date", service_->http_date());
        writer.field("Allow", "GET, HEAD, POST, PUT, DELETE, CONNECT, OPTIONS, TRACE, PATCH");
        writer.field("Proxy-Status", "sluice");
        if (!keep_client_) writer.field("Connection", "close");
        writer.end();
        std::array<std::string_view, 1> pieces{out_};
        session_->client().expires_never();
        client_sent_ += out_.size();
        const auto sent = co_await session_->client().write(pieces, 0, limits().body_idle);
        linger_ = !keep_client_;
        record(audit::Action::allowed);
        co_return sent&& keep_client_;
    }
    const std::string_view path = head_.target.substr(0, head_.target.find('?'));
    if (path == "/proxy.pac" || path == "/wpad.dat") {
        if (head_.method != "GET" && head_.method != "HEAD")
            co_return co_await answer(refused(405, "http_request_error", "This is read with GET."));
        status_ = 200;
        keep_client_ = may_keep_client();
        out_.clear();
        http1::HeadWriter writer(out_);
        writer.status_line(200);
        writer.field("Proxy-Status", "sluice");
        writer.field("Content-Type", "application/x-ns-proxy-autoconfig");
        writer.field("Cache-Control", "max-age=300");
        const std::string pac = generation_->settings->pac.empty()
                                    ? proxy_auto_config(session_->client().local(), head_.fields.find(KnownField::host).value_or(""))
                                    : generation_->settings->pac;
        co_return co_await send_own(pac, audit::Action::allowed);
    }
    Refusal refusal = refused(400, "http_request_error", "This is a proxy: it wants a whole address (http://…) or CONNECT.");
    refusal.close = true;
    co_return co_await answer(refusal);
}

// The CA's certificate, for devices to take, before they can trust anything that is encrypted.
net::Task<bool> Exchange::answer_own_host() {
    if (head_.method != "GET" && head_.method != "HEAD")
        co_return co_await answer(refused(405, "http_request_error", "This is read with GET."));
    const Interception* interception = service_->interception();
    if (interception == nullptr)
        co_return co_await answer(refused(404, "http_request_denied", "This proxy has no certificate to give: it decrypts nothing."));
    std::string_view type;
    std::string body;
    std::string_view file;
    if (url_.path == "/") {
        type = "text/html; charset=utf-8";
        body = authority_page(interception->fingerprint);
    } else if (url_.path == "/ca.pem") {
        type = "application/x-pem-file";
        file = "sluice-ca.pem";
        body = interception->certificate_pem;
    } else if (url_.path == "/ca.crt") {
        type = "application/x-x509-ca-cert";
        file = "sluice-ca.crt";
        body = interception->certificate_der;
    } else {
        co_return co_await answer(refused(404, "http_request_denied", "There is no such page here."));
    }
    status_ = 200;
    keep_client_ = may_keep_client();
    out_.clear();
    http1::HeadWriter writer(out_);
    writer.status_line(200);
    writer.field("Proxy-Status", "sluice");
    writer.field("Content-Type", type);
    writer.field("Cache-Control", "no-store");
    if (!file.empty()) writer.field("Content-Disposition", fmt::format("attachment; filename=\"{}\"", file));
    co_return co_await send_own(body, audit::Action::allowed);
}

// TRACE and OPTIONS with Max-Forwards: 0 end here (RFC 9110 7.6.2).
net::Task<bool> Exchange::answer_trace() {
    status_ = 200;
    keep_client_ = may_keep_client();
    std::string body;
    if (head_.method == "TRACE") {  // the request as it came, without what only a server should see (RFC 9110 9.3.8)
        http1::HeadWriter echo(body);
        echo.request_line(head_.method, head_.target, head_.version);
        for (const NameValue& line : head_.fields.all()) {
            const KnownField known = http1::known_field(line.name);
            if (known == KnownField::authorization || known == KnownField::proxy_authorization || known == KnownField::cookie) continue;
            echo.field(line.name, line.value);
        }
        echo.end();
    }
    out_.clear();
    http1::HeadWriter writer(out_);
    writer.status_line(200);
    writer.field("Proxy-Status", "sluice");
    if (head_.method == "TRACE") writer.field("Content-Type", "message/http");
    else writer.field("Allow", "GET, HEAD, POST, PUT, DELETE, CONNECT, OPTIONS, TRACE, PATCH");
    co_return co_await send_own(body, audit::Action::allowed);
}

}  // namespace sluice::http
