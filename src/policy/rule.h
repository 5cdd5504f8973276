// SPDX-License-Identifier: Apache-2.0
// A rule as it was compiled, without its condition: what it does, and when it is judged.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostic.h"
#include "policy/field.h"
#include "policy/inspect_options.h"

namespace sluice::policy {

class UserFile;

enum class Action : std::uint8_t {
    none,                                                // no rule decided
    allow,
    block,
    reset,
    trust,
    redirect,
    authenticate,
    limit,
    tag,
    set_request_header,
    remove_request_header,
    set_response_header,
    remove_response_header,   // these do not decide
    quarantine,
    intercept,            // TLS: decrypt it
    tunnel,               // or leave it as it is; these two decide for a CONNECT alone
    inspect,              // does not decide
};
std::string_view to_string(Action action);
std::optional<Action> find_action(std::string_view name);

bool is_edit(Action action);  // of a message's header

// What to do to a message's header. A set replaces every field line of that name; a remove has no value.
struct HeaderEdit {
    std::string name;
    std::string value;
};

// A token bucket: `burst` at once, then `rate` each `period_ns`, for each combination of values of `per`.
struct RateLimit {
    std::int64_t rate = 0;
    std::int64_t period_ns = 0;
    std::int64_t burst = 0;
    struct Key {
        Field field;
        std::string header;                              // the lower-case name, where the field is a header
    };
    std::vector<Key> per;                                // empty: one bucket for all. A missing value counts as a value
    std::uint64_t identity = 0;                          // of the rule over reloads: its name, rate, burst and per
};

struct Rule {
    std::string name;
    Action action = Action::block;
    bool shadow = false;                                 // only recorded
    // The phase for each protocol; nullopt: the rule reads a field that the protocol never has, and does not apply to it.
    std::array<std::optional<Phase>, protocol_count> phases{};
    // HTTP only: reads nothing later than the name and port of a CONNECT. Then a CONNECT is judged by it in `connect` (when it comes, not
    // at accept), and any other request in `request`, which is what `phases` says.
    bool connect_judges_connect = false;
    // SMTP only: reads who a message is for, itself or in tags. Then `request` judges by it each recipient, and not the sender.
    bool judges_recipients = false;
    Direction direction = Direction::either;  // of `payload` and `verdict`

    int status = 403;  // block, quarantine
    std::string reason;  // in the refusal and the log
    std::string redirect_to;
    std::string realm;  // authenticate
    std::shared_ptr<const UserFile> users;
    HeaderEdit edit;
    RateLimit limit;
    InspectOptions inspect;
    bool accept = false;  // quarantine, SMTP: the sender is told that the mail was taken
    std::vector<std::string> tags;
    bool tags_as_header = false;  // SMTP: X-Sluice-Tags

    std::string when;  // as it was written
    Place place;
    bool reads_verification = false;  // tls.server.verified: an `allow` of it lifts the check of servers' certificates
    bool reads_scan = false;  // an `allow` of it lifts `malware` and `unscanned`

    std::optional<Phase> phase(Protocol protocol) const { return phases[static_cast<std::size_t>(protocol)]; }
};

// Whether it may edit the header of that protocol's messages, or add its tags to it. Not in shadow mode.
bool may_add_header(const Rule& rule, Protocol protocol);

// "request", "connect (CONNECT), request", "request (each recipient)", or where protocols differ "http request, ftp connect".
std::string describe_phases(const Rule& rule);
// "http, ftp"; "none".
std::string describe_protocols(const Rule& rule);

}  // namespace sluice::policy
