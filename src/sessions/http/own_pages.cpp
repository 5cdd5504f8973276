// SPDX-License-Identifier: Apache-2.0
#include "sessions/http/own_pages.h"

#include <fmt/format.h>

#include "base/url.h"

namespace sluice::http {

std::string proxy_auto_config(const IpPort& listener, std::string_view host) {
    std::string proxy = listener.to_string();
    if (const auto authority = parse_authority(host, false); authority && authority->port != 0) {
        proxy.clear();
        authority->append_to(proxy, authority->port);    // canonical: nothing of it can end the string it stands in
    }
    return fmt::format(R"js(function FindProxyForURL(url, host) {{
  if (isPlainHostName(host) || host === "localhost" || host === "127.0.0.1" || host === "[::1]" || host === "::1") return "DIRECT";
  return "PROXY {}";
}}
)js",
                       proxy);
}

}  // namespace sluice::http
