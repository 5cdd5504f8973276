// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/leaf_reading.h"

#include <array>
#include <utility>

namespace sluice::mime {
namespace {

constexpr std::size_t decoded_at_once = 8 * 1024;

template <class Decoder>
void decode(Decoder& decoder, std::string_view in, PartContent& into) {
    std::array<char, decoded_at_once> buffer;  // not initialised: it is written before it is read
    while (!in.empty()) into.feed(decoder.decode(in, buffer));
}

}  // namespace

LeafReading::LeafReading(Part part, LeafDecoder decoder, bool may_embed, MailOutput& output, std::size_t depth)
    : output_(output),
      decoder_(std::move(decoder)),
      is_uuencoded_(may_embed && std::holds_alternative<std::monostate>(decoder_)),
      content_(std::move(part), depth, output, may_embed) {}

void LeafReading::feed(std::string_view encoded) {
    if (auto* base64 = std::get_if<Base64Decoder>(&decoder_)) decode(*base64, encoded, content_);
    else if (auto* quoted = std::get_if<QuotedPrintableDecoder>(&decoder_)) decode(*quoted, encoded, content_);
    else content_.feed(encoded);
}

void LeafReading::finish() {
    std::array<char, QuotedPrintableDecoder::smallest_buffer> buffer;
    if (auto* base64 = std::get_if<Base64Decoder>(&decoder_)) content_.feed(base64->finish(buffer));
    else if (auto* quoted = std::get_if<QuotedPrintableDecoder>(&decoder_)) content_.feed(quoted->finish(buffer));
    judge();
    content_.finish();
    // Lines without their beginning may be decoded all the same.
    if (is_uuencoded_ && !content_.has_files()) output_.note(Ambiguity::bad_transfer_encoding, Reading::sweep);
}

// An alternative is one because something was odd already.
void LeafReading::judge() {
    if (content_.part().is_alternative) return;
    const auto* base64 = std::get_if<Base64Decoder>(&decoder_);
    const auto* quoted = std::get_if<QuotedPrintableDecoder>(&decoder_);
    if (base64 != nullptr && base64->is_odd()) output_.note(Ambiguity::bad_base64, Reading::strict);
    if (quoted != nullptr && quoted->is_odd()) output_.note(Ambiguity::bad_quoted_printable, Reading::strict);
}

}  // namespace sluice::mime
