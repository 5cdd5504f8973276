// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/smime_reader.h"

#include <utility>

#include "base/text.h"
#include "protocols/mime/part_content.h"

namespace sluice::mime {
namespace {

constexpr std::string_view of_signed_files = ".p7m";

// A signed file is called "a.pdf.p7m", a signed message "smime.p7m".
std::vector<std::string> names_within(const std::vector<std::string>& names) {
    std::vector<std::string> out;
    for (const std::string& name : names) {
        if (name.size() <= of_signed_files.size()) continue;
        const std::size_t at = name.size() - of_signed_files.size();
        if (equals_ignoring_case(std::string_view(name).substr(at), of_signed_files) && name.substr(0, at).contains('.'))
            out.push_back(name.substr(0, at));
    }
    return out;
}

}  // namespace

SmimeReader::SmimeReader(const Part& outer, bool is_said, std::size_t depth, MailOutput& output)
    : part_{.content_type = "application/octet-stream", .names = names_within(outer.names), .is_alternative = outer.is_alternative},
      is_said_(is_said),
      depth_(depth),
      output_(output),
      data_(*this) {
    part_.is_attachment = !part_.names.empty();
}

SmimeReader::~SmimeReader() = default;

void SmimeReader::on_content(std::string_view octets) {
    if (!content_) {
        content_ = std::make_unique<PartContent>(part_, depth_ + 1, output_, true);
        content_->expect_entity();
    }
    content_->feed(octets);
}

void SmimeReader::finish() {
    const SignedData::Kind kind = data_.kind();
    // Catalogues and certificates are such data too, with content of other types or none.
    const bool is_cut = !data_.is_over() && (is_said_ || content_);
    if (is_cut || data_.is_odd() || (data_.is_broken() && is_said_) || (kind == SignedData::Kind::other && is_said_))
        output_.note(Ambiguity::bad_smime, Reading::sweep);
    if (content_) content_->finish();
}

}  // namespace sluice::mime
