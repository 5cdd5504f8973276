// SPDX-License-Identifier: Apache-2.0
// One transaction as its session knows it at the end: views and numbers, filled on the stack and serialised at once. Nothing is owned;
// every view must live until `Lane::write` or `write_json` returns. A text that is empty and a number that is 0 is "not known" and is
// left out of the line, unless a member says otherwise. Passwords, cookies and credentials have no member here, on purpose.
#pragma once

#include "base/id.h"
#include "base/ip.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace sluice::audit {

// event.action: how the transaction ended.
enum class Action : std::uint8_t {
    allowed,
    blocked,
    reset,
    quarantined,
    redirected,
    limited,
    tunnelled,
    failed,  // let through by the policy, but it could not be done: see error_type
    aborted,  // a peer left before the end
    refused,  // no rule's doing: malformed, a client from elsewhere, a bound reached
};
inline constexpr std::size_t action_count = 10;
std::string_view to_string(Action action);

// What lasts longer than a minute writes `start` then, and `end` when it is over; everything else writes one `whole`.
enum class Stage : std::uint8_t { whole, start, end };

// A part of a mail message that has a name, or is no text; or any in which something was found.
struct Attachment {
    std::string_view name;
    std::string_view extension;
    std::string_view mime_type;  // sniffed
    std::uint64_t size = 0;
    std::string_view sha256;
    std::string_view verdict;
    std::string_view threat;
    std::string_view engine;
    std::string_view reason;
};

// A mail message, or a session of SMTP that was refused.
struct MailEvent {
    std::string_view helo;
    std::optional<std::string_view> mail_from;  // empty: the null path; none: no MAIL was said
    std::span<const std::string_view> recipients;  // that were taken
    std::uint16_t reply = 0;  // the last that the client got
    std::span<const std::string_view> from;  // of the header
    std::span<const std::string_view> to;
    std::string_view subject;
    std::string_view message_id;
    std::span<const std::string_view> ambiguities;
    std::span<const Attachment> attachments;
};

struct Event {
    EventId id{};
    std::int64_t start_ns = 0;  // Unix time
    std::int64_t end_ns = 0;  // Unix time of writing: also `@timestamp`. In a `start` event: now
    Stage stage = Stage::whole;
    Action action = Action::failed;
    std::string_view reason;  // event.reason: the rule's, or what went wrong; never text with a credential
    std::string_view rule_name;
    std::span<const std::string_view> shadow_rules;
    std::span<const std::string_view> tags;
    std::string_view error_type;  // RFC 9209's token

    std::string_view protocol = "http";  // network.protocol
    std::string_view listener;
    IpPort client;  // always written
    std::string_view client_country;  // ISO 3166-1 alpha-2
    std::uint64_t client_bytes = 0;  // that came from the client, heads too; always written
    std::string_view server_address;  // what was asked for: a name or an address
    std::optional<IpPort> server;  // what was dialled
    std::string_view server_country;  // written with `server`
    std::uint64_t server_bytes = 0;  // that came from the server, heads too; written with `server`
    std::string_view user_name;

    std::string_view
        // Empty: composed of the parts below, if there are a scheme and a domain. Written without userinfo and fragment, redacted
        url_full;
    std::string_view url_scheme;
    std::string_view domain;  // an IPv6 address without brackets
    std::string_view registered_domain;
    std::uint16_t url_port = 0;
    std::string_view path;
    std::string_view query;  // without "?"; written redacted
    std::string_view extension;

    std::string_view method;  // empty: no request was read, so nothing of HTTP is written
    std::string_view referrer;  // as it came; written without userinfo and fragment, redacted
    std::string_view user_agent;
    std::string_view http_version;  // of the client's request: "1.1"
    std::string_view request_content_type;
    std::string_view response_content_type;
    std::uint16_t status = 0;  // as the client got it
    std::uint64_t request_body_bytes = 0;  // always written with a method, as is the next
    std::uint64_t response_body_bytes = 0;

    std::string_view ftp_command;  // written with what follows for FTP alone
    std::string_view ftp_argument;  // never a password
    std::uint16_t ftp_reply = 0;  // the last that the client got

    const MailEvent* mail = nullptr;  // of SMTP alone

    std::string_view tls_server_name;  // of the ClientHello
    std::string_view tls_ja4;
    bool tls_ech = false;  // the ClientHello has an encrypted part: tls_server_name is the outer one
    std::string_view tls_version;  // with the client, where it is decrypted, as the next two
    std::string_view tls_cipher;
    std::optional<bool> tls_resumed;
    std::string_view tls_client_issuer;  // of the client's certificate
    std::string_view tls_server_issuer;  // of the server's
    std::optional<bool> tls_server_verified;

    std::string_view file_name;  // of the payload that `scan_verdict` is about
    std::string_view file_extension;
    std::string_view file_mime_type;  // sniffed
    std::uint64_t file_size = 0;
    std::string_view sha256;  // 64 hexadecimal digits
    std::string_view scan_verdict;
    std::string_view scan_threat;
    std::string_view scan_engine;
    std::string_view scan_reason;
    std::span<const std::string_view> scan_match;
    bool scan_partial = false;  // a trickle of it went on before the verdict

    std::int64_t policy_ns = 0;  // where the time went
    std::int64_t upstream_ns = 0;
    std::int64_t scan_ns = 0;
};

}  // namespace sluice::audit
