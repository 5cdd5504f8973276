// SPDX-License-Identifier: Apache-2.0
// XCLIENT and XFORWARD, Postfix's extensions by which a trusted peer says who its client is, and we say so to the upstream.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"
#include "base/result.h"

namespace sluice::smtp {

// Empty: not said, or "[UNAVAILABLE]".
struct ClientAttributes {
    std::string name;
    std::optional<IpAddress> address;
    std::uint16_t port = 0;
    std::string helo;
    std::string protocol;  // upper case: "SMTP", "ESMTP"; XFORWARD may have others
    std::string login;
};

// `argument`: "NAME=… ADDR=…", values in xtext. What is said goes to `out`, the rest of it stays. Errors, the client's: malformed; `out` stays as it was.
Result<void> parse_attributes(std::string_view argument, ClientAttributes& out);

// Of `client` the attributes that the server takes (`names`, upper case), in lines of at most 512 octets, each with its verb; none where nothing
// is left to say. A value that is too long is said to be unavailable: half of a name is another name.
std::vector<std::string> encode_attributes(std::string_view verb, const ClientAttributes& client, const std::vector<std::string>& names);

}  // namespace sluice::smtp
