// SPDX-License-Identifier: Apache-2.0
// What the stages of one MailReader share: its sink, its bounds, and what it noted on its way.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "protocols/mime/mail_reader.h"

namespace sluice::mime {

class MailOutput {
public:
    // `sink` outlives it.
    MailOutput(Reading reading, const Limits& limits, MailSink& sink) : reading_(reading), limits_(limits), sink_(sink) {}

    Reading reading() const { return reading_; }
    const Limits& limits() const { return limits_; }
    const std::vector<Ambiguity>& ambiguities() const { return ambiguities_; }
    const std::vector<Reading>& wanted() const { return wanted_; }

    void note(Ambiguity ambiguity);
    // And what else it may mean is in another pass.
    void note(Ambiguity ambiguity, Reading wanted);
    void note(Ambiguity ambiguity, Reading wanted, Reading wanted_too);

    // Octets that codings which shorten may still become.
    std::size_t expandable() const { return limits_.mail_expanded - std::min(limits_.mail_expanded, expanded_); }
    void expand(std::size_t octets) { expanded_ += octets; }

    // One more reads what stands within a part as mail. False: as many are open as may be, which is noted.
    bool open_nested();
    void close_nested() { --nested_; }

    void head(const MailHead& head) { sink_.on_head(head); }
    // Gives the part its id. False: it is beyond the bounds, and nothing of it may be told.
    bool begin(Part& part);
    void data(const Part& part, std::string_view decoded) {
        if (!decoded.empty()) sink_.on_data(part, decoded);
    }
    void end(const Part& part) { sink_.on_part_end(part); }

private:
    void want(Reading reading);

    Reading reading_;
    Limits limits_;
    MailSink& sink_;
    std::vector<Ambiguity> ambiguities_;  // sorted
    std::vector<Reading> wanted_;  // sorted
    std::size_t next_id_ = 0;
    std::size_t parts_ = 0;
    std::size_t alternatives_ = 0;
    std::size_t expanded_ = 0;
    std::size_t nested_ = 0;
};

}  // namespace sluice::mime
