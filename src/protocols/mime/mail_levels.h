// SPDX-License-Identifier: Apache-2.0
// The multiparts and messages that are open, one within another, and which of them a line ends or continues.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/mime/mail_entity.h"
#include "protocols/mime/mail_output.h"

namespace sluice::mime {

struct MailLevel {
    enum class Kind : std::uint8_t {
        message,
        multipart,
        unknown,  // a multipart without a boundary, of which the first line that looks like one is it
        claimed,  // no multipart, though it names a boundary
    };
    Kind kind = Kind::multipart;
    Boundary boundary{};
    bool is_digest = false;
    bool has_parts = false;
    bool has_octets = false;  // something came behind its head
    bool is_closed = false;
    bool is_cut = false;  // its boundary is what a reader took that cuts it, and compares it as a whole
};

struct BoundaryMatch {
    std::size_t level;
    bool is_last;  // the multipart's last one
};

class MailLevels {
public:
    // `is_guessed`: that it is mail at all is one reading; where no part comes it is none.
    MailLevels(MailOutput& output, bool is_guessed) : output_(output), is_guessed_(is_guessed) {}

    void open(MailLevel level);
    std::size_t size() const { return levels_.size(); }
    bool has_boundaries() const { return boundaries_ > 0; }

    // `line` begins with "--", and is without its break. What other readers make of it is noted.
    std::optional<BoundaryMatch> match(std::string_view line);
    // What is within the level of `match` is over, and so is the level itself with its last boundary. The level.
    const MailLevel& reach(BoundaryMatch match);
    // Text that is in no part.
    void take_between(std::string_view text);
    // All is over.
    void close();

private:
    bool may_match(std::string_view rest) const;
    void count_first_octets(const MailLevel& level, int change);
    bool is_in_doubt(std::string_view rest, std::size_t found) const;
    std::optional<BoundaryMatch> exact_match(std::string_view rest);
    std::optional<BoundaryMatch> other_match(std::string_view rest);
    std::optional<BoundaryMatch> prefix_match(std::string_view rest);
    std::optional<BoundaryMatch> guess(std::string_view rest);
    void pop();

    MailOutput& output_;
    bool is_guessed_;
    std::vector<MailLevel> levels_;
    std::size_t boundaries_ = 0;  // levels that a line may belong to
    std::array<int, 256> first_octets_{};  // how many boundaries begin so: most lines are none, and there may be many levels
};

}  // namespace sluice::mime
