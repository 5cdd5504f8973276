// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/embedded_files.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "protocols/mime/mail_names.h"
#include "protocols/mime/part_content.h"

namespace sluice::mime {
namespace {

constexpr std::size_t most_other_lines = 8;  // behind one that begins a file, and before its own

}  // namespace

EmbeddedFiles::EmbeddedFiles(std::size_t depth, bool is_alternative, MailOutput& output)
    : depth_(depth),
      is_alternative_(is_alternative),
      output_(output) {}

EmbeddedFiles::~EmbeddedFiles() = default;

// Every line of a file; of text those that may begin one.
bool EmbeddedFiles::is_of_interest(char first) const {
    constexpr std::string_view firsts = "bB=(- \t";
    return kind_ != Kind::none || firsts.contains(first);
}

void EmbeddedFiles::feed(std::string_view text) {
    const std::size_t longest = output_.limits().mail_text;
    while (!text.empty()) {
        if (is_line_start_) {
            is_skipped_ = !is_of_interest(text.front());
            is_first_piece_ = true;
            is_line_start_ = false;
        }
        const std::size_t end = text.find('\n');
        std::string_view now = text.substr(0, end);
        text.remove_prefix(std::min(now.size() + 1, text.size()));
        while (!is_skipped_ && line_.size() + now.size() > longest) {
            const std::string_view piece = now.substr(0, longest - line_.size());
            line_ += piece;
            now.remove_prefix(piece.size());
            line(line_, is_first_piece_);
            is_first_piece_ = false;
            line_.clear();
        }
        if (end == std::string_view::npos) {
            if (!is_skipped_) line_ += now;
            return;
        }
        if (!is_skipped_ && line_.empty()) line(now, is_first_piece_);
        else if (!is_skipped_) line(line_ += now, is_first_piece_);
        line_.clear();
        is_line_start_ = true;
    }
}

void EmbeddedFiles::finish() {
    if (!line_.empty()) line(line_, is_first_piece_);
    line_.clear();
    end_file();
}

void EmbeddedFiles::line(std::string_view line, bool is_first_piece) {
    while (line.ends_with('\r')) line.remove_suffix(1);
    if (is_first_piece && line.starts_with(pgp_message) && trim(line) == pgp_message) has_pgp_message_ = true;
    if (is_first_piece && kind_ != Kind::yenc) {
        const std::string_view word = trim(line).substr(0, 5);
        if ((equals_ignoring_case(word, "begin") || line.starts_with("=ybegin ") || word.starts_with('(')) && begins_file(line)) return;
    }
    if (kind_ == Kind::none) return;
    const bool is_end = kind_ == Kind::yenc     ? line.starts_with("=yend")
                        : kind_ == Kind::binhex ? false
                        : kind_ == Kind::base64 ? line.starts_with("====")
                                                : equals_ignoring_case(trim(line), "end");
    if (is_first_piece && is_end) end_file();
    else if (!(is_first_piece && kind_ == Kind::yenc && line.starts_with("=y"))) file_line(line);
}

// A line that begins a file ends the one that is open.
bool EmbeddedFiles::begins_file(std::string_view line) {
    const EncodedFileBegin begin = encoded_file_begin(line);
    if (begin.kind == Kind::none) return false;
    end_file();
    kind_ = begin.kind;
    name_ = begin.name;
    base64_ = Base64Decoder();
    if (kind_ == Kind::binhex) expect_binhex();
    return true;
}

void EmbeddedFiles::expect_binhex() {
    kind_ = Kind::binhex;
    binhex_.emplace();
}

void EmbeddedFiles::file_line(std::string_view line) {
    if (line.empty()) return;
    if (kind_ == Kind::binhex) return binhex_line(line);
    if (!has_lines_) {
        const bool is_uu = is_uu_line(line);
        const bool is_xx = kind_ == Kind::uuencode && is_xx_line(line);
        // Some readers go on to the first line that is one. Without any it is prose that begins with "begin".
        if (kind_ == Kind::uuencode && !is_uu && !is_xx) {
            if (++other_lines_ > most_other_lines) end_file();
            return;
        }
        has_lines_ = has_files_ = true;
        output_.note(Ambiguity::uuencoded);
        if (is_uu || kind_ != Kind::uuencode) open(file_, false);
        if (is_xx) open(as_xx_, is_uu);
    }
    decoded_.clear();
    if (kind_ == Kind::base64) {
        std::array<char, 1024> buffer;
        while (!line.empty()) file_->feed(base64_.decode(line, buffer));
        return;
    }
    if (kind_ == Kind::yenc) decode_yenc(line, is_escaped_, decoded_);
    else if (file_) decode_uu_line(line, decoded_);
    if (file_) file_->feed(decoded_);
    if (!as_xx_) return;
    decoded_.clear();
    decode_xx_line(line, decoded_);
    as_xx_->feed(decoded_);
}

// The forks are parts of one name: what a receiver without forks has of it, and what only another gets to see.
void EmbeddedFiles::binhex_line(std::string_view line) {
    if (!has_lines_ && !trim(line).starts_with(':')) return;
    if (!has_lines_) output_.note(Ambiguity::uuencoded);
    has_lines_ = has_files_ = true;
    decoded_.clear();
    of_resource_fork_.clear();
    binhex_->feed(line, output_.expandable(), decoded_, of_resource_fork_);
    output_.expand(decoded_.size() + of_resource_fork_.size());
    name_ = binhex_->name();
    if (!decoded_.empty() && !file_) open(file_, false);
    if (!of_resource_fork_.empty() && !resource_fork_) open(resource_fork_, false);
    if (file_) file_->feed(decoded_);
    if (resource_fork_) resource_fork_->feed(of_resource_fork_);
    if (binhex_->is_too_large()) output_.note(Ambiguity::too_many);
    if (binhex_->is_over()) end_file();
}

void EmbeddedFiles::open(std::unique_ptr<PartContent>& into, bool is_other) {
    MailNames names(output_.limits().header_parameters, output_.limits().mail_text);
    names.add(name_);
    Part part{.content_type = "application/octet-stream",
              .names = names.names(),
              .is_attachment = true,
              .is_alternative = is_alternative_ || is_other};
    into = std::make_unique<PartContent>(std::move(part), depth_ + 1, output_);
}

void EmbeddedFiles::end_file() {
    if (kind_ == Kind::base64 && file_) {
        std::array<char, Base64Decoder::smallest_buffer> buffer;
        file_->feed(base64_.finish(buffer));
    }
    if (file_) file_->finish();
    if (as_xx_) as_xx_->finish();
    if (resource_fork_) resource_fork_->finish();
    file_.reset();
    as_xx_.reset();
    resource_fork_.reset();
    binhex_.reset();
    kind_ = Kind::none;
    has_lines_ = false;
    other_lines_ = 0;
    is_escaped_ = false;
}

}  // namespace sluice::mime
