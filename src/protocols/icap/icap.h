// SPDX-License-Identifier: Apache-2.0
// ICAP (RFC 3507), as a client that asks for a verdict: heads written, and answers' heads read. No I/O. A head of ICAP has HTTP's form but for the
// version in its first line (4.3.1), and is read by the same strict parser; bodies are chunked, and http1::ChunkedDecoder reads them.
//
//   request   head, encapsulated heads of HTTP, then the body in chunks; with a preview its first octets, and then "0; ieof" or a wait
//   response  100: send the rest. 204: as it was. 200: a message of HTTP instead, or the options
#pragma once

#include "base/limits.h"
#include "base/result.h"
#include "protocols/http1/head_parser.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::icap {

inline constexpr std::uint16_t default_port = 1344;

// Where the service is: "icap://host[:port]/path".
struct Service {
    std::string url;  // printable
    std::string authority;  // for Host
};

// What a payload came in.
struct Message {
    bool is_request = false;  // an upload (REQMOD); else a response to the request (RESPMOD)
    std::string method = "GET";
    std::string url = "http://localhost/";  // absolute, without user information; octets that a head cannot have are left out
    std::string authority = "localhost";
    std::string content_type;  // may be empty
    std::uint64_t content_length = 0;  // octets of the body
};

std::string options_request(const Service& service);
// The head and what it encapsulates, up to the body. `preview`: so many octets of the body come first; nullopt: no preview is offered. `allows_204`:
// nothing need come back, though all of the body was sent.
std::string modification_request(const Service& service, const Message& message, std::optional<std::uint64_t> preview, bool allows_204);

inline constexpr std::string_view last_chunk = "0\r\n\r\n";
inline constexpr std::string_view end_of_preview = "0\r\n\r\n";  // more is there
inline constexpr std::string_view end_in_preview = "0; ieof\r\n\r\n";  // that was all

// What an OPTIONS response says (4.10.2). Of a field that makes no sense the default.
struct Options {
    bool has_reqmod = false;
    bool has_respmod = false;
    bool allows_204 = false;
    std::optional<std::uint64_t> preview;  // octets that the service wants to see first
    std::optional<std::uint32_t> max_connections;
    std::optional<std::uint32_t> ttl_seconds;
    std::string istag;  // of the service's state: another one, other verdicts
    std::vector<std::string> complete;  // file extensions, in small letters, that it wants whole, without a preview; "*": all
};
// Of Transfer-Preview, -Ignore and -Complete the last alone says to show more: peers choose names, and what one of them calls a file spares it nothing.
bool is_wanted_whole(const Options& options, const Message& message);

// Where the parts of a response's body stand (4.4.1). Offsets, in octets behind the head.
struct Encapsulated {
    std::optional<std::size_t> request_head;
    std::optional<std::size_t> response_head;
    bool has_body = false;  // chunked, behind the heads
    std::size_t body = 0;  // where it begins, or would
    bool operator==(const Encapsulated&) const = default;
};
// malformed: not a list of entities in their order, the first at 0, a body's or null-body's last.
Result<Encapsulated> parse_encapsulated(std::string_view value, const Limits& limits);

struct Response {
    int status = 0;
    bool keeps_connection = false;  // another request may follow
    std::optional<Encapsulated> parts;  // nullopt: it does not say what it encapsulates
    Options options;  // of a 200 to OPTIONS; an istag of any answer
    std::string infection;  // what an extension field says was found: a name, or "infected"; empty: nothing is said
    bool is_followed() const { return parts && (parts->body > 0 || parts->has_body); }  // by what it encapsulates
};

// Whether the message that came back begins as the one that was asked about: a request for the same, or a response of status 200. `heads`: what is
// encapsulated before the body.
bool begins_alike(const Message& message, const Encapsulated& parts, std::string_view heads);

// An answer's head, from the front of `buffer`, which holds more each time it is asked. nullopt: it is not all there. `consumed`: its octets. malformed,
// too_large: final.
Result<std::optional<Response>> parse_response(std::string_view buffer, const Limits& limits, std::size_t& consumed);

}  // namespace sluice::icap
