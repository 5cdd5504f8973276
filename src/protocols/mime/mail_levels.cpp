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
        // One that begins as an outer one does, without being it, is no doubt: a reader that compares beginnings alone has the same parts, unless it takes
        // them for messages, or the line for the outer one's last. Where the inner one is the shorter, the lines will show it.
        const auto is_alike = [&](const MailLevel& other) {
            if (other.kind != Kind::multipart) return false;
            const std::string& inner = level.boundary.text;
            const std::string& outer = other.boundary.text;
            if (inner == outer || inner == other.boundary.prefix) return true;
            return inner.starts_with(outer) && (level.is_digest || other.is_digest || inner.compare(outer.size(), 2, "--") == 0);
        };
        if (std::ranges::any_of(levels_, is_alike)) output_.note(Ambiguity::bad_boundary, Reading::last_wins, Reading::sweep);
    }
    boundaries_ += level.kind == Kind::message ? 0 : 1;
    levels_.push_back(std::move(level));
    count_first_octets(levels_.back(), 1);
}

void MailLevels::count_first_octets(const MailLevel& level, int change) {
    // A prefix begins in the same way.
    if (!level.boundary.empty()) first_octets_[static_cast<unsigned char>(level.boundary.text.front())] += change;
}

// False: it is none of a boundary's lines for anybody.
bool MailLevels::may_match(std::string_view rest) const {
    if (!levels_.empty() && levels_.back().kind == Kind::unknown) return true;
    return !rest.empty() && first_octets_[static_cast<unsigned char>(rest.front())] > 0;
}

void MailLevels::pop() {
    const MailLevel& level = levels_.back();
    // A head with nothing behind it, as bounces return it, leaves nothing to be read in two ways.
    const bool is_nothing = !level.has_parts && (is_guessed_ || !level.has_octets);
    if ((level.kind == Kind::multipart || level.kind == Kind::unknown) && !level.is_closed && !is_nothing) {
        output_.note(Ambiguity::unclosed_multipart);
        if (!level.has_parts) output_.note(Ambiguity::unclosed_multipart, Reading::sweep);
    }
    boundaries_ -= level.kind == Kind::message ? 0 : 1;
    count_first_octets(level, -1);
    levels_.pop_back();
}

void MailLevels::take_between(std::string_view text) {
    if (!levels_.empty() && text.find_first_not_of("\r\n") != std::string_view::npos) levels_.back().has_octets = true;
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
    if (!may_match(rest)) return std::nullopt;
    if (const auto exact = exact_match(rest)) {
        if (is_in_doubt(rest, exact->level)) output_.note(Ambiguity::bad_boundary, Reading::last_wins, Reading::sweep);
        return exact;
    }
    if (const auto prefix = prefix_match(rest)) return prefix;
    if (const auto other = other_match(rest)) return other;
    return guess(rest);
}

// Of two levels with one boundary the inner, or for others the outer one.
std::optional<BoundaryMatch> MailLevels::exact_match(std::string_view rest) {
    const bool takes_outer = output_.reading() == Reading::last_wins;
    std::optional<BoundaryMatch> found;
    for (std::size_t at = levels_.size(); at-- > 0;) {
        const MailLevel& level = levels_[at];
        if (level.boundary.empty() || !rest.starts_with(level.boundary.text)) continue;
        const std::string_view tail = rest.substr(level.boundary.text.size());
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

// It is an outer level's, and an inner one's too for readers that compare beginnings alone.
bool MailLevels::is_in_doubt(std::string_view rest, std::size_t found) const {
    return std::any_of(levels_.begin() + static_cast<std::ptrdiff_t>(found) + 1, levels_.end(), [&](const MailLevel& inner) {
        return inner.kind == Kind::multipart && !inner.is_closed && rest.starts_with(inner.boundary.text) &&
               inner.boundary.text != levels_[found].boundary.text;
    });
}

// RFC 2046 5.1.1 has a boundary compared with the beginning of a line alone; few readers do so.
std::optional<BoundaryMatch> MailLevels::other_match(std::string_view rest) {
    for (std::size_t at = levels_.size(); at-- > 0;) {
        const MailLevel& level = levels_[at];
        if (level.boundary.empty() || level.kind != Kind::multipart || level.is_cut || !rest.starts_with(level.boundary.text)) continue;
        const std::string_view tail = rest.substr(level.boundary.text.size());
        if (level.is_closed && (is_blank(tail) || tail.starts_with("--"))) continue;
        output_.note(Ambiguity::bad_boundary, Reading::last_wins, Reading::sweep);
        if (output_.reading() == Reading::last_wins) return BoundaryMatch{at, tail.starts_with("--")};
    }
    return std::nullopt;
}

// From the first line that is one for readers that cut the boundary, it is their boundary that counts, and no other.
std::optional<BoundaryMatch> MailLevels::prefix_match(std::string_view rest) {
    for (std::size_t at = levels_.size(); at-- > 0;) {
        MailLevel& level = levels_[at];
        std::string& prefix = level.boundary.prefix;
        if (prefix.empty() || !rest.starts_with(prefix)) continue;
        const std::string_view tail = rest.substr(prefix.size());
        const bool is_last = tail.starts_with("--") && is_blank(tail.substr(2));
        if (!is_last && !is_blank(tail)) continue;
        output_.note(Ambiguity::bad_boundary, Reading::last_wins, Reading::sweep);
        if (output_.reading() != Reading::last_wins) continue;
        level.boundary = {.text = std::string(prefix), .prefix = {}};
        level.is_cut = true;
        level.is_closed = false;
        return BoundaryMatch{at, is_last};
    }
    return std::nullopt;
}

std::optional<BoundaryMatch> MailLevels::guess(std::string_view rest) {
    if (levels_.empty() || levels_.back().kind != Kind::unknown || is_blank(rest) || rest.front() == ' ') return std::nullopt;
    MailLevel& level = levels_.back();
    level.kind = Kind::multipart;
    level.boundary.text = rest.substr(0, rest.find_last_not_of(" \t\r") + 1);
    count_first_octets(level, 1);
    return BoundaryMatch{levels_.size() - 1, false};
}

}  // namespace sluice::mime
