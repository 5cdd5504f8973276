// SPDX-License-Identifier: Apache-2.0
// multipart/form-data (RFC 7578) and the other types of RFC 2046 5.1, part by part as it streams. Strict: servers differ in how they read what is
// odd, and a file that one of them sees must not hide from us; so white space or text behind a boundary, a boundary behind a bare CR or LF, one
// behind the last, folded header lines, and a form's parts without a name are errors, and whoever inspects does not call the payload clean.
// Everything between boundaries is given as data, the preamble and the epilogue too. Nothing is kept but the header section of one part.
#pragma once

#include "base/limits.h"
#include "base/result.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::mime {

// none: no multipart type. form: multipart/form-data. other: mixed, related and so on, whose parts need no name and may be multiparts themselves.
enum class MultipartKind : std::uint8_t { none, form, other };

struct MultipartType {
    MultipartKind kind = MultipartKind::none;
    std::string boundary;  // empty: none
    bool is_bare = false;  // it lacks the quotes that it should have: some readers take no more than its first octets (`first_octets`)
    bool operator==(const MultipartType&) const = default;
};

// Whether it says that it is of a multipart type, however wrongly.
bool is_multipart(std::string_view content_type);

// What a Content-Type says of its parts. Servers find the boundary in many ways, by looking for the word alone too; whatever else the field says,
// there is one that all of them find. `unsupported`: no multipart type; `malformed`: no boundary, or one that readers may read in two ways, or not 1
// to 70 octets of RFC 2046's bchars or a token.
Result<MultipartType> multipart_type(std::string_view content_type);

// Of a boundary without its quotes, those that are a token.
std::string_view first_octets(std::string_view boundary);

// What a part's header section says.
struct FormPart {
    std::string name;  // of the field, unescaped
    bool is_file = false;  // it has a file name, be it empty
    std::string file_name;  // unescaped, as sent: a path may stand before it. From filename* where there is one
    std::string other_file_name;  // the plain filename where there is a filename* that differs: some servers will take this one
    std::string content_type;  // as it came, trimmed; empty if there is none: then text/plain
    std::string transfer_encoding;  // lower case; empty if there is none. Deprecated, and the data are given as they came: with anything
        // but 7bit, 8bit and binary some servers will see something else (RFC 7578 4.7)
};

class MultipartParser {
public:
    struct Piece {
        enum class Kind : std::uint8_t {
            need_more,  // `in` is used up
            preamble,  // data before the first boundary
            part,  // a part begins: see part()
            data,  // of the part
            part_end,
            epilogue,  // data behind the last boundary
        };
        Kind kind = Kind::need_more;
        std::string_view data{};  // not empty for preamble, data and epilogue; valid until the next call and as long as `in` is
    };

    // As multipart_type gave it.
    MultipartParser(const MultipartType& type, const Limits& limits);

    // Takes octets from the front of `in`, up to the next piece or all of them; none of them need be shown again. Time is linear in the octets,
    // whatever they are. Errors (client's side: `malformed`, or `too_large` for a bound) are final.
    Result<Piece> next(std::string_view& in);
    // The payload is over: the last octets of its epilogue, which might have become a boundary. An error if the last boundary has not come.
    Result<std::string_view> finish();

    // The part that began last; changes when the next one begins.
    const FormPart& part() const { return part_; }
    std::size_t parts() const { return parts_; }

private:
    enum class Where : std::uint8_t { preamble, part, epilogue };
    enum class State : std::uint8_t {
        text,  // of the preamble, a part or the epilogue
        behind_boundary,
        behind_boundary_cr,
        behind_boundary_dash,
        behind_last,
        behind_last_cr,
        header,
    };

    Result<Piece> text(std::string_view& in);
    Result<Piece> text_piece(std::string_view data);
    std::size_t find_candidate(std::string_view in) const;
    bool extends_held(char c) const;
    bool is_boundary_held() const;
    void hold_virtual_line_break();
    Result<Piece> boundary_found();
    Result<void> behind_boundary(char c);
    Result<bool> header_octet(char c);
    Result<void> finish_header();
    Result<void> read_disposition(std::string_view value);

    MultipartKind kind_;
    Limits limits_;
    std::string delimiter_;  // "--" and the boundary
    Where where_ = Where::preamble;
    State state_ = State::text;
    std::string held_;  // a line break and octets of the delimiter, which may become a boundary
    bool is_held_virtual_ = false;  // its line break is not part of the text: it came before, or there was none
    bool is_held_given_ = false;  // it turned out to be data, and has been given as such
    std::string preamble_;
    std::size_t epilogue_octets_ = 0;
    std::string header_;  // a part's header section, so far
    std::size_t header_line_ = 0;  // where its current line starts
    std::size_t parts_ = 0;
    FormPart part_;
};

}  // namespace sluice::mime
