// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/part_content.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "protocols/mime/embedded_files.h"
#include "protocols/mime/mail_structure.h"
#include "protocols/mime/smime_reader.h"
#include "protocols/mime/tnef_reader.h"

namespace sluice::mime {

using std::string_view_literals::operator""sv;

namespace {

constexpr std::size_t looked_at_for_pgp = 64;

template <std::size_t size>
bool is_one_of(std::string_view type, const std::array<std::string_view, size>& types) {
    return std::ranges::find(types, type) != types.end();
}

bool is_tnef_said(std::string_view type) { return is_one_of(type, std::array{"application/ms-tnef"sv, "application/vnd.ms-tnef"sv}); }
bool is_smime_said(std::string_view type) {
    return is_one_of(type, std::array{"application/pkcs7-mime"sv, "application/x-pkcs7-mime"sv, "application/cms"sv});
}
bool is_encrypted_said(std::string_view type) {
    return is_one_of(type, std::array{"application/pgp-encrypted"sv, "multipart/encrypted"sv});
}

// Files that mail programs open as messages.
bool is_mail_file(const Part& part) {
    if (is_one_of(part.content_type, std::array{"application/x-mimearchive"sv, "application/x-message"sv, "text/rfc822"sv})) return true;
    return std::ranges::any_of(
        part.names, [](const std::string& name) { return is_one_of(file_extension(name), std::array{"eml"sv, "mht"sv, "mhtml"sv}); });
}

// A head is all that they have, or what they are about is elsewhere.
bool is_without_body(std::string_view type) {
    return is_one_of(type,
                     std::array{"text/rfc822-headers"sv, "message/partial"sv, "message/external-body"sv, "message/delivery-status"sv});
}

// Reports and the like, which few readers enter and no sender of malware needs.
bool is_known_message(std::string_view type) {
    return is_one_of(type, std::array{"message/feedback-report"sv, "message/disposition-notification"sv, "message/global-headers"sv,
                                      "message/global-delivery-status"sv, "message/global-disposition-notification"sv, "message/cpim"sv,
                                      "message/http"sv, "message/sip"sv, "message/sipfrag"sv, "message/tracking-status"sv});
}

// Nothing: more octets must come.
std::optional<bool> is_tnef(std::string_view beginning) {
    const std::string_view now = beginning.substr(0, TnefReader::signature.size());
    if (!TnefReader::signature.starts_with(now)) return false;
    if (now.size() < TnefReader::signature.size()) return std::nullopt;
    return true;
}

std::optional<bool> is_pgp_message(std::string_view beginning) {
    const std::string_view now = beginning.substr(0, looked_at_for_pgp);
    const std::string_view text = now.substr(std::min(now.find_first_not_of(" \t\r\n"), now.size()));
    if (text.starts_with(EmbeddedFiles::pgp_message)) return true;
    if (now.size() < looked_at_for_pgp && EmbeddedFiles::pgp_message.starts_with(text)) return std::nullopt;
    return false;
}

}  // namespace

PartContent::PartContent(Part part, std::size_t depth, MailOutput& output, bool may_embed)
    : output_(output),
      part_(std::move(part)),
      depth_(depth),
      is_told_(output.begin(part_)) {
    if (!is_told_) return;
    const std::string_view type = part_.content_type;
    const bool is_text = type.starts_with("text/");
    const bool is_binhex = type == "application/mac-binhex40";
    if (may_embed || is_binhex || is_text) files_ = std::make_unique<EmbeddedFiles>(depth, part_.is_alternative, output);
    if (is_binhex) files_->expect_binhex();
    if (is_encrypted_said(type)) part_.is_encrypted = true;
    is_mail_said_ = is_mail_file(part_);
    // A sweep has the whole message as a text: its own head is none that is within.
    const bool is_swept = output.reading() == Reading::sweep && is_text;
    if ((is_mail_said_ || !is_without_body(type)) && !is_swept)
        guess_.emplace(is_mail_said_ ? HeadGuess::Expected::by_name : HeadGuess::Expected::no);
}

PartContent::~PartContent() = default;

bool PartContent::has_files() const { return files_ && files_->has_files(); }

void PartContent::expect_entity() {
    is_entity_ = true;
    guess_.emplace(HeadGuess::Expected::by_place);
}

void PartContent::feed(std::string_view decoded) {
    if (!is_told_ || decoded.empty()) return;
    output_.data(part_, decoded);
    if (files_) files_->feed(decoded);
    if (is_looked_at_) feed_within(decoded);
    else look_at_beginning(decoded);
}

void PartContent::look_at_beginning(std::string_view decoded) {
    const std::string_view now = decoded.substr(0, HeadGuess::looked_at + 1 - beginning_.size());
    beginning_ += now;
    const auto judge = [&](std::optional<bool>& state, std::optional<bool> answer) {
        if (!state) state = answer;
        return state.value_or(false);
    };
    const HeadGuess::Answer guess = guess_ ? guess_->feed(now) : HeadGuess::Answer::no;
    if (!files_ && judge(is_pgp_, is_pgp_message(beginning_))) part_.is_encrypted = true;
    const bool is_tnef_now = judge(is_tnef_, is_tnef(beginning_));
    const bool is_smime_now = judge(is_smime_, SignedData::is_begun_by(beginning_));
    if (!is_tnef_ || !is_smime_) return;
    std::size_t skipped = 0;
    if (is_tnef_now) {
        begin_tnef();
    } else if (is_smime_now) {
        begin_smime();
    } else if (guess == HeadGuess::Answer::yes) {
        skipped = guess_->skipped();
        begin_mail();
    } else if (guess == HeadGuess::Answer::open || (!files_ && !is_pgp_)) {
        return;
    }
    is_looked_at_ = true;
    if (!is_tnef_now && is_tnef_said(part_.content_type)) output_.note(Ambiguity::bad_tnef);
    if (!is_smime_now && is_smime_said(part_.content_type)) output_.note(Ambiguity::bad_smime, Reading::sweep);
    const std::string beginning = std::move(beginning_);
    feed_within(std::string_view(beginning).substr(skipped));
    feed_within(decoded.substr(now.size()));
}

// A text that begins so is a text as well.
void PartContent::begin_tnef() {
    if (is_within(depth_)) tnef_ = std::make_unique<TnefReader>(depth_, part_.is_alternative, output_);
}

void PartContent::begin_smime() {
    if (is_within(depth_)) smime_ = std::make_unique<SmimeReader>(part_, is_smime_said(part_.content_type), depth_, output_);
}

void PartContent::begin_mail() {
    const std::string_view type = part_.content_type;
    const bool is_message = type.starts_with("message/");
    if (is_message && !is_known_message(type)) output_.note(Ambiguity::bad_content_type);
    // Every reading of a leaf may be mail, with leaves of several readings: without a bound on those that are open they multiply.
    if (!is_within(depth_ + 1) || !output_.open_nested()) return;
    const bool is_alternative = part_.is_alternative || (!is_mail_said_ && !is_entity_);
    const Place place = !is_entity_ && (is_mail_said_ || is_message) ? Place::message : Place::part;
    mail_ = std::make_unique<MailStructure>(depth_ + 1, output_, place, is_alternative, !is_mail_said_ && !is_entity_);
}

bool PartContent::is_within(std::size_t depth) {
    if (depth < output_.limits().mail_depth) return true;
    output_.note(Ambiguity::too_deep);
    return false;
}

void PartContent::feed_within(std::string_view decoded) {
    if (tnef_) tnef_->feed(decoded);
    else if (smime_) smime_->feed(decoded);
    else if (mail_) mail_->feed(decoded);
}

void PartContent::finish() {
    if (!is_told_) return;
    if (files_) {
        files_->finish();
        part_.is_encrypted |= files_->has_pgp_message();
    }
    if (!is_looked_at_ && !beginning_.empty()) {
        if (is_tnef_said(part_.content_type)) output_.note(Ambiguity::bad_tnef);
        if (is_smime_said(part_.content_type)) output_.note(Ambiguity::bad_smime, Reading::sweep);
    }
    if (tnef_) tnef_->finish();
    if (smime_) {
        smime_->finish();
        part_.is_encrypted |= smime_->is_encrypted();
    }
    if (mail_) {
        mail_->finish();
        output_.close_nested();
    }
    output_.end(part_);
}

}  // namespace sluice::mime
