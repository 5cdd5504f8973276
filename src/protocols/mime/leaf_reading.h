// SPDX-License-Identifier: Apache-2.0
// One way of decoding a leaf.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <variant>

#include "protocols/mime/base64_decoder.h"
#include "protocols/mime/mail_output.h"
#include "protocols/mime/part_content.h"
#include "protocols/mime/quoted_printable_decoder.h"

namespace sluice::mime {

using LeafDecoder = std::variant<std::monostate, Base64Decoder, QuotedPrintableDecoder>;  // monostate: as it is

class LeafReading {
public:
    // `depth`: messages and multiparts that it is in. `output` outlives it.
    LeafReading(Part part, LeafDecoder decoder, bool may_embed, MailOutput& output, std::size_t depth = 0);

    void feed(std::string_view encoded);
    void finish();

private:
    void judge();

    MailOutput& output_;
    LeafDecoder decoder_;
    bool is_uuencoded_;  // it is said to be
    PartContent content_;
};

}  // namespace sluice::mime
