// SPDX-License-Identifier: Apache-2.0
#include "protocols/ftp/login.h"

#include <utility>

namespace sluice::ftp {

namespace {

// What stands before the last `@`, and behind it.
std::optional<std::pair<std::string_view, std::string_view>> split_at_last(std::string_view text) {
    const std::size_t at = text.rfind('@');
    if (at == std::string_view::npos) return std::nullopt;
    return std::pair{text.substr(0, at), text.substr(at + 1)};
}

}  // namespace

Result<Login> parse_login(std::string_view argument, bool asks_for_proxy_user) {
    const auto parts = split_at_last(argument);
    if (!parts) return fail(Errc::malformed, Side::client, no_server);
    std::string_view user = parts->first;
    Login out;
    out.server = TRY(parse_authority(parts->second, false));
    if (out.server.port != 0) out.port = out.server.port;
    if (const auto users = asks_for_proxy_user ? split_at_last(user) : std::nullopt) {
        if (users->second.empty()) return fail(Errc::malformed, Side::client, "the proxy's user has no name");
        user = users->first;
        out.proxy_user = users->second;
    }
    if (user.empty()) return fail(Errc::malformed, Side::client, "the server's user has no name");
    out.user = user;
    return out;
}

std::optional<Passwords> split_password(std::string_view argument) {
    const auto parts = split_at_last(argument);
    if (!parts) return std::nullopt;
    return Passwords{.server = std::string(parts->first), .proxy = std::string(parts->second)};
}

}  // namespace sluice::ftp
