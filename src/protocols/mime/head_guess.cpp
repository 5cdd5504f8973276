// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/head_guess.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace sluice::mime {
namespace {

constexpr std::size_t longest_name = 64;
constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

// They say how what follows is read.
constexpr std::array<std::string_view, 3> telling{"content-type", "content-transfer-encoding", "mime-version"};
// A message that has passed a server has one of these; other lists of names and values do not.
constexpr std::array<std::string_view, 4> passed{"received", "return-path", "delivered-to", "dkim-signature"};

bool is_name_octet(char c) { return c > ' ' && c < 0x7f && c != ':'; }

}  // namespace

HeadGuess::Answer HeadGuess::feed(std::string_view octets) {
    for (const char c : octets) {
        if (answer_ != Answer::open) break;
        if (seen_ == looked_at) {
            answer_ = has_passed_servers_ || is_certain_ ? Answer::yes : Answer::no;
            break;
        }
        answer_ = octet(c);
        ++seen_;
    }
    return answer_;
}

HeadGuess::Answer HeadGuess::finish() {
    if (answer_ == Answer::open) answer_ = Answer::no;
    return answer_;
}

HeadGuess::Answer HeadGuess::octet(char octet) {
    if (seen_ < byte_order_mark.size() && skipped_ == seen_ && octet == byte_order_mark[seen_]) {
        ++skipped_;
        return Answer::open;
    }
    if (octet == '\r' || octet == '\n') {
        const bool is_half = octet == '\n' && is_behind_cr_;
        is_behind_cr_ = octet == '\r';
        if (!has_lines_ && is_line_empty_) {
            ++skipped_;
            is_expected_ = is_certain_;  // nothing is before an entity's body but its head, and this one is empty
        }
        return is_half ? Answer::open : line_over();
    }
    is_behind_cr_ = false;
    const bool is_first = is_line_empty_;
    is_line_empty_ = false;
    if (is_named_ || is_none_) return Answer::open;
    if (octet == ':' && !name_.empty()) return name_over();
    if (is_first && has_lines_ && (octet == ' ' || octet == '\t')) {
        is_named_ = true;
        return Answer::open;
    }
    // Blanks before the colon are one more way to write it.
    const bool is_blank = octet == ' ' || octet == '\t';
    if (is_blank ? !name_.empty() : is_name_octet(octet) && !name_.ends_with(' ')) name_ += is_blank ? ' ' : to_lower(octet);
    else is_none_ = true;
    if (name_.size() > longest_name) is_none_ = true;
    // A mailbox's own first line, "From ann@example.org Mon …".
    if (!has_lines_ && (name_ == "from " || name_ == ">from ")) is_named_ = true;
    return is_none_ && !is_expected_ ? Answer::no : Answer::open;
}

HeadGuess::Answer HeadGuess::name_over() {
    is_named_ = true;
    name_.resize(name_.find_last_not_of(' ') + 1);
    has_passed_servers_ |= std::ranges::find(passed, name_) != passed.end();
    return is_expected_ || std::ranges::find(telling, name_) != telling.end() ? Answer::yes : Answer::open;
}

HeadGuess::Answer HeadGuess::line_over() {
    const bool is_head_over = is_line_empty_ && has_lines_;
    const bool is_other = !is_line_empty_ && !is_named_;
    has_lines_ |= !is_line_empty_;
    name_.clear();
    is_named_ = is_none_ = false;
    is_line_empty_ = true;
    return is_head_over || (is_other && !is_expected_) ? Answer::no : Answer::open;
}

}  // namespace sluice::mime
