// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "protocols/http1/framing.h"
#include "protocols/http1/head_parser.h"
#include "protocols/http1/scan.h"

namespace sluice::http1 {

namespace {

// What a request line has beside its target: a method and " HTTP/1.1".
constexpr std::size_t request_line_overhead = 128;

std::unexpected<Error> malformed(std::string_view what) { return fail(Errc::malformed, Side::client, what); }

// scheme ":" (RFC 3986 3.1)
bool has_scheme(std::string_view target) {
    std::size_t i = 0;
    while (i < target.size() && (is_alpha(target[i]) || is_digit(target[i]) || target[i] == '+' || target[i] == '-' || target[i] == '.'))
        ++i;
    return i != 0 && i < target.size() && target[i] == ':' && is_alpha(target[0]);
}

// host ":" port, both there (RFC 9112 3.2.3, RFC 9110 9.3.6).
bool is_authority_form(std::string_view target) {
    const std::size_t colon = target.rfind(':');
    return colon != std::string_view::npos && colon + 1 < target.size() && is_digit(target.back()) && is_host_and_port(target);
}

Result<TargetForm> target_form(std::string_view method, std::string_view target) {
    if (method == "CONNECT") {
        if (!is_authority_form(target)) return malformed("CONNECT wants host:port");
        return TargetForm::authority;
    }
    if (target.front() == '/') return TargetForm::origin;
    if (target == "*") {
        if (method != "OPTIONS") return malformed("* is for OPTIONS alone");
        return TargetForm::asterisk;
    }
    if (!has_scheme(target)) return malformed("bad request target");
    return TargetForm::absolute;
}

Result<void> read_host(const RequestHead& head) {
    const std::size_t hosts = head.fields.count(KnownField::host);
    if (hosts > 1) return malformed("more than one Host");
    if (hosts == 0) {
        if (head.version == Version::http_1_1) return malformed("no Host");
        return {};
    }
    // Empty is for targets without an authority (RFC 9110 7.2); what it means then is for the session.
    const std::string_view host = *head.fields.find(KnownField::host);
    if (!host.empty() && !is_host_and_port(host)) return malformed("bad Host");
    return {};
}

}  // namespace

RequestParser::RequestParser(const Limits& limits)
    : lines_(limits, Side::client),
      target_limit_(limits.request_target),
      empty_line_limit_(limits.leading_empty_lines) {}

void RequestParser::reset() {
    lines_.reset();
    empty_lines_ = 0;
    part_ = Part::fresh;
    base_ = nullptr;
}

Result<std::optional<std::size_t>> RequestParser::parse(std::string_view buffer, RequestHead& out) {
    if (part_ == Part::fresh) {
        out.clear();
        part_ = Part::start;
    } else if (base_ != buffer.data()) {
        out.method = detail::moved(out.method, base_, buffer.data());
        out.target = detail::moved(out.target, base_, buffer.data());
        out.fields.rebase(base_, buffer.data());
    }
    base_ = buffer.data();
    while (part_ == Part::start) {
        const auto line = TRY(lines_.next(buffer, target_limit_ + request_line_overhead, target_too_long));
        if (!line) return std::nullopt;
        if (line->empty()) {
            if (++empty_lines_ > empty_line_limit_) return malformed("empty lines before the request line");
            continue;
        }
        TRY(read_request_line(*line, target_limit_, out));
        part_ = Part::fields;
    }
    if (!TRY(lines_.read_fields(buffer, out.fields))) return std::nullopt;
    TRY(lines_.read_connection(out.fields, out.connection));
    TRY(finish(out));
    return lines_.consumed();
}

Result<void> RequestParser::read_request_line(std::string_view line, std::size_t target_limit, RequestHead& out) {
    std::size_t space = 0;
    while (space < line.size() && is_token_octet(line[space])) ++space;
    if (space == 0 || space == line.size() || line[space] != ' ') return malformed("bad method");
    const std::string_view rest = line.substr(space + 1);
    const std::size_t end = detail::find_first<detail::TargetEnds>(rest, 0);
    if (end == rest.size()) return malformed("request line without a version");
    if (rest[end] != ' ') return malformed("fragment or white space in the request target");
    if (end == 0) return malformed("no request target");
    if (end > target_limit) return fail(Errc::too_large, Side::client, target_too_long);
    out.version = TRY(detail::read_version(rest.substr(end + 1), Side::client));
    out.method = line.substr(0, space);
    out.target = rest.substr(0, end);
    out.form = TRY(target_form(out.method, out.target));
    return {};
}

Result<void> RequestParser::finish(RequestHead& out) {
    TRY(read_host(out));
    const detail::BodyLength body = TRY(detail::read_body_length(out.fields, out.version, Side::client));
    if (out.form == TargetForm::authority) {
        // Content of a CONNECT has no meaning (RFC 9110 9.3.6): is it the tunnel's first octets or not?
        if (body.chunked || body.length.value_or(0) != 0) return malformed("CONNECT with a body");
    } else if (body.chunked) {
        out.body.kind = Framing::Kind::chunked;
    } else if (body.length) {
        out.body = {Framing::Kind::length, *body.length};
    }

    if (out.version == Version::http_1_0) return {};
    out.keep_alive = !out.connection.close;
    out.fields.for_each(KnownField::expect, [&out](std::string_view value) {
        for_each_list_element(value, [&out](std::string_view expectation) {
            if (equals_ignoring_case(expectation, "100-continue")) out.expects_continue = true;
            else out.unknown_expectation = true;
        });
    });
    out.upgrade_websocket = out.method == "GET" && out.connection.upgrade && out.body.kind == Framing::Kind::none &&
                            detail::list_has(out.fields, KnownField::upgrade, "websocket");
    return {};
}

}  // namespace sluice::http1
