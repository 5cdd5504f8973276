// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/mail_reader.h"

#include <algorithm>
#include <array>

#include "protocols/mime/mail_output.h"
#include "protocols/mime/mail_structure.h"
#include "protocols/mime/mail_sweep.h"

namespace sluice::mime {
namespace {

struct Named {
    Ambiguity ambiguity;
    std::string_view name;
};

constexpr std::array names{
    Named{Ambiguity::duplicate_header, "duplicate-header"},
    Named{Ambiguity::duplicate_parameter, "duplicate-parameter"},
    Named{Ambiguity::bad_header, "bad-header"},
    Named{Ambiguity::bad_content_type, "bad-content-type"},
    Named{Ambiguity::bad_transfer_encoding, "bad-transfer-encoding"},
    Named{Ambiguity::bad_boundary, "bad-boundary"},
    Named{Ambiguity::unclosed_multipart, "unclosed-multipart"},
    Named{Ambiguity::stray_part, "stray-part"},
    Named{Ambiguity::bad_base64, "bad-base64"},
    Named{Ambiguity::bad_quoted_printable, "bad-quoted-printable"},
    Named{Ambiguity::bad_encoded_word, "bad-encoded-word"},
    Named{Ambiguity::uuencoded, "uuencoded"},
    Named{Ambiguity::no_mime_version, "no-mime-version"},
    Named{Ambiguity::partial_message, "partial-message"},
    Named{Ambiguity::bad_tnef, "bad-tnef"},
    Named{Ambiguity::bad_smime, "bad-smime"},
    Named{Ambiguity::too_deep, "too-deep"},
    Named{Ambiguity::too_many, "too-many"},
};

}  // namespace

std::string_view to_string(Ambiguity ambiguity) { return std::ranges::find(names, ambiguity, &Named::ambiguity)->name; }

class MailReader::State {
public:
    State(Reading reading, const Limits& limits, MailSink& sink) : output_(reading, limits, sink) {
        if (reading == Reading::sweep) sweep_ = std::make_unique<MailSweep>(0, output_);
        else structure_ = std::make_unique<MailStructure>(0, output_);
    }

    void feed(std::string_view bytes) {
        if (sweep_) sweep_->feed(bytes);
        else structure_->feed(bytes);
    }
    void finish() {
        if (sweep_) sweep_->finish();
        else structure_->finish();
    }
    const MailOutput& output() const { return output_; }

private:
    MailOutput output_;
    std::unique_ptr<MailStructure> structure_;
    std::unique_ptr<MailSweep> sweep_;
};

MailReader::MailReader(Reading reading, const Limits& limits, MailSink& sink) : state_(std::make_unique<State>(reading, limits, sink)) {}
MailReader::~MailReader() = default;

void MailReader::feed(std::string_view bytes) { state_->feed(bytes); }
void MailReader::finish() { state_->finish(); }

const std::vector<Ambiguity>& MailReader::ambiguities() const { return state_->output().ambiguities(); }
std::vector<Reading> MailReader::other_readings() const { return state_->output().wanted(); }

}  // namespace sluice::mime
