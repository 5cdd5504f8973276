// SPDX-License-Identifier: Apache-2.0
// Finds lines that begin with "--", which may be boundaries, in content that passes without being copied.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::mime {

class BoundaryScanner {
public:
    struct Piece {
        enum class Kind : std::uint8_t {
            need_more,  // `in` is used up
            data,  // content, not empty
            line,  // begins with "--"; without its break. Say accept() or refuse() before anything else
        };
        Kind kind = Kind::need_more;
        std::string_view text{};  // valid until the next call and as long as `in` is
        bool is_behind_cr = false;  // the line begins behind a bare CR, which is no line's end for most
    };

    // A line is given up to `longest` octets. `ends_at_cr`: a bare CR ends it as well.
    BoundaryScanner(std::size_t longest, bool ends_at_cr) : longest_(longest), ends_at_cr_(ends_at_cr) {}

    // Takes octets from the front of `in`.
    Piece next(std::string_view& in);
    // No more comes: a last line, and what is held; again until it needs more.
    Piece finish();

    // The line is a boundary: neither it nor the line breaks around it are content. What of it was too long follows as content.
    void accept();
    // It is content: this, with the break before it.
    std::string_view refuse();
    // What comes begins a line, behind no break.
    void restart();

private:
    enum class State : std::uint8_t {
        text,
        behind_cr,  // held_ is a CR, behind which a LF may come
        line_start,  // held_ is a break, and of the line what there is, as long as it begins with "--"
        line_cr,  // the same, and a CR that ends the line
    };

    Piece scan(std::string_view& in);
    Piece candidate(std::string_view& in, std::size_t line);
    Piece settle(std::string_view& in);
    Piece held_line(bool is_whole);
    Piece held_data();
    void hold(std::string_view octets, std::size_t break_size);

    std::size_t longest_;
    bool ends_at_cr_;
    State state_ = State::line_start;
    std::string held_;
    std::size_t break_size_ = 0;
    std::string given_;  // held once, and given as data
    std::string_view asked_;  // the line with the break before it, as it stands
    std::string next_break_;  // behind that line
    bool is_whole_ = true;  // that line: its end was seen
};

}  // namespace sluice::mime
