// SPDX-License-Identifier: Apache-2.0
// Decoded octets of a part on their way to the sink; and what is within them that mail's readers take out: files within a text, TNEF.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/mime/mail_output.h"

namespace sluice::mime {

class EmbeddedFiles;
class TnefReader;

class PartContent {
public:
    // Begins the part, unless it is beyond the bounds: then nothing of it is told. `depth`: parts that it was found in. `output` outlives it.
    // `may_embed`: it may have files within though it is no text.
    PartContent(Part part, std::size_t depth, MailOutput& output, bool may_embed = false);
    ~PartContent();
    PartContent(const PartContent&) = delete;
    PartContent& operator=(const PartContent&) = delete;

    void feed(std::string_view decoded);
    void rename(std::vector<std::string> names) { part_.names = std::move(names); }  // before its end
    void finish();

    const Part& part() const { return part_; }

private:
    void look_at_beginning(std::string_view decoded);

    MailOutput& output_;
    Part part_;
    std::size_t depth_;
    bool is_told_;
    bool is_looked_at_ = false;  // its first octets, which may be TNEF's
    std::string beginning_;
    std::unique_ptr<EmbeddedFiles> files_;
    std::unique_ptr<TnefReader> tnef_;
};

}  // namespace sluice::mime
