// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/mail_leaf.h"

#include <utility>

#include "protocols/mime/leaf_reading.h"

namespace sluice::mime {
namespace {

using Base64Way = Base64Decoder::Way;
using QuotedWay = QuotedPrintableDecoder::Way;

// In a further pass over what is ambiguous anyway, all ways of one coding; in the first the usual one, which says whether there are others.
std::vector<LeafDecoder> ways_of(Coding coding, bool all) {
    std::vector<LeafDecoder> out;
    if (coding == Coding::base64) {
        out.emplace_back(Base64Decoder(Base64Way::forgiving));
        if (all)
            for (const auto way : {Base64Way::padding_ends, Base64Way::padding_skipped, Base64Way::strict})
                out.emplace_back(Base64Decoder(way));
    } else if (coding == Coding::quoted_printable) {
        out.emplace_back(QuotedPrintableDecoder(QuotedWay::forgiving));
        if (all) out.emplace_back(QuotedPrintableDecoder(QuotedWay::strict));
    } else {
        out.emplace_back();
    }
    return out;
}

}  // namespace

MailLeaf::MailLeaf(const MailEntity& entity, Within within, MailOutput& output) : pieces_(output.limits().mail_text) {
    for (const Coding coding : entity.codings)
        for (LeafDecoder& decoder : ways_of(coding, output.reading() == Reading::strict)) {
            Part part{.content_type = entity.type,
                      .names = entity.names,
                      .is_attachment = entity.is_attachment,
                      .is_encrypted = within.is_encrypted,
                      .is_alternative = within.is_alternative || !readings_.empty()};
            readings_.push_back(
                std::make_unique<LeafReading>(std::move(part), std::move(decoder), coding == Coding::uuencode, output, within.depth));
        }
}

MailLeaf::~MailLeaf() = default;

void MailLeaf::feed(std::string_view encoded) {
    if (readings_.size() == 1) return readings_.front()->feed(encoded);
    pieces_.feed(encoded, [&](std::string_view piece) {
        for (const auto& reading : readings_) reading->feed(piece);
    });
}

void MailLeaf::finish() {
    for (const auto& reading : readings_) {
        reading->feed(pieces_.rest());
        reading->finish();
    }
}

}  // namespace sluice::mime
