// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/mail_structure.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "protocols/mime/base64_decoder.h"
#include "protocols/mime/mail_head.h"
#include "protocols/mime/quoted_printable_decoder.h"

namespace sluice::mime {

// A container's content, decoded and read as what it says it is. A message with a name is a file for whoever gets it: that is a part too.
class MailContainer {
public:
    MailContainer(const MailEntity& entity, std::size_t depth, MailOutput& output, bool is_alternative)
        : output_(output),
          coding_(entity.codings.front()),
          file_{.content_type = entity.type,
                .names = entity.names,
                .is_attachment = true,
                .is_alternative = is_alternative || output.reading() != Reading::usual},
          is_file_told_(is_named_message(entity) && output.begin(file_)),
          structure_(entity, depth, output, is_alternative) {}

    static bool is_named_message(const MailEntity& entity) { return entity.kind == MailEntity::Kind::message && !entity.names.empty(); }

    void feed(std::string_view encoded) {
        if (coding_ == Coding::base64)
            while (!encoded.empty()) decoded(base64_.decode(encoded, buffer_));
        else if (coding_ == Coding::quoted_printable)
            while (!encoded.empty()) decoded(quoted_.decode(encoded, buffer_));
        else decoded(encoded);
    }
    void finish() {
        if (coding_ == Coding::base64) decoded(base64_.finish(buffer_));
        if (coding_ == Coding::quoted_printable) decoded(quoted_.finish(buffer_));
        if (is_file_told_) output_.end(file_);
        if (base64_.is_odd()) output_.note(Ambiguity::bad_base64, Reading::sweep);
        if (quoted_.is_odd()) output_.note(Ambiguity::bad_quoted_printable, Reading::sweep);
        structure_.finish();
    }

private:
    void decoded(std::string_view octets) {
        if (is_file_told_) output_.data(file_, octets);
        structure_.feed(octets);
    }

    MailOutput& output_;
    Coding coding_;
    Part file_;
    bool is_file_told_;
    Base64Decoder base64_;
    QuotedPrintableDecoder quoted_;
    std::array<char, 4 * 1024> buffer_;  // of its own: each of many levels would have one on the stack
    MailStructure structure_;
};

namespace {

constexpr std::size_t looked_at = 64;  // octets of a line between parts

bool is_base64_octet(char c) { return is_alpha(c) || is_digit(c) || c == '+' || c == '/'; }

// What some reader may take for a part's beginning, or for an attachment.
bool looks_like_part(std::string_view line) {
    if (line.size() > 8 && equals_ignoring_case(line.substr(0, 8), "content-")) return line.contains(':');
    if (line.starts_with("begin ") && line.size() > 10) return is_digit(line[6]) && is_digit(line[7]) && is_digit(line[8]);
    return line.size() >= 56 && std::ranges::all_of(line.substr(0, 56), is_base64_octet);
}

}  // namespace

MailStructure::MailStructure(std::size_t depth, MailOutput& output, Place place, bool is_alternative, bool is_guessed)
    : output_(output),
      depth_(depth),
      place_(place),
      header_(output),
      is_head_told_(depth > 0),
      is_alternative_(is_alternative),
      levels_(output, is_guessed),
      scanner_(output.limits().mail_text, output.reading() == Reading::last_wins) {}

MailStructure::MailStructure(const MailEntity& entity, std::size_t depth, MailOutput& output, bool is_alternative)
    : MailStructure(depth, output, Place::message, is_alternative) {
    MailEntity content = entity;
    content.codings = {Coding::identity};
    if (MailContainer::is_named_message(content)) content.names.clear();  // which has been told
    begin_content(content);
}

MailStructure::~MailStructure() = default;

void MailStructure::feed(std::string_view bytes) {
    while (!bytes.empty()) {
        if (where_ == Where::header) header(bytes);
        else body(bytes);
    }
}

void MailStructure::header(std::string_view& in) {
    switch (header_.next(in)) {
        case HeaderSection::Event::need_more: break;
        case HeaderSection::Event::line: header_line(); break;
        case HeaderSection::Event::end: header_over(); break;
        case HeaderSection::Event::body: {
            const std::string line(header_.line_with_break());
            header_.drop_line();
            header_over();
            feed(line);
            break;
        }
    }
}

// A boundary ends a header section too.
void MailStructure::header_line() {
    const std::string_view line = header_.line();
    if (!line.starts_with("--") || !levels_.has_boundaries()) return;
    const auto match = levels_.match(line);
    if (!match) return;
    header_.drop_line();
    if (!header_.text().empty()) output_.note(Ambiguity::bad_header, Reading::sweep);
    header_over();
    scanner_.restart();
    boundary(*match);
}

void MailStructure::header_over() {
    std::string text(header_.text());
    const std::size_t size = header_.size();
    header_.clear();
    const std::vector<HeaderField> fields = header_fields(text, output_);
    if (!is_head_told_) {
        is_head_told_ = true;
        MailHead head = mail_head(fields, output_.limits());
        head.size = size;
        output_.head(head);
    }
    begin_content(read_entity(fields, place_, output_));
}

void MailStructure::begin_header(Place place) {
    where_ = Where::header;
    place_ = place;
}

void MailStructure::begin_content(const MailEntity& entity) {
    scanner_.restart();
    const bool is_container = entity.kind != MailEntity::Kind::leaf;
    const bool is_too_deep = is_container && depth_ + levels_.size() + 1 >= output_.limits().mail_depth;
    if (is_too_deep) output_.note(Ambiguity::too_deep);
    if (!is_container || is_too_deep) {
        if (!entity.other_boundary.empty() && !is_too_deep)
            levels_.open({.kind = MailLevel::Kind::claimed, .boundary = entity.other_boundary});
        begin_leaf(entity);
    } else if (entity.codings.front() != Coding::identity || MailContainer::is_named_message(entity)) {
        container_ = std::make_unique<MailContainer>(entity, depth_ + levels_.size() + 1, output_, is_alternative_);
        where_ = Where::container;
    } else if (entity.kind == MailEntity::Kind::message) {
        levels_.open({.kind = MailLevel::Kind::message});
        begin_header(Place::message);
    } else if (entity.boundary.empty() && output_.reading() != Reading::last_wins) {
        begin_leaf(entity);
    } else {
        if (entity.type == "multipart/encrypted" && !is_encrypted()) encrypted_level_ = levels_.size();
        levels_.open({.kind = entity.boundary.empty() ? MailLevel::Kind::unknown : MailLevel::Kind::multipart,
                      .boundary = entity.boundary,
                      .is_digest = entity.type == "multipart/digest"});
        where_ = Where::between;
    }
}

void MailStructure::begin_leaf(const MailEntity& entity) {
    const MailLeaf::Within within{depth_ + levels_.size(), is_alternative_, is_encrypted()};
    leaf_ = std::make_unique<MailLeaf>(entity, within, output_);
    where_ = Where::leaf;
}

// In a multipart/encrypted, one part says how, and another is the content.
bool MailStructure::is_encrypted() const { return encrypted_level_ && levels_.size() > *encrypted_level_; }

void MailStructure::body(std::string_view& in) {
    has_body_ = true;
    if (!levels_.has_boundaries()) {
        give(in);
        in = {};
        return;
    }
    const BoundaryScanner::Piece piece = scanner_.next(in);
    if (piece.kind != BoundaryScanner::Piece::Kind::need_more) boundary_or_content(piece);
}

void MailStructure::boundary_or_content(const BoundaryScanner::Piece& piece) {
    if (piece.kind == BoundaryScanner::Piece::Kind::data) {
        give(piece.text);
        return;
    }
    const auto match = levels_.match(piece.text);
    const bool counts = match && (!piece.is_behind_cr || output_.reading() == Reading::last_wins);
    if (match && !counts) output_.note(Ambiguity::bad_boundary, Reading::last_wins, Reading::sweep);
    if (!counts) {
        give(scanner_.refuse());
        return;
    }
    scanner_.accept();
    boundary(*match);
}

void MailStructure::boundary(BoundaryMatch match) {
    end_content();
    const MailLevel& level = levels_.reach(match);
    if (!is_encrypted()) encrypted_level_.reset();
    if (match.is_last) where_ = Where::between;
    else begin_header(level.is_digest ? Place::digest : Place::part);
}

void MailStructure::give(std::string_view data) {
    if (where_ == Where::leaf) leaf_->feed(data);
    else if (where_ == Where::container) container_->feed(data);
    else look_between(data);
}

void MailStructure::look_between(std::string_view data) {
    levels_.take_between(data);
    while (!data.empty()) {
        const std::size_t end = std::min(data.find('\n'), data.size());
        if (between_.size() < looked_at) between_ += data.substr(0, std::min(end, looked_at - between_.size()));
        if (end < data.size()) line_between();
        data.remove_prefix(std::min(end + 1, data.size()));
    }
}

void MailStructure::line_between() {
    if (looks_like_part(between_)) output_.note(Ambiguity::stray_part, Reading::sweep);
    between_.clear();
}

void MailStructure::end_content() {
    line_between();
    if (leaf_) leaf_->finish();
    if (container_) container_->finish();
    leaf_.reset();
    container_.reset();
}

void MailStructure::finish() {
    if (where_ == Where::header) {
        if (header_.finish() == HeaderSection::Event::line) header_line();
        // Of a part that has nothing at all only its boundary was there.
        if (where_ == Where::header && (!header_.text().empty() || !is_head_told_)) header_over();
    }
    while (where_ != Where::header) {
        const BoundaryScanner::Piece piece = scanner_.finish();
        if (piece.kind == BoundaryScanner::Piece::Kind::need_more) break;
        boundary_or_content(piece);
    }
    end_content();
    // Where a head is all that there is, as in reports, no part could have come.
    if (has_body_ || depth_ == 0) levels_.close();
}

}  // namespace sluice::mime
