// SPDX-License-Identifier: Apache-2.0
#include "sessions/http/refusal.h"

#include "protocols/http1/head_parser.h"

namespace sluice::http {
namespace {

Refusal failed(int status, std::string_view error, std::string_view what, std::string_view reason) {
    Refusal refusal;
    refusal.action = audit::Action::failed;
    refusal.status = status;
    refusal.error = error;
    refusal.what = what;
    refusal.reason = reason;
    return refusal;
}

Refusal refusal_of_client(const Error& error, Stage stage) {
    Refusal refusal;
    refusal.error = "http_request_error";
    refusal.reason = error.what;
    refusal.close = true;
    switch (error.code) {
        case Errc::too_large:
            if (stage == Stage::reading_body) {          // its framing, not its length: bodies may be as long as they like
                refusal.status = 400;
                refusal.what = "The request's body is framed in a way that this proxy does not accept.";
                break;
            }
            refusal.status = error.what == http1::target_too_long ? 414 : 431;
            refusal.what = "The request is larger than this proxy accepts.";
            break;
        case Errc::unsupported:
            refusal.status = 505;
            refusal.what = "This proxy speaks HTTP/1.0 and HTTP/1.1.";
            break;
        case Errc::timed_out:
            refusal.status = 408;
            refusal.what = "The request did not arrive in time.";
            break;
        case Errc::closed:
        case Errc::reset:
        case Errc::io_failed:                            // nothing that it sent is at fault, and nothing reaches it any more
        case Errc::unreachable:
        case Errc::cancelled:
            refusal.action = audit::Action::aborted;
            refusal.status = 0;
            refusal.error = "";
            refusal.what = "The client left.";
            break;
        default:
            refusal.status = 400;
            refusal.what = "The request breaks the rules of HTTP, or can be read in two ways.";
            break;
    }
    return refusal;
}

}  // namespace

Refusal refused(int status, std::string_view error, std::string_view what) {
    Refusal refusal;
    refusal.status = status;
    refusal.error = error;
    refusal.what = what;
    return refusal;
}

Refusal refusal_of(const sessions::Denial& denial, std::string_view method) {
    Refusal refusal = refused(403, "http_request_denied", "This request is not allowed on this network.");
    refusal.action = audit::Action::blocked;
    refusal.reason = denial.reason;
    refusal.rule = denial.name;
    if (!denial.rule) {
        if (denial.name != sessions::protect_host_name) return refusal;
        refusal.error = "destination_ip_prohibited";
        refusal.what = "This proxy does not connect to that address.";
        return refusal;
    }
    switch (denial.action) {
        case policy::Action::reset:
            refusal.action = audit::Action::reset;
            refusal.status = 0;
            break;
        case policy::Action::redirect:
            if (method == "CONNECT") break;              // as block: a tunnel has nowhere to be redirected to
            refusal.action = audit::Action::redirected;
            refusal.status = method == "GET" || method == "HEAD" ? 302 : 307;
            refusal.what = "This request is answered elsewhere.";
            refusal.location = denial.rule->redirect_to;
            break;
        case policy::Action::authenticate:
            refusal.status = 407;
            refusal.what = "This proxy wants to know who you are.";
            refusal.realm = denial.rule->realm;
            break;
        case policy::Action::limit:
            refusal.action = audit::Action::limited;
            refusal.status = 429;
            refusal.what = "Too many requests: please wait a moment.";
            refusal.retry_after = denial.retry_after_seconds;
            break;
        case policy::Action::quarantine:
            refusal.action = audit::Action::quarantined;
            refusal.status = denial.rule->status;
            break;
        default: refusal.status = denial.rule->status; break;
    }
    return refusal;
}

Refusal refusal_of(const Error& error, Stage stage) {
    if (error.side == Side::client) return refusal_of_client(error, stage);
    switch (stage) {
        case Stage::resolving:
            if (error.code == Errc::timed_out) return failed(504, "dns_timeout", "The name servers did not answer in time.", error.what);
            return failed(502, "dns_error", "The name of this server could not be found.", error.what);
        case Stage::dialling:
            switch (error.code) {
                case Errc::refused: return failed(502, "connection_refused", "The server refused the connection.", error.what);
                case Errc::timed_out: return failed(504, "connection_timeout", "The server could not be reached in time.", error.what);
                case Errc::unreachable:
                    return failed(502, "destination_ip_unroutable", "There is no way to the server's network.", error.what);
                case Errc::overloaded:
                    return failed(503, "connection_limit_reached", "This proxy is at its limit of connections.", error.what);
                default: return failed(502, "destination_unavailable", "The server could not be reached.", error.what);
            }
        default: break;
    }
    if (error.side == Side::self) {
        if (error.code == Errc::overloaded) return failed(503, "connection_limit_reached", "This proxy is at its limit.", error.what);
        return failed(500, "proxy_internal_error", "This proxy failed.", error.what);
    }
    switch (error.code) {
        case Errc::timed_out:
            if (stage == Stage::sending)
                return failed(504, "connection_write_timeout", "The server did not take the request in time.", error.what);
            return failed(504, "http_response_timeout", "The server did not answer in time.", error.what);
        case Errc::closed:
        case Errc::reset:
            return failed(502, stage == Stage::relaying ? "http_response_incomplete" : "connection_terminated",
                          "The server closed the connection before it had answered.", error.what);
        case Errc::too_large:
            return failed(502, "http_response_header_section_size", "The server's answer is larger than this proxy accepts.", error.what);
        default: return failed(502, "http_protocol_error", "The server's answer breaks the rules of HTTP.", error.what);
    }
}

}  // namespace sluice::http
