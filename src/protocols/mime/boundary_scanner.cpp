// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/boundary_scanner.h"

#include <algorithm>

#include "protocols/mime/line_break.h"

namespace sluice::mime {
namespace {

using Piece = BoundaryScanner::Piece;
using Kind = Piece::Kind;

Piece data_or_more(std::string_view text) { return {text.empty() ? Kind::need_more : Kind::data, text}; }

}  // namespace

void BoundaryScanner::hold(std::string_view octets, std::size_t break_size) {
    held_ = octets;
    break_size_ = break_size;
    state_ = State::line_start;
}

Piece BoundaryScanner::held_data() {
    state_ = State::text;
    break_size_ = 0;
    given_.swap(held_);
    held_.clear();
    return data_or_more(given_);
}

Piece BoundaryScanner::next(std::string_view& in) {
    if (in.empty()) return {};
    if (state_ != State::text) {
        const Piece piece = settle(in);
        if (piece.kind != Kind::need_more || state_ != State::text || in.empty()) return piece;
    }
    return scan(in);
}

Piece BoundaryScanner::scan(std::string_view& in) {
    for (std::size_t from = 0;;) {
        const std::size_t at = find_line_break(in, from);
        std::size_t line = std::min(at + 1, in.size());
        const std::string_view before = in.substr(0, at);
        if (at < in.size() && in[at] == '\r') {
            if (line == in.size()) {
                hold("\r", 1);
                state_ = State::behind_cr;
                in = {};
                return data_or_more(before);
            }
            if (in[line] == '\n') ++line;
        }
        const std::string_view behind = in.substr(line);
        if (at < in.size() && (behind.starts_with("--") || behind.empty() || behind == "-")) {
            if (!before.empty()) {
                in.remove_prefix(at);
                return {Kind::data, before};
            }
            return candidate(in, line);
        }
        if (at == in.size()) {
            in = {};
            return data_or_more(before);
        }
        from = line;
    }
}

// `in` begins with the break before a line, which begins at `line`, as far as it has come, like a boundary.
Piece BoundaryScanner::candidate(std::string_view& in, std::size_t line) {
    const std::size_t end = ends_at_cr_ ? find_line_break(in, line) : std::min(in.find('\n', line), in.size());
    const bool is_long = end - line > longest_;
    // A CR at the end may be the first half of a line's end.
    if (!is_long && (end == in.size() || (in[end] == '\r' && end + 1 == in.size()))) {
        hold(in.substr(0, end), line);
        if (end < in.size()) state_ = State::line_cr;
        in = {};
        return {};
    }
    std::size_t text_end = is_long ? line + longest_ : end;
    const std::size_t next = is_long ? text_end : end + (in[end] == '\r' && in[end + 1] == '\n' ? 2 : 1);
    while (!is_long && text_end > line && in[text_end - 1] == '\r') --text_end;
    asked_ = in.substr(0, text_end);
    next_break_ = in.substr(text_end, next - text_end);
    is_whole_ = !is_long;
    in.remove_prefix(next);
    return {Kind::line, asked_.substr(line), asked_.substr(0, line) == "\r"};
}

// Something is held: takes from `in` what decides about it.
Piece BoundaryScanner::settle(std::string_view& in) {
    if (state_ == State::behind_cr) {
        state_ = State::line_start;
        if (in.front() == '\n') {
            held_ += '\n';
            in.remove_prefix(1);
        }
        break_size_ = held_.size();
    }
    for (; !in.empty(); in.remove_prefix(1)) {
        const char c = in.front();
        const std::size_t size = held_.size() - break_size_;
        if (state_ == State::line_cr) {
            next_break_ = "\r";
            if (c == '\n') {
                next_break_ += c;
                in.remove_prefix(1);
            }
            return held_line(true);
        }
        if (size < 2 && c != '-') return held_data();
        if (c == '\n') {
            next_break_ = c;
            in.remove_prefix(1);
            return held_line(true);
        }
        if (c == '\r' && ends_at_cr_) {
            state_ = State::line_cr;
        } else {
            if (size == longest_) return held_line(false);
            held_ += c;
        }
    }
    return {};
}

Piece BoundaryScanner::held_line(bool is_whole) {
    given_.swap(held_);
    held_.clear();
    state_ = State::text;
    is_whole_ = is_whole;
    asked_ = given_;
    while (is_whole && asked_.size() > break_size_ && asked_.back() == '\r') {
        asked_.remove_suffix(1);
        next_break_.insert(next_break_.begin(), '\r');
    }
    return {Kind::line, asked_.substr(break_size_), asked_.substr(0, break_size_) == "\r"};
}

Piece BoundaryScanner::finish() {
    if (state_ == State::line_cr || (state_ == State::line_start && held_.size() >= break_size_ + 2)) {
        next_break_ = state_ == State::line_cr ? "\r" : "";
        return held_line(true);
    }
    return held_data();
}

void BoundaryScanner::accept() {
    if (is_whole_) restart();
    else state_ = State::text;
}

std::string_view BoundaryScanner::refuse() {
    if (is_whole_) hold(next_break_, next_break_.size());
    else state_ = State::text;
    return asked_;
}

void BoundaryScanner::restart() { hold({}, 0); }

}  // namespace sluice::mime
