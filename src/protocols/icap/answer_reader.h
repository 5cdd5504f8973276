// SPDX-License-Identifier: Apache-2.0
// One answer of an ICAP server, piece by piece: its head, the heads of HTTP that it encapsulates, and the body's octets out of their chunks
// (RFC 3507 4.4). What is kept at a time is bounded: a head, and the encapsulated heads. Where the octets are cut makes no difference.
//
//   100, 204, errors    head, end
//   200                 head, heads, data…, end; without an Encapsulated field head, end
#pragma once

#include "protocols/http1/chunked.h"
#include "protocols/icap/icap.h"

namespace sluice::icap {

class AnswerReader {
public:
    struct Piece {
        enum class Kind : std::uint8_t { need_more, head, heads, data, end };
        Kind kind = Kind::need_more;
        std::string_view data;  // of `heads` all of them, which may be none; of `data` some octets; until the next call, and `in` lives
    };

    explicit AnswerReader(const Limits& limits) : limits_(limits), body_(limits, Side::self) {}

    // Takes octets from the front of `in`, up to the next piece or all of them (need_more). Behind `end` they belong to the next answer. An error
    // (malformed, too_large) is final.
    Result<Piece> next(std::string_view& in);
    // From `head` on.
    const Response& response() const { return response_; }
    // For the next answer.
    void reset();

private:
    enum class State : std::uint8_t { head, heads, body, end };

    Result<Piece> read_head(std::string_view& in);
    Piece read_heads(std::string_view& in);

    Limits limits_;
    State state_ = State::head;
    std::string kept_;  // what has come of a head, or of the heads
    Response response_;
    http1::ChunkedDecoder body_;
};

}  // namespace sluice::icap
