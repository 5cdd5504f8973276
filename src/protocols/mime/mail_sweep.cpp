// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/mail_sweep.h"

#include <algorithm>

#include "base/text.h"
#include "protocols/mime/base64_run.h"
#include "protocols/mime/line_break.h"

namespace sluice::mime {
namespace {

constexpr std::size_t judged_by = 64;  // octets of a line
constexpr std::size_t octets_for_each_skipped = 8;  // blanks and colons in a line of base64: not more than one to so many octets

Part as_text() { return {.content_type = "text/plain", .names = {}, .is_attachment = false, .is_alternative = true}; }

bool is_base64_octet(char c) { return is_alpha(c) || is_digit(c) || c == '+' || c == '/' || c == '='; }

// Decoders skip what is no base64, so that some of it may be among it: but prose has more blanks, and what a boundary or a field begins with is none.
bool looks_like_base64(std::string_view line) {
    line = trim(line);
    if (line.starts_with("--") || equals_ignoring_case(line.substr(0, 8), "content-")) return false;
    const auto skipped = static_cast<std::size_t>(std::ranges::count_if(line, [](char c) { return c == ' ' || c == '\t' || c == ':'; }));
    if (skipped > std::max<std::size_t>(1, line.size() / octets_for_each_skipped)) return false;
    return static_cast<std::size_t>(std::ranges::count_if(line, is_base64_octet)) * 4 >= (line.size() - skipped) * 3;
}

}  // namespace

MailSweep::MailSweep(std::size_t depth, MailOutput& output)
    : pieces_(output.limits().mail_text),
      whole_(depth == 0 ? std::make_unique<PartContent>(as_text(), 0, output) : nullptr),
      quoted_(as_text(), QuotedPrintableDecoder(), true, output),
      run_(std::make_unique<Base64Run>(depth, output)),
      block_(std::make_unique<Base64Run>(depth, output)) {}

MailSweep::~MailSweep() = default;

void MailSweep::feed(std::string_view bytes) {
    pieces_.feed(bytes, [&](std::string_view one) { piece(one); });
}

void MailSweep::piece(std::string_view bytes) {
    if (whole_) whole_->feed(bytes);
    quoted_.feed(bytes);
    lines(bytes);
}

void MailSweep::lines(std::string_view bytes) {
    while (!bytes.empty()) {
        const std::size_t end = find_line_break(bytes, 0);
        std::string_view now = bytes.substr(0, end);
        if (!is_judged_) {
            const std::size_t missing = judged_by - beginning_.size();
            beginning_ += now.substr(0, missing);
            now.remove_prefix(std::min(missing, now.size()));
            if (beginning_.size() == judged_by) line_begins(beginning_);
        }
        if (is_base64_ && !now.empty()) {
            run_->feed(now);
            block_->feed(now);
        }
        if (end == bytes.size()) return;
        line_ends(bytes[end]);
        bytes.remove_prefix(end + 1);
    }
}

void MailSweep::line_begins(std::string_view beginning) {
    is_judged_ = true;
    is_base64_ = looks_like_base64(beginning);
    if (!is_base64_) {
        run_->end();
        block_->end();
        return;
    }
    run_->feed(beginning);
    block_->feed(beginning);
}

void MailSweep::line_ends(char at) {
    const bool is_half = at == '\n' && is_behind_cr_ && !is_judged_ && beginning_.empty();
    if (!is_half && !is_judged_) {
        if (trim(beginning_).empty()) block_->end();
        else line_begins(beginning_);
    }
    is_behind_cr_ = at == '\r';
    beginning_.clear();
    is_judged_ = false;
    is_base64_ = false;
}

void MailSweep::finish() {
    piece(pieces_.rest());
    line_ends('\n');
    run_->end();
    block_->end();
    if (whole_) whole_->finish();
    quoted_.finish();
}

}  // namespace sluice::mime
