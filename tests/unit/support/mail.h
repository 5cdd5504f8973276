// SPDX-License-Identifier: Apache-2.0
// What a mail reader tells, put together: by part, so that it does not matter in which order open parts have their data.
#pragma once

#include "protocols/mime/mail_reader.h"

#include <algorithm>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::test {

struct ReadPart {
    mime::Part part;  // as it was at its end
    std::string data;
    bool has_ended = false;
};

struct ReadMail {
    mime::MailHead head;
    std::size_t heads = 0;
    std::vector<ReadPart> parts;
    std::vector<mime::Ambiguity> ambiguities;
    std::vector<mime::Reading> other_readings;

    bool has(mime::Ambiguity ambiguity) const { return std::ranges::find(ambiguities, ambiguity) != ambiguities.end(); }
};

class MailRecorder : public mime::MailSink {
public:
    void on_head(const mime::MailHead& head) override {
        mail.head = head;
        ++mail.heads;
    }
    void on_part(const mime::Part& part) override {
        require(part.id == mail.parts.size());
        mail.parts.push_back({part, {}});
    }
    void on_data(const mime::Part& part, std::string_view decoded) override {
        require(!decoded.empty() && part.id < mail.parts.size() && !mail.parts[part.id].has_ended);
        mail.parts[part.id].data += decoded;
    }
    void on_part_end(const mime::Part& part) override {
        require(part.id < mail.parts.size() && !mail.parts[part.id].has_ended);
        mail.parts[part.id].part = part;
        mail.parts[part.id].has_ended = true;
    }

    ReadMail mail;

private:
    static void require(bool holds) {
        if (!holds) std::abort();
    }
};

inline ReadMail read_mail(std::span<const std::string_view> pieces, mime::Reading reading = mime::Reading::usual,
                          const Limits& limits = {}) {
    MailRecorder recorder;
    mime::MailReader reader(reading, limits, recorder);
    for (const std::string_view piece : pieces) reader.feed(std::string(piece));  // of its own, so that a view kept is found out
    reader.finish();
    recorder.mail.ambiguities = reader.ambiguities();
    recorder.mail.other_readings = reader.other_readings();
    return recorder.mail;
}

inline ReadMail read_mail(std::string_view text, mime::Reading reading = mime::Reading::usual, const Limits& limits = {}) {
    return read_mail(std::span(&text, 1), reading, limits);
}

}  // namespace sluice::test
