// SPDX-License-Identifier: Apache-2.0
// A request's and a response's head as the parsers leave them: what the message says, and what follows from it for its body and its
// connection. All views point into the buffer that the parser was given, and live as long as those octets stay where they are.
// Make one of each a connection and parse into it again and again: nothing is allocated once it has its size.
#pragma once

#include "protocols/http1/fields.h"
#include "protocols/http1/syntax.h"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace sluice::http1 {

// How a body ends (RFC 9112 6.3).
struct Framing {
    enum class Kind : std::uint8_t { none, length, chunked, until_close };
    Kind kind = Kind::none;
    std::uint64_t length = 0;            // for Kind::length; may be 0: "Content-Length: 0" was said
    friend bool operator==(const Framing&, const Framing&) = default;
};

// RFC 9112 3.2
enum class TargetForm : std::uint8_t {
    origin,                              // "/path?query"
    absolute,                            // "scheme:…", not judged further: see parse_url
    authority,                           // "host:port", of CONNECT alone
    asterisk,                            // "*", of OPTIONS alone
};

// What the Connection fields say (RFC 9110 7.6.1).
struct ConnectionOptions {
    void clear();

    bool close = false;
    bool keep_alive = false;
    bool upgrade = false;
    std::vector<std::string_view>
        names; // the other options, each naming a field that is not to be forwarded; at most Limits::header_fields

    // Whether a field of this name is for this connection alone because Connection says so. Host, Content-Length and Cache-Control never
    // are: taking those away would change what the message means.
    bool names_field(std::string_view name) const;
};

struct RequestHead {
    std::string_view method;  // a token, case as it came
    std::string_view target;  // valid octets: no control, space, DEL or fragment
    TargetForm form = TargetForm::origin;
    Version version = Version::http_1_1;  // what to speak: a higher minor version counts as 1.1 (RFC 9110 2.5)
    Fields fields;
    ConnectionOptions connection;
    Framing body;  // never until_close
    bool keep_alive = false;  // another request may follow on this connection: HTTP/1.1 without "close". Never in HTTP/1.0: a proxy
        // cannot know whether an older one in between understood keep-alive (RFC 9112 9.3 and C.2.2)
    bool expects_continue = false;  // Expect: 100-continue, in HTTP/1.1 alone
    bool unknown_expectation = false;  // Expect says something else: 417
    bool upgrade_websocket = false;  // GET, HTTP/1.1, Connection: upgrade, and Upgrade is "websocket" (or has it in its list)

    // Whether all()[index] is for this hop alone and must not be written to the next.
    bool is_for_this_hop(std::size_t index) const;
    void clear();
};

struct ResponseHead {
    int status = 0;  // 100 to 999; what is above 599 has no class, and counts as a 500 does (RFC 9110 15)
    std::string_view reason;  // may be empty
    Version version = Version::http_1_1;
    Fields fields;
    ConnectionOptions connection;
    Framing body;  // of this response to that request method; 1xx, 204, 304, HEAD and CONNECT's 2xx have none
    std::optional<std::uint64_t> content_length;  // as the field says, also where there is no body (HEAD, 304)
    bool keep_alive = false;  // another request may follow on this connection, once the body has ended
    bool upgrade_websocket = false;  // 101, Connection: upgrade, Upgrade: websocket

    bool is_interim() const { return status >= 100 && status < 200 && status != 101; }
    bool is_for_this_hop(std::size_t index) const;
    void clear();
};

}  // namespace sluice::http1
