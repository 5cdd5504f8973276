// SPDX-License-Identifier: Apache-2.0
#include "policy/field.h"

#include <algorithm>

namespace sluice::policy {
namespace {

using enum Moment;
using Known = std::array<Moment, protocol_count>;

constexpr Known everywhere(Moment moment) { return {moment, moment, moment}; }
constexpr Known http(Moment moment) { return {moment, never, never}; }
constexpr Known ftp(Moment moment) { return {never, moment, never}; }
constexpr Known smtp(Moment moment) { return {never, never, moment}; }
constexpr Known http_ftp(Moment http_moment, Moment ftp_moment) { return {http_moment, ftp_moment, never}; }

constexpr Direction up = Direction::upload;
constexpr Direction down = Direction::download;

// {field, name, type, known, many, lower_case, in_connect, direction}
constexpr std::array<FieldInfo, field_count> table{{
    {Field::client_ip, "client.ip", Type::ip, everywhere(accept)},
    {Field::client_port, "client.port", Type::integer, everywhere(accept)},
    {Field::client_bytes, "client.bytes", Type::size, everywhere(verdict)},
    {Field::client_country, "client.geo.country_iso_code", Type::string, everywhere(accept)},
    {Field::server_address, "server.address", Type::string, {named, named, dial}, false, true},
    {Field::server_ip, "server.ip", Type::ip, everywhere(dial)},
    {Field::server_port, "server.port", Type::integer, {named, named, dial}},
    {Field::server_bytes, "server.bytes", Type::size, everywhere(verdict)},
    {Field::server_country, "server.geo.country_iso_code", Type::string, everywhere(dial)},
    {Field::user_name, "user.name", Type::string, {request, named, request}},
    {Field::network_protocol, "network.protocol", Type::string, everywhere(accept), false, true},
    {Field::network_transport, "network.transport", Type::string, everywhere(accept), false, true},
    {Field::listener, "listener", Type::string, everywhere(accept)},
    {Field::url_full, "url.full", Type::string, http_ftp(request, request), false, false, false},
    {Field::url_scheme, "url.scheme", Type::string, http_ftp(request, request), false, true, false},
    {Field::url_domain, "url.domain", Type::string, http_ftp(named, named), false, true},
    {Field::url_registered_domain, "url.registered_domain", Type::string, http_ftp(named, named), false, true},
    {Field::url_port, "url.port", Type::integer, http_ftp(named, named)},
    {Field::url_path, "url.path", Type::string, http_ftp(request, request), false, false, false},
    {Field::url_query, "url.query", Type::string, http(request), false, false, false},
    {Field::url_extension, "url.extension", Type::string, http_ftp(request, request), false, true, false},
    {Field::request_method, "http.request.method", Type::string, http(request)},
    {Field::request_referrer, "http.request.referrer", Type::string, http(request)},
    {Field::request_body_bytes, "http.request.body.bytes", Type::size, http(verdict), false, false, false, up},
    {Field::request_content_type, "http.request.content_type", Type::string, http(request), false, true, false, up},
    {Field::request_content_length, "http.request.content_length", Type::size, http(request), false, false, false, up},
    {Field::request_header, "http.request.headers", Type::string, http(request), true},
    {Field::response_status_code, "http.response.status_code", Type::integer, http(response), false, false, true, down},
    {Field::response_body_bytes, "http.response.body.bytes", Type::size, http(verdict), false, false, false, down},
    {Field::response_content_type, "http.response.content_type", Type::string, http(response), false, true, false, down},
    {Field::response_content_length, "http.response.content_length", Type::size, http(response), false, false, false, down},
    {Field::response_header, "http.response.headers", Type::string, http(response), true, false, false, down},
    {Field::http_version, "http.version", Type::string, http(request)},
    {Field::user_agent, "user_agent.original", Type::string, http(request)},
    {Field::tls_server_name, "tls.client.server_name", Type::string, everywhere(tls), false, true},
    {Field::tls_version, "tls.version", Type::string, everywhere(request)},
    {Field::tls_cipher, "tls.cipher", Type::string, everywhere(request)},
    {Field::tls_client_issuer, "tls.client.issuer", Type::string, everywhere(request)},
    {Field::tls_server_issuer, "tls.server.issuer", Type::string, {request, response, request}},
    {Field::tls_resumed, "tls.resumed", Type::boolean, everywhere(request)},
    {Field::tls_client_ja4, "tls.client.ja4", Type::string, everywhere(tls)},
    {Field::tls_server_verified, "tls.server.verified", Type::boolean, {request, response, request}},
    {Field::file_name, "file.name", Type::string, everywhere(payload)},
    {Field::file_extension, "file.extension", Type::string, everywhere(payload), false, true},
    {Field::file_mime_type, "file.mime_type", Type::string, everywhere(payload), false, true},
    {Field::file_size, "file.size", Type::size, {payload, payload, verdict}},
    {Field::file_sha256, "file.hash.sha256", Type::string, everywhere(verdict), false, true},
    {Field::email_from, "email.from.address", Type::string, smtp(payload), true, true},
    {Field::email_to, "email.to.address", Type::string, smtp(payload), true, true},
    {Field::email_subject, "email.subject", Type::string, smtp(payload)},
    {Field::email_message_id, "email.message_id", Type::string, smtp(payload)},
    {Field::email_ambiguous, "email.ambiguous", Type::boolean, smtp(payload)},
    {Field::email_ambiguities, "email.ambiguities", Type::string, smtp(payload), true},
    {Field::ftp_command, "ftp.command", Type::string, ftp(request)},
    {Field::ftp_argument, "ftp.argument", Type::string, ftp(request)},
    {Field::ftp_reply, "ftp.reply", Type::integer, ftp(response)},
    {Field::smtp_helo, "smtp.helo", Type::string, smtp(named)},
    {Field::smtp_mail_from, "smtp.mail_from", Type::string, smtp(request), false, true},
    {Field::smtp_rcpt_to, "smtp.rcpt_to", Type::string, smtp(recipient), true, true},
    {Field::smtp_reply, "smtp.reply", Type::integer, smtp(response)},
    {Field::payload_direction, "payload.direction", Type::string, everywhere(payload), false, true},
    {Field::scan_verdict, "scan.verdict", Type::string, everywhere(verdict), false, true},
    {Field::scan_threat, "scan.threat", Type::string, everywhere(verdict), true},
    {Field::scan_engine, "scan.engine", Type::string, everywhere(verdict), true},
    {Field::scan_reason, "scan.reason", Type::string, everywhere(verdict), true, true},
    {Field::scan_match, "scan.match", Type::string, everywhere(verdict), true},
    {Field::body, "body", Type::string, everywhere(verdict)},
    {Field::tags, "tags", Type::string, everywhere(accept), true},
    {Field::time_hour, "time.hour", Type::time_of_day, everywhere(accept)},
    {Field::time_weekday, "time.weekday", Type::weekday, everywhere(accept)},
    {Field::timing_policy, "timing.policy", Type::duration, everywhere(response)},
    {Field::timing_upstream, "timing.upstream", Type::duration, everywhere(response)},
    {Field::timing_scan, "timing.scan", Type::duration, everywhere(verdict)},
}};

constexpr bool in_order() {
    for (std::size_t i = 0; i < table.size(); ++i)
        if (static_cast<std::size_t>(table[i].field) != i) return false;
    return true;
}
static_assert(in_order(), "a field's row stands at the field's number");

constexpr std::array<std::string_view, phase_count> phase_names{"connect", "tls", "request", "dial", "response", "payload", "verdict"};

}  // namespace

Phase phase_of(Moment moment) {
    switch (moment) {
        case accept:
        case named: return Phase::connect;
        case tls: return Phase::tls;
        case request:
        case recipient: return Phase::request;
        case dial: return Phase::dial;
        case response: return Phase::response;
        case payload: return Phase::payload;
        case verdict:
        case never: return Phase::verdict;
    }
    return Phase::verdict;
}

Moment moment_of(Phase phase) {
    switch (phase) {
        case Phase::connect: return named;
        case Phase::tls: return tls;
        case Phase::request: return request;
        case Phase::dial: return dial;
        case Phase::response: return response;
        case Phase::payload: return payload;
        case Phase::verdict: return verdict;
    }
    return never;
}

bool comes_before(Protocol protocol, Moment a, Moment b) {
    const auto order = [&](Moment moment) {
        if (protocol != Protocol::http && moment == dial) return static_cast<int>(request) * 2 - 1;
        return static_cast<int>(moment) * 2;
    };
    return order(a) < order(b);
}

std::span<const FieldInfo> fields() { return table; }

const FieldInfo& info(Field field) { return table[static_cast<std::size_t>(field)]; }

std::optional<Field> find_field(std::string_view name) {
    const auto found = std::ranges::find(table, name, &FieldInfo::name);
    if (found == table.end()) return std::nullopt;
    return found->field;
}

bool is_log_only(std::string_view name) {
    return name.starts_with("event.") || name.starts_with("email.attachments") || name == "rule.name" || name == "rule.shadow" ||
           name == "error.type" || name == "ecs.version";
}

std::string_view to_string(Phase phase) { return phase_names[static_cast<std::size_t>(phase)]; }

std::string_view to_string(Protocol protocol) {
    constexpr std::array<std::string_view, protocol_count> names{"http", "ftp", "smtp"};
    return names[static_cast<std::size_t>(protocol)];
}

std::string_view to_string(Type type) {
    switch (type) {
        case Type::string: return "a string";
        case Type::integer: return "an integer";
        case Type::boolean: return "a boolean";
        case Type::ip: return "an IP address";
        case Type::size: return "a size";
        case Type::duration: return "a duration";
        case Type::time_of_day: return "a time of day";
        case Type::weekday: return "a day of the week";
    }
    return "";
}

std::optional<Phase> find_phase(std::string_view name) {
    const auto found = std::ranges::find(phase_names, name);
    if (found == phase_names.end()) return std::nullopt;
    return static_cast<Phase>(found - phase_names.begin());
}

}  // namespace sluice::policy
