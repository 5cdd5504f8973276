// SPDX-License-Identifier: Apache-2.0
#include "protocols/http1/chunked.h"

#include "base/text.h"
#include "protocols/http1/field_line.h"
#include "protocols/http1/syntax.h"

#include <algorithm>
#include <limits>

namespace sluice::http1 {

ChunkedDecoder::ChunkedDecoder(const Limits& limits, Side side)
    : line_limit_(limits.chunk_line),
      trailer_limit_(limits.trailer_bytes),
      field_limit_(limits.header_fields),
      side_(side) {}

void ChunkedDecoder::reset() {
    state_ = State::size_first;
    remaining_ = 0;
    line_octets_ = 0;
    trailer_line_ = 0;
    trailer_octets_.clear();
    trailers_.clear();
}

Result<ChunkedDecoder::Piece> ChunkedDecoder::next(std::string_view& in) {
    while (!in.empty() && state_ != State::ended) {
        if (state_ == State::data) {
            const std::string_view data = in.substr(0, std::min<std::uint64_t>(remaining_, in.size()));
            in.remove_prefix(data.size());
            remaining_ -= data.size();
            if (remaining_ == 0) state_ = State::data_cr;
            return Piece{Piece::Kind::data, data};
        }
        const char c = in.front();
        in.remove_prefix(1);
        switch (state_) {
            case State::data_cr:
                if (c != '\r') return fail(Errc::malformed, side_, "chunk data without CRLF after it");
                state_ = State::data_lf;
                break;
            case State::data_lf:
                if (c != '\n') return fail(Errc::malformed, side_, "chunk data without CRLF after it");
                state_ = State::size_first;
                line_octets_ = 0;
                break;
            case State::trailer:
            case State::trailer_lf: TRY(trailer_octet(c)); break;
            default: TRY(size_line_octet(c)); break;
        }
    }
    return Piece{state_ == State::ended ? Piece::Kind::end : Piece::Kind::need_more, {}};
}

// chunk-size [ *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] ) ] CRLF
Result<void> ChunkedDecoder::size_line_octet(char c) {
    if (++line_octets_ > line_limit_) return fail(Errc::too_large, side_, "chunk size line too long");
    const bool space = c == ' ' || c == '\t';
    const auto bad_extension = [this] { return fail(Errc::malformed, side_, "bad chunk extension"); };
    switch (state_) {
        case State::size_first:
        case State::size:
            if (const int digit = hex_value(c); digit >= 0) {
                if (remaining_ > (static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) >> 4))
                    return fail(Errc::malformed, side_, "chunk size too large");
                remaining_ = remaining_ * 16 + static_cast<std::uint64_t>(digit);
                state_ = State::size;
                return {};
            }
            if (state_ == State::size_first) break;
            [[fallthrough]];
        case State::extension_end:           // after a name or value: blanks may come, then ";" or the end
            if (c == '\r') state_ = State::size_lf;
            else if (c == ';') state_ = State::extension_name_first;
            else if (space) state_ = State::extension_space;
            else break;
            return {};
        case State::extension_space:         // blanks that only a ";" may follow; after a name also "="
        case State::extension_name_space:
            if (c == ';') state_ = State::extension_name_first;
            else if (c == '=' && state_ == State::extension_name_space) state_ = State::extension_value_first;
            else if (!space) return bad_extension();
            return {};
        case State::extension_name_first:
            if (space) return {};
            if (!is_token_octet(c)) return bad_extension();
            state_ = State::extension_name;
            return {};
        case State::extension_name:
            if (is_token_octet(c)) return {};
            if (c == '=') state_ = State::extension_value_first;
            else if (c == ';') state_ = State::extension_name_first;
            else if (space) state_ = State::extension_name_space;
            else if (c == '\r') state_ = State::size_lf;
            else return bad_extension();
            return {};
        case State::extension_value_first:
            if (space) return {};
            if (c == '"') state_ = State::quoted;
            else if (is_token_octet(c)) state_ = State::extension_value;
            else return bad_extension();
            return {};
        case State::extension_value:
            if (is_token_octet(c)) return {};
            if (c == ';') state_ = State::extension_name_first;
            else if (space) state_ = State::extension_space;
            else if (c == '\r') state_ = State::size_lf;
            else return bad_extension();
            return {};
        case State::quoted:
            if (c == '"') state_ = State::extension_end;
            else if (c == '\\') state_ = State::quoted_pair;
            else if (!is_field_value({&c, 1})) return bad_extension();
            return {};
        case State::quoted_pair:
            if (!is_field_value({&c, 1})) return bad_extension();
            state_ = State::quoted;
            return {};
        case State::size_lf:
            if (c != '\n') return fail(Errc::malformed, side_, "CR without LF after the chunk size");
            state_ = remaining_ == 0 ? State::trailer : State::data;
            return {};
        default: break;
    }
    return fail(Errc::malformed, side_, "bad chunk size");
}

Result<void> ChunkedDecoder::trailer_octet(char c) {
    if (trailer_octets_.size() == trailer_limit_) return fail(Errc::too_large, side_, "trailer section too large");
    trailer_octets_ += c;
    if (state_ == State::trailer) {
        if (c == '\r') state_ = State::trailer_lf;
        else if (!is_field_value({&c, 1})) return fail(Errc::malformed, side_, "control character in the trailer section");
        return {};
    }
    if (c != '\n') return fail(Errc::malformed, side_, "CR without LF in the trailer section");
    if (trailer_octets_.size() - trailer_line_ == 2) return finish_trailers();
    trailer_line_ = trailer_octets_.size();
    state_ = State::trailer;
    return {};
}

Result<void> ChunkedDecoder::finish_trailers() {
    std::string_view rest = trailer_octets_;
    for (std::size_t end = rest.find('\r'); end != 0; end = rest.find('\r')) {
        TRY(add_field_line(rest.substr(0, end), trailers_, field_limit_, side_));
        rest.remove_prefix(end + 2);
    }
    state_ = State::ended;
    return {};
}

}  // namespace sluice::http1
