// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/part_content.h"

#include <utility>

#include "protocols/mime/embedded_files.h"
#include "protocols/mime/tnef_reader.h"

namespace sluice::mime {
namespace {

bool is_tnef(std::string_view type) { return type == "application/ms-tnef" || type == "application/vnd.ms-tnef"; }

}  // namespace

PartContent::PartContent(Part part, std::size_t depth, MailOutput& output, bool may_embed)
    : output_(output),
      part_(std::move(part)),
      depth_(depth),
      is_told_(output.begin(part_)) {
    if (!is_told_) return;
    const bool is_binhex = part_.content_type == "application/mac-binhex40";
    if (may_embed || is_binhex || part_.content_type.starts_with("text/"))
        files_ = std::make_unique<EmbeddedFiles>(depth, part_.is_alternative, output);
    if (is_binhex) files_->expect_binhex();
}

PartContent::~PartContent() = default;

void PartContent::feed(std::string_view decoded) {
    if (!is_told_ || decoded.empty()) return;
    output_.data(part_, decoded);
    if (!is_looked_at_) look_at_beginning(decoded);
    else if (tnef_) tnef_->feed(decoded);
    if (files_) files_->feed(decoded);
}

// Octets that have not come yet cannot make it another's beginning: four decide.
void PartContent::look_at_beginning(std::string_view decoded) {
    const std::size_t missing = TnefReader::signature.size() - beginning_.size();
    beginning_ += decoded.substr(0, missing);
    const bool is_said = is_tnef(part_.content_type);
    const bool may_be = TnefReader::signature.starts_with(beginning_);
    if (may_be && beginning_.size() < TnefReader::signature.size()) return;
    is_looked_at_ = true;
    if (!may_be && is_said) output_.note(Ambiguity::bad_tnef);
    if (!may_be) return;
    if (depth_ >= output_.limits().mail_depth) {
        output_.note(Ambiguity::too_deep);
        return;
    }
    files_.reset();
    tnef_ = std::make_unique<TnefReader>(depth_, part_.is_alternative, output_);
    tnef_->feed(TnefReader::signature);
    tnef_->feed(decoded.substr(std::min(missing, decoded.size())));
}

void PartContent::finish() {
    if (!is_told_) return;
    if (files_) files_->finish();
    if (tnef_) tnef_->finish();
    output_.end(part_);
}

}  // namespace sluice::mime
