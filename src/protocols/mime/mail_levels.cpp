// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/mail_levels.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace sluice::mime {
namespace {

using Kind = MailLevel::Kind;

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r") == std::string_view::npos; }

}  // namespace

void MailLevels::open(MailLevel level) {
    if (level.kind == Kind::multipart) {
        const auto begins_alike = [&](const MailLevel& other) {
            return other.kind == Kind::multipart &&
                   (other.boundary.starts_with(level.boundary) || level.boundary.starts_with(other.boundary));
        };
        if (std::ranges::any_of(levels_, begins_alike)) output_.note(Ambiguity::bad_boundary, Reading::last_wins, Reading::sweep);
    }
    boundaries_ += level.kind == Kind::message ? 0 : 1;
    levels_.push_back(std::move(level));
}

void MailLevels::pop() {
    const MailLevel& level = levels_.back();
    if ((level.kind == Kind::multipart || level.kind == Kind::unknown) && !level.is_closed) {
        output_.note(Ambiguity::unclosed_multipart);
        if (!level.has_parts) output_.note(Ambiguity::unclosed_multipart, Reading::sweep);
    }
    boundaries_ -= level.kind == Kind::message ? 0 : 1;
    levels_.pop_back();
}

void MailLevels::close() {
    while (!levels_.empty()) pop();
}

const MailLevel& MailLevels::reach(BoundaryMatch match) {
    while (levels_.size() > match.level + 1) pop();
    MailLevel& level = levels_.back();
    if (match.is_last) level.is_closed = true;
    else level.has_parts = true;
    return level;
}

std::optional<BoundaryMatch> MailLevels::match(std::string_view line) {
    const std::string_view rest = line.substr(2);
    if (const auto exact = exact_match(rest)) return exact;
    if (const auto other = other_match(rest)) return other;
    return guess(rest);
}

// Of two levels with one boundary the inner, or for others the outer one.
std::optional<BoundaryMatch> MailLevels::exact_match(std::string_view rest) {
    const bool takes_outer = output_.reading() == Reading::last_wins;
    std::optional<BoundaryMatch> found;
    for (std::size_t at = levels_.size(); at-- > 0;) {
        const MailLevel& level = levels_[at];
        if (level.boundary.empty() || !rest.starts_with(level.boundary)) continue;
        const std::string_view tail = rest.substr(level.boundary.size());
        const bool is_last = tail.starts_with("--") && is_blank(tail.substr(2));
        if (!is_last && !is_blank(tail)) continue;
        if (level.kind == Kind::claimed) {
            output_.note(Ambiguity::bad_content_type, Reading::last_wins, Reading::sweep);
            continue;
        }
        if (level.is_closed) {
            // A second last boundary says nothing; another part behind it is one for some.
            if (is_last) continue;
            output_.note(Ambiguity::stray_part, Reading::last_wins, Reading::sweep);
            if (output_.reading() != Reading::last_wins) continue;
        }
        found = BoundaryMatch{at, is_last};
        if (!takes_outer) return found;
    }
    return found;
}

// RFC 2046 5.1.1 has a boundary compared with the beginning of a line alone; few readers do so.
std::optional<BoundaryMatch> MailLevels::other_match(std::string_view rest) {
    for (std::size_t at = levels_.size(); at-- > 0;) {
        const MailLevel& level = levels_[at];
        if (level.boundary.empty() || level.kind != Kind::multipart || !rest.starts_with(level.boundary)) continue;
        const std::string_view tail = rest.substr(level.boundary.size());
        if (level.is_closed && (is_blank(tail) || tail.starts_with("--"))) continue;
        output_.note(Ambiguity::bad_boundary, Reading::last_wins, Reading::sweep);
        if (output_.reading() == Reading::last_wins) return BoundaryMatch{at, tail.starts_with("--")};
    }
    return std::nullopt;
}

std::optional<BoundaryMatch> MailLevels::guess(std::string_view rest) {
    if (levels_.empty() || levels_.back().kind != Kind::unknown || is_blank(rest) || rest.front() == ' ') return std::nullopt;
    MailLevel& level = levels_.back();
    level.kind = Kind::multipart;
    level.boundary = rest.substr(0, rest.find_last_not_of(" \t\r") + 1);
    return BoundaryMatch{levels_.size() - 1, false};
}

}  // namespace sluice::mime
