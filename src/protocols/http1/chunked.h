// SPDX-License-Identifier: Apache-2.0
// The chunked transfer coding, decoded (RFC 9112 7.1). Strict: hexadecimal digits, extensions of the right shape (ignored), exact CRLFs, and
// bounds on every line.
#pragma once

#include "base/limits.h"
#include "base/result.h"
#include "protocols/http1/fields.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::http1 {

class ChunkedDecoder {
public:
    struct Piece {
        enum class Kind : std::uint8_t { need_more, data, end };
        Kind kind = Kind::need_more;
        std::string_view data;  // a view into `in`, not empty, for Kind::data
    };

    // `side`: whose body it is, for errors.
    ChunkedDecoder(const Limits& limits, Side side);

    // Takes octets from the front of `in`: up to the next piece of data, to the end of the body, or all of them (need_more: none of them
    // need be shown again). After `end`, what is left in `in` belongs to the next message. An error is final.
    Result<Piece> next(std::string_view& in);

    // The trailer section, complete after `end`: views into this object. Ask may_be_trailer() before sending one on.
    const Fields& trailers() const { return trailers_; }

    bool ended() const { return state_ == State::ended; }
    // For the next body; keeps its room.
    void reset();

private:
    enum class State : std::uint8_t {
        size_first,
        size,
        extension_space,
        extension_name_first,
        extension_name,
        extension_name_space,
        extension_value_first,
        extension_value,
        quoted,
        quoted_pair,
        extension_end,
        size_lf,
        data,
        data_cr,
        data_lf,
        trailer,
        trailer_lf,
        ended,
    };

    Result<void> size_line_octet(char c);
    Result<void> trailer_octet(char c);
    Result<void> finish_trailers();

    std::size_t line_limit_;
    std::size_t trailer_limit_;
    std::size_t field_limit_;
    Side side_;
    State state_ = State::size_first;
    std::uint64_t remaining_ = 0;  // of the chunk
    std::size_t line_octets_ = 0;
    std::string trailer_octets_;
    std::size_t trailer_line_ = 0;  // where the current line starts in them
    Fields trailers_;
};

}  // namespace sluice::http1
