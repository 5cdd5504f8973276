// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/part_content.h"

#include <utility>

namespace sluice::mime {

PartContent::PartContent(Part part, std::size_t depth, MailOutput& output)
    : output_(output),
      part_(std::move(part)),
      depth_(depth),
      is_told_(output.begin(part_)) {}

void PartContent::feed(std::string_view decoded) {
    if (!is_told_) return;
    output_.data(part_, decoded);
}

void PartContent::finish() {
    if (is_told_) output_.end(part_);
}

}  // namespace sluice::mime
