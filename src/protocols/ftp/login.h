// SPDX-License-Identifier: Apache-2.0
// Who wants to go where: the arguments of USER and PASS of a client that knows it talks to a proxy.
#pragma once

#include "base/result.h"
#include "base/url.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::ftp {

struct Login {
    std::string user;                                    // for the server, byte for byte; not empty
    std::optional<std::string> proxy_user;               // of a proxy that asks for one; not empty
    Authority server;                                    // host in its canonical form (lower case, ASCII, no final dot), or an address
    std::uint16_t port = 21;
};

// "user@host[:port]", "user@[v6]:port": split at the last `@`, for users may be mail addresses; with `asks_for_proxy_user` "user@proxyuser@host",
// what stands before the host split again at its last `@` (none: proxy_user is not known). Errors, Side::client: malformed; `what` is
// `no_server` where there is no `@`.
inline constexpr std::string_view no_server = "no server: say USER user@host";
Result<Login> parse_login(std::string_view argument, bool asks_for_proxy_user);

// "pass@proxypass", split at the last `@`; nullopt: there is none.
struct Passwords {
    std::string server;
    std::string proxy;
};
std::optional<Passwords> split_password(std::string_view argument);

}  // namespace sluice::ftp
