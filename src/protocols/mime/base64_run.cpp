// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/base64_run.h"

#include <array>

#include "protocols/mime/mail_sweep.h"

namespace sluice::mime {
namespace {

constexpr std::size_t least = 32;  // octets of a run: what decodes to less than 24 is no attachment that does harm
constexpr std::size_t deepest = 2;  // base64 within base64 that is looked into
constexpr std::size_t decoded_at_once = 1024;

}  // namespace

Base64Run::Base64Run(std::size_t depth, MailOutput& output) : depth_(depth), output_(output) {}

Base64Run::~Base64Run() = default;

void Base64Run::feed(std::string_view encoded) {
    if (content_) return decode(encoded);
    const std::size_t missing = least - pending_.size();
    pending_ += encoded.substr(0, missing);
    if (pending_.size() < least) return;
    Part part{.content_type = "application/octet-stream", .names = {}, .is_attachment = false, .is_alternative = true};
    content_ = std::make_unique<PartContent>(std::move(part), 0, output_);
    if (depth_ < deepest) within_ = std::make_unique<MailSweep>(depth_ + 1, output_);
    decode(pending_);
    decode(encoded.substr(std::min(missing, encoded.size())));
}

void Base64Run::decode(std::string_view encoded) {
    std::array<char, decoded_at_once> buffer;
    while (!encoded.empty()) {
        const std::string_view decoded = decoder_.decode(encoded, buffer);
        content_->feed(decoded);
        if (within_) within_->feed(decoded);
    }
}

void Base64Run::end() {
    if (content_) {
        std::array<char, Base64Decoder::smallest_buffer> buffer;
        const std::string_view decoded = decoder_.finish(buffer);
        content_->feed(decoded);
        content_->finish();
        if (within_) {
            within_->feed(decoded);
            within_->finish();
        }
    }
    content_.reset();
    within_.reset();
    decoder_ = Base64Decoder();
    pending_.clear();
}

}  // namespace sluice::mime
