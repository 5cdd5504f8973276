// SPDX-License-Identifier: Apache-2.0
// The content of a leaf: decoded in each of the ways in which readers decode it, and told.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "protocols/mime/line_pieces.h"
#include "protocols/mime/mail_entity.h"
#include "protocols/mime/mail_output.h"

namespace sluice::mime {

class LeafReading;

class MailLeaf {
public:
    // Where it stands: `depth` messages and multiparts deep, in what is an alternative reading or encrypted as a whole. `output` outlives it.
    struct Within {
        std::size_t depth;
        bool is_alternative;
        bool is_encrypted;
    };
    MailLeaf(const MailEntity& entity, Within within, MailOutput& output);
    ~MailLeaf();
    MailLeaf(const MailLeaf&) = delete;
    MailLeaf& operator=(const MailLeaf&) = delete;

    void feed(std::string_view encoded);
    void finish();

private:
    std::vector<std::unique_ptr<LeafReading>> readings_;
    LinePieces pieces_;  // where there are several readings
};

}  // namespace sluice::mime
