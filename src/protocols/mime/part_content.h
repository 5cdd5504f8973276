// SPDX-License-Identifier: Apache-2.0
// Decoded octets of a part on their way to the sink.
#pragma once

#include <cstddef>
#include <string_view>

#include "protocols/mime/mail_output.h"

namespace sluice::mime {

class PartContent {
public:
    // Begins the part, unless it is beyond the bounds: then nothing of it is told. `depth`: parts it was found in. `output` outlives it.
    PartContent(Part part, std::size_t depth, MailOutput& output);

    void feed(std::string_view decoded);
    void finish();

    const Part& part() const { return part_; }

private:
    MailOutput& output_;
    Part part_;
    [[maybe_unused]] std::size_t depth_;
    bool is_told_;
};

}  // namespace sluice::mime
