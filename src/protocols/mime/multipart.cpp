// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/multipart.h"

#include "base/text.h"
#include "protocols/mime/line_break.h"
#include "protocols/mime/parameters.h"

#include <algorithm>

namespace sluice::mime {
namespace {

constexpr std::string_view family = "multipart/";
constexpr std::string_view boundary_word = "boundary";
constexpr std::size_t longest_boundary = 70;                   // RFC 2046 5.1.1

std::unexpected<Error> malformed(std::string_view what) { return fail(Errc::malformed, Side::client, what); }

bool is_boundary_octet(char c) { return is_token_octet(c) || (c != '\0' && std::string_view("(),/:=? ").contains(c)); }

// Without quotes it ends at a blank; at a comma, too, for some.
bool is_bare_octet(char c) { return is_boundary_octet(c) && c != ' ' && c != ','; }

std::size_t line_break_of(std::string_view text) { return text.starts_with("\r\n") ? 2 : 1; }

}  // namespace

bool is_multipart(std::string_view content_type) { return lower(trim(content_type).substr(0, family.size())) == family; }

Result<MultipartType> multipart_type(std::string_view content_type) {
    if (!is_multipart(content_type)) return fail(Errc::unsupported, Side::client, "no multipart type");
    const std::string small = lower(content_type);
    const std::size_t at = small.find(boundary_word);
    if (at == std::string::npos) return malformed("multipart type without a boundary");
    std::string_view in = content_type.substr(at + boundary_word.size());
    if (!trim(content_type.substr(0, at)).ends_with(';') || !in.starts_with('=')) return malformed("boundary that may be another");
    in.remove_prefix(1);
    const bool is_quoted = in.starts_with('"');
    if (is_quoted) in.remove_prefix(1);
    const auto end = is_quoted ? std::ranges::find(in, '"') : std::ranges::find_if_not(in, is_bare_octet);
    const std::string_view value(in.begin(), end);
    if (is_quoted && end == in.end()) return malformed("boundary without an end");
    in.remove_prefix(value.size() + (is_quoted ? 1 : 0));
    const std::string_view rest = trim(in);
    if (!rest.empty() && !rest.starts_with(';')) return malformed("boundary that may be longer");
    if (value.empty() || value.size() > longest_boundary || value.ends_with(' ') || !std::ranges::all_of(value, is_boundary_octet))
        return malformed("bad boundary");
    // Who looks for the word alone finds this one: the first in any case, the first in small letters, and the last before a "=".
    std::string value_small = lower(value);
    std::erase(value_small, ' ');
    const bool is_small = content_type.substr(at, boundary_word.size()) == boundary_word;
    if (lower(rest).contains(boundary_word) || value_small.contains("boundary=") || (!is_small && value.contains(boundary_word)))
        return malformed("boundary that may be another");
    const std::string_view type = std::string_view(small).substr(0, small.find(';'));
    return MultipartType{.kind = trim(type) == "multipart/form-data" ? MultipartKind::form : MultipartKind::other,
                         .boundary = std::string(value),
                         .is_bare = !is_quoted && !std::ranges::all_of(value, is_token_octet)};
}

std::string_view first_octets(std::string_view boundary) {
    const auto end = std::ranges::find_if_not(boundary, is_token_octet);
    return {boundary.begin(), end};
}

MultipartParser::MultipartParser(const MultipartType& type, const Limits& limits) : kind_(type.kind), limits_(limits), delimiter_("--") {
    delimiter_ += type.boundary;
    hold_virtual_line_break();
}

Result<MultipartParser::Piece> MultipartParser::next(std::string_view& in) {
    if (is_held_given_) held_.clear();
    is_held_given_ = false;
    while (!in.empty()) {
        if (state_ == State::text) {
            const Piece piece = TRY(text(in));
            if (piece.kind != Piece::Kind::need_more) return piece;
            continue;
        }
        const char c = in.front();
        in.remove_prefix(1);
        if (state_ != State::header) {
            TRY(behind_boundary(c));
        } else if (TRY(header_octet(c))) {
            where_ = Where::part;
            state_ = State::text;
            hold_virtual_line_break();
            return Piece{Piece::Kind::part};
        }
    }
    return Piece{};
}

// Up to the next boundary, or what may become one. No octet is looked at more than twice: a boundary begins with a line break, and has none inside.
Result<MultipartParser::Piece> MultipartParser::text(std::string_view& in) {
    if (held_.empty()) {
        const std::string_view data = in.substr(0, find_candidate(in));
        in.remove_prefix(data.size());
        if (!data.empty()) return text_piece(data);
        held_ = in.front();
        in.remove_prefix(1);
    }
    while (!in.empty() && extends_held(in.front())) {
        held_ += in.front();
        in.remove_prefix(1);
        if (is_boundary_held()) return boundary_found();
    }
    if (in.empty()) return Piece{};
    std::string_view data = held_;
    if (is_held_virtual_) data.remove_prefix(2);
    is_held_virtual_ = false;
    if (data.empty()) {
        held_.clear();
        return Piece{};
    }
    is_held_given_ = true;
    return text_piece(data);
}

Result<MultipartParser::Piece> MultipartParser::text_piece(std::string_view data) {
    switch (where_) {
        case Where::part: break;
        case Where::preamble:
            if (preamble_.size() + data.size() > limits_.form_margin)
                return fail(Errc::too_large, Side::client, "too much before the first boundary");
            preamble_ += data;
            return Piece{Piece::Kind::preamble, data};
        case Where::epilogue:
            epilogue_octets_ += data.size();
            if (epilogue_octets_ > limits_.form_margin) return fail(Errc::too_large, Side::client, "too much behind the last boundary");
            return Piece{Piece::Kind::epilogue, data};
    }
    return Piece{Piece::Kind::data, data};
}

// Where a boundary with its line break begins, or where `in` ends before it can be told.
std::size_t MultipartParser::find_candidate(std::string_view in) const {
    std::size_t at = find_line_break(in, 0);
    while (at < in.size()) {
        const std::size_t line = at + line_break_of(in.substr(at));
        const std::string_view start = in.substr(line, delimiter_.size());
        if (std::string_view(delimiter_).starts_with(start)) return at;
        at = find_line_break(in, line);
    }
    return in.size();
}

bool MultipartParser::extends_held(char c) const {
    if (held_ == "\r" && c == '\n') return true;
    return c == delimiter_[held_.size() - line_break_of(held_)];
}

bool MultipartParser::is_boundary_held() const { return held_.size() == line_break_of(held_) + delimiter_.size(); }

void MultipartParser::hold_virtual_line_break() {
    held_ = "\r\n";
    is_held_virtual_ = true;
}

Result<MultipartParser::Piece> MultipartParser::boundary_found() {
    if (line_break_of(held_) != 2) return malformed("boundary behind a bare CR or LF");
    if (where_ == Where::epilogue) return malformed("boundary behind the last one");
    // RFC 2046 lets the header section's end be the line break of the boundary too; not every reader does.
    if (where_ == Where::part && is_held_virtual_) return malformed("boundary right behind a header section");
    // Some readers find their first boundary anywhere.
    if (preamble_.contains(delimiter_)) return malformed("boundary within a line");
    preamble_ = std::string();
    held_.clear();
    is_held_virtual_ = false;
    state_ = State::behind_boundary;
    return Piece{where_ == Where::part ? Piece::Kind::part_end : Piece::Kind::need_more};
}

Result<void> MultipartParser::behind_boundary(char c) {
    switch (state_) {
        case State::behind_boundary:
            if (c == ' ' || c == '\t') return malformed("white space behind a boundary");
            if (c == '\n') return malformed("bare LF behind a boundary");
            if (c != '\r' && c != '-') return malformed("text behind a boundary");
            state_ = c == '\r' ? State::behind_boundary_cr : State::behind_boundary_dash;
            return {};
        case State::behind_boundary_dash:
            if (c != '-') return malformed("text behind a boundary");
            state_ = State::behind_last;
            return {};
        case State::behind_boundary_cr:
            if (c != '\n') return malformed("bare CR behind a boundary");
            if (parts_ == limits_.form_parts) return fail(Errc::too_large, Side::client, "too many parts");
            ++parts_;
            header_.clear();
            header_line_ = 0;
            state_ = State::header;
            return {};
        case State::behind_last:
            if (c != '\r') return malformed("text behind the last boundary");
            state_ = State::behind_last_cr;
            return {};
        case State::behind_last_cr:
            if (c != '\n') return malformed("bare CR behind the last boundary");
            where_ = Where::epilogue;
            state_ = State::text;
            hold_virtual_line_break();
            return {};
        case State::text:
        case State::header: break;
    }
    return {};
}

// true: the section is complete.
Result<bool> MultipartParser::header_octet(char c) {
    if (header_.size() == limits_.form_part_header_bytes)
        return fail(Errc::too_large, Side::client, "a part's header section is too large");
    const bool is_behind_cr = header_.ends_with('\r');
    if (is_behind_cr != (c == '\n')) return malformed("bare CR or LF in a part's header section");
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\r' && c != '\n') || c == '\x7f')
        return malformed("control character in a part's header section");
    if (header_.size() == header_line_ && (c == ' ' || c == '\t')) return malformed("folded line in a part's header section");
    header_ += c;
    if (c != '\n') return false;
    const bool is_empty_line = header_.size() - header_line_ == 2;
    header_line_ = header_.size();
    if (is_empty_line) TRY(finish_header());
    return is_empty_line;
}

Result<void> MultipartParser::finish_header() {
    part_ = {};
    bool has_disposition = false;
    bool has_type = false;
    bool has_encoding = false;
    std::size_t fields = 0;
    std::string_view rest = header_;
    for (std::size_t end = rest.find('\r'); end != 0; end = rest.find('\r')) {
        const std::string_view line = rest.substr(0, end);
        rest.remove_prefix(end + 2);
        if (++fields > limits_.form_part_header_fields) return fail(Errc::too_large, Side::client, "a part has too many header fields");
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos) return malformed("no colon in a line of a part's header section");
        const std::string_view name = line.substr(0, colon);
        if (name.empty() || !std::ranges::all_of(name, is_token_octet)) return malformed("bad field name in a part's header section");
        const std::string_view value = trim(line.substr(colon + 1));
        bool* seen = nullptr;
        if (equals_ignoring_case(name, "Content-Disposition")) {
            seen = &has_disposition;
            TRY(read_disposition(value));
        } else if (equals_ignoring_case(name, "Content-Type")) {
            seen = &has_type;
            part_.content_type = value;
        } else if (equals_ignoring_case(name, "Content-Transfer-Encoding")) {
            seen = &has_encoding;
            part_.transfer_encoding = lower(value);
        }
        if (seen == nullptr) continue;
        if (*seen) return malformed("a part has a header field twice");
        *seen = true;
    }
    if (kind_ == MultipartKind::other) return {};
    if (!has_disposition) return malformed("a part has no Content-Disposition");
    // Files in a multipart of their own (RFC 2388 4.2) are history, but some servers still unpack them (RFC 7578 4.3).
    if (is_multipart(part_.content_type)) return fail(Errc::unsupported, Side::client, "a part is a multipart itself");
    return {};
}

Result<void> MultipartParser::read_disposition(std::string_view value) {
    const bool is_form = kind_ == MultipartKind::form;
    const ValueWithParameters disposition = TRY(parse_with_parameters(value, is_form ? Quoting::form : Quoting::http, limits_));
    if (is_form && disposition.value != "form-data") return malformed("a part's disposition is not form-data");
    const Parameter* name = disposition.find("name");
    if (is_form && disposition.find("name", true) != nullptr) return malformed("a part's name is extended");
    const Parameter* plain = disposition.find("filename");
    const Parameter* extended = disposition.find("filename", true);
    if (name != nullptr) part_.name = name->value;
    part_.is_file = plain != nullptr || extended != nullptr;
    if (extended != nullptr) part_.file_name = extended->value;
    else if (plain != nullptr) part_.file_name = plain->value;
    part_.other_file_name = plain != nullptr && plain->value != part_.file_name ? plain->value : std::string();
    return {};
}

Result<std::string_view> MultipartParser::finish() {
    if (state_ == State::behind_last) return {};
    if (state_ != State::text || where_ != Where::epilogue) return malformed("no last boundary");
    std::string_view rest = is_held_given_ ? std::string_view() : held_;
    if (is_held_virtual_) rest.remove_prefix(2);
    if (!rest.empty()) TRY(text_piece(rest));
    return rest;
}

}  // namespace sluice::mime
