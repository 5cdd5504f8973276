// SPDX-License-Identifier: Apache-2.0
// What a server says to EHLO (RFC 5321 4.1.1.1), as far as this gateway understands it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/smtp/reply.h"

namespace sluice::smtp {

struct Extensions {
    bool pipelining = false;  // RFC 2920
    bool starttls = false;  // RFC 3207
    bool chunking = false;  // RFC 3030
    bool binarymime = false;
    bool eightbitmime = false;  // RFC 6152
    bool smtputf8 = false;  // RFC 6531
    bool dsn = false;  // RFC 3461
    bool enhanced_status_codes = false;  // RFC 2034
    std::optional<std::uint64_t> size;  // RFC 1870; 0: no bound is said
    std::vector<std::string> auth;  // mechanisms, upper case, those with channel binding left out: the channel is not the client's own
    std::vector<std::string> xclient;  // attributes that it takes; empty: it has none
    std::vector<std::string> xforward;
};

// `reply`: a success. Keywords that are not understood are passed over, and so are mechanisms of AUTH that are none.
Extensions parse_extensions(const Reply& reply);

}  // namespace sluice::smtp
