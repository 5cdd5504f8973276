// SPDX-License-Identifier: Apache-2.0
// An answer of the proxy's own: why a request does not go on, in the words of HTTP, of RFC 9209 (Proxy-Status) and of a person. A value: a stage
// returns it, and the session does nothing else with that request but to send it.
#pragma once

#include <cstdint>
#include <string_view>

#include "audit/event.h"
#include "base/result.h"
#include "sessions/transaction/judgement.h"

namespace sluice::http {

struct [[nodiscard]] Refusal {
    audit::Action action = audit::Action::refused;
    int status = 500;  // 0: the connection is reset, nothing is answered
    std::string_view error = "proxy_internal_error";  // RFC 9209 2.3
    std::string_view what;  // one sentence for a person; a literal
    std::string_view reason;  // the rule's own words, or the fault in detail; lives as long as the generation
    std::string_view rule;  // name
    std::string_view location;  // of a redirect
    std::string_view realm;  // of a 407
    std::int64_t retry_after = 0;  // seconds; 0: not said
    bool close = false;  // what follows on this connection cannot be trusted
};

// Where a request was when an error happened: the same error means different things before and after a server was reached.
enum class Stage : std::uint8_t { reading_head, reading_body, resolving, dialling, sending, awaiting_response, relaying };

Refusal refusal_of(const sessions::Denial& denial, std::string_view method);
Refusal refusal_of(const Error& error, Stage stage);
Refusal refused(int status, std::string_view error, std::string_view what);

}  // namespace sluice::http
