// SPDX-License-Identifier: Apache-2.0
// Field names that a proxy acts on or asks for often, as numbers: recognised once, while parsing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice::http1 {

enum class KnownField : std::uint8_t {
    none,                                // any other name
    // framing, routing and what belongs to one connection
    connection,
    content_length,
    expect,
    forwarded,
    host,
    keep_alive,
    max_forwards,
    proxy_authenticate,
    proxy_authentication_info,
    proxy_authorization,
    proxy_connection,
    proxy_status,
    te,
    trailer,
    transfer_encoding,
    upgrade,
    via,
    x_forwarded_for,
    x_forwarded_host,
    x_forwarded_proto,
    // what rules and the log ask for
    accept,
    accept_encoding,
    accept_language,
    accept_ranges,
    authorization,
    cache_control,
    content_disposition,
    content_encoding,
    content_range,
    content_type,
    cookie,
    date,
    etag,
    if_modified_since,
    if_none_match,
    if_range,
    last_modified,
    location,
    origin,
    pragma,
    range,
    referer,
    retry_after,
    sec_websocket_accept,
    sec_websocket_key,
    sec_websocket_version,
    server,
    set_cookie,
    user_agent,
    vary,
    www_authenticate,
    count_                               // how many there are
};

// Case-insensitive; `none` for names that are not in the list.
KnownField known_field(std::string_view name);
// As the RFCs write it ("Content-Length"); empty for `none`.
std::string_view field_name(KnownField field);

// Meant for one connection only, never forwarded (RFC 9110 7.6.1): Connection, Keep-Alive, Proxy-Connection, TE, Trailer, Transfer-Encoding, Upgrade,
// and the proxy's own Proxy-Authorization, Proxy-Authenticate and Proxy-Authentication-Info. Names that Connection lists come on top: `ConnectionOptions`.
bool is_hop_by_hop(KnownField field);
bool is_hop_by_hop(std::string_view name);

// Whether a trailer field of this name may be forwarded (RFC 9110 6.5.1): not what frames, routes, authenticates or describes the
// message, for which it would come too late.
bool may_be_trailer(std::string_view name);

}  // namespace sluice::http1
