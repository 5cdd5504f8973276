// SPDX-License-Identifier: Apache-2.0
// The vocabulary: every name that a rule may read, its type, and when it is known. The same names are used in the log.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace sluice::policy {

enum class Phase : std::uint8_t { connect, tls, request, dial, response, payload, verdict };
enum class Protocol : std::uint8_t { http, ftp, smtp };
inline constexpr std::size_t phase_count = 7;
inline constexpr std::size_t protocol_count = 3;

// string: bytes. integer, size (bytes), duration (ns), time_of_day (minutes since midnight), weekday (1 Monday … 7 Sunday): std::int64_t.
enum class Type : std::uint8_t { string, integer, boolean, ip, size, duration, time_of_day, weekday };

enum class Field : std::uint8_t {
    client_ip,
    client_port,
    client_bytes,
    client_country,
    server_address,
    server_ip,
    server_port,
    server_bytes,
    server_country,
    user_name,
    network_protocol,
    network_transport,
    listener,
    url_full,
    url_scheme,
    url_domain,
    url_registered_domain,
    url_port,
    url_path,
    url_query,
    url_extension,
    request_method,
    request_referrer,
    request_body_bytes,
    request_content_type,
    request_content_length,
    request_header,
    response_status_code,
    response_body_bytes,
    response_content_type,
    response_content_length,
    response_header,
    http_version,
    user_agent,
    tls_server_name,
    tls_version,
    tls_cipher,
    tls_client_issuer,
    tls_server_issuer,
    tls_resumed,
    tls_client_ja4,
    tls_server_verified,
    file_name,
    file_extension,
    file_mime_type,
    file_size,
    file_sha256,
    email_from,
    email_to,
    email_subject,
    email_message_id,
    email_ambiguous,
    email_ambiguities,
    ftp_command,
    ftp_argument,
    ftp_reply,
    smtp_helo,
    smtp_mail_from,
    smtp_rcpt_to,
    smtp_reply,
    payload_direction,
    scan_verdict,
    scan_threat,
    scan_engine,
    scan_reason,
    scan_match,
    body,
    tags,
    time_hour,
    time_weekday,
    timing_policy,
    timing_upstream,
    timing_scan,
};
inline constexpr std::size_t field_count = static_cast<std::size_t>(Field::timing_scan) + 1;

// When a value is known, finer than a phase. `connect` occurs twice. `accept`: a client is there. `named`: who it wants is known too – the
// name and port of a CONNECT, the server and user of FTP's USER, SMTP's HELO. A plain HTTP request is named by its head: what is known at
// `named` is known to it in phase `request`. SMTP's `request` occurs for the sender, and as `recipient` for each recipient.
enum class Moment : std::uint8_t { accept, named, tls, request, recipient, dial, response, payload, verdict, never };
Phase phase_of(Moment moment);                           // not for `never`
Moment moment_of(Phase phase);  // `named` of connect, `request` of request: what a rule waits for that is moved there
// Whether, in the walk of `protocol`, `a` comes before `b` (FTP dials at USER, before there is a command; SMTP before `request` too).
bool comes_before(Protocol protocol, Moment a, Moment b);

// Payloads go two ways: a field that only one of them has pins a rule of phase `payload` or `verdict` to that one.
enum class Direction : std::uint8_t { either, upload, download };

struct FieldInfo {
    Field field;
    std::string_view name;  // "client.ip"; for headers without the bracket: "http.request.headers"
    Type type;
    std::array<Moment, protocol_count> known;  // by Protocol; `never`: the protocol does not have it
    bool many = false;  // may have several values
    bool lower_case = false;  // values are always lower case: literals are made so
    bool in_connect = true;  // may be known for a CONNECT, which has no path
    Direction direction = Direction::either;

    Moment known_in(Protocol protocol) const { return known[static_cast<std::size_t>(protocol)]; }
};

std::span<const FieldInfo> fields();  // in the order of Field
const FieldInfo& info(Field field);
std::optional<Field> find_field(std::string_view name);
// The name in the log of something that no rule can read ("event.action"); so that its use gets a better message than "unknown".
bool is_log_only(std::string_view name);

std::string_view to_string(Phase phase);
std::string_view to_string(Protocol protocol);
std::string_view to_string(Type type);
std::optional<Phase> find_phase(std::string_view name);

}  // namespace sluice::policy
