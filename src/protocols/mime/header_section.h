// SPDX-License-Identifier: Apache-2.0
// A header section (RFC 5322 2.2) as it streams: line by line, up to the empty one. Nothing of what is beyond Limits::mail_header_bytes is kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "protocols/mime/mail_output.h"

namespace sluice::mime {

class HeaderSection {
public:
    enum class Event : std::uint8_t {
        need_more,
        line,  // see line(): a field's, or what continues it, or neither
        end,  // the empty line
        body,  // a line that is none of a header, which ends there (Reading::strict): line_with_break() is the body's first
    };

    explicit HeaderSection(MailOutput& output) : output_(output) {}

    // Takes octets from the front of `in`, at most a line.
    Event next(std::string_view& in);
    // No more comes: a last line without its break, if there is one.
    Event finish();

    // The last one; views live until the next call.
    std::string_view line() const;  // without its break
    std::string_view line_with_break() const { return std::string_view(text_).substr(line_); }
    // It is none of the header.
    void drop_line() { text_.resize(line_); }

    std::string_view text() const { return text_; }
    std::size_t size() const { return size_; }  // octets taken
    void clear();

private:
    Event line_over();
    void append(std::string_view octets);

    MailOutput& output_;
    std::string text_;
    std::size_t line_ = 0;  // begins the last line
    std::size_t size_ = 0;
    bool is_line_over_ = true;
    bool is_full_ = false;
    bool is_behind_cr_ = false;  // which may end a line, or be the half of what does
};

struct HeaderField {
    std::string name;  // small letters, without blanks and what else is none of a name around it
    std::string_view value;  // with its line breaks, trimmed
    bool is_odd = false;  // it has no name, or one with other octets than RFC 5322 has
};

// The fields of a whole section, in their order. NULs are out of `text`, which the values are views of. What readers disagree about is noted.
std::vector<HeaderField> header_fields(std::string& text, MailOutput& output);

// Without its line breaks.
std::string unfolded(std::string_view value);

}  // namespace sluice::mime
