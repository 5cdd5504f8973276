// SPDX-License-Identifier: Apache-2.0
#include "protocols/icap/answer_reader.h"

#include <algorithm>
#include <utility>

namespace sluice::icap {

void AnswerReader::reset() {
    state_ = State::head;
    kept_.clear();
    response_ = {};
    body_.reset();
}

Result<AnswerReader::Piece> AnswerReader::next(std::string_view& in) {
    switch (state_) {
        case State::head: return read_head(in);
        case State::heads: return read_heads(in);
        case State::body: break;
        case State::end: return Piece{.kind = Piece::Kind::end, .data = {}};
    }
    const auto piece = TRY(body_.next(in));
    switch (piece.kind) {
        case http1::ChunkedDecoder::Piece::Kind::need_more: return Piece{};
        case http1::ChunkedDecoder::Piece::Kind::data: return Piece{.kind = Piece::Kind::data, .data = piece.data};
        case http1::ChunkedDecoder::Piece::Kind::end: break;
    }
    state_ = State::end;
    return Piece{.kind = Piece::Kind::end, .data = {}};
}

Result<AnswerReader::Piece> AnswerReader::read_head(std::string_view& in) {
    const std::size_t before = kept_.size();
    kept_ += in.substr(0, limits_.header_bytes - before);
    std::size_t consumed = 0;
    auto parsed = TRY(parse_response(kept_, limits_, consumed));
    if (!parsed) {
        in.remove_prefix(kept_.size() - before);
        return Piece{};
    }
    in.remove_prefix(consumed - before);
    kept_.clear();
    response_ = *std::move(parsed);
    state_ = response_.status == 200 && response_.parts ? State::heads : State::end;
    return Piece{.kind = Piece::Kind::head, .data = {}};
}

AnswerReader::Piece AnswerReader::read_heads(std::string_view& in) {
    const std::size_t missing = response_.parts->body - kept_.size();
    kept_ += in.substr(0, missing);
    in.remove_prefix(std::min(missing, in.size()));
    if (kept_.size() < response_.parts->body) return Piece{};
    state_ = response_.parts->has_body ? State::body : State::end;
    return Piece{.kind = Piece::Kind::heads, .data = kept_};
}

}  // namespace sluice::icap
