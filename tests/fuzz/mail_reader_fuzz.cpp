// SPDX-License-Identifier: Apache-2.0
// Mail, in every reading: where octets are cut makes no difference, each part begins and ends once, bounds hold. The first octet is the cut.
#include "protocols/mime/mail_reader.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <tuple>

using namespace sluice;
using namespace sluice::mime;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

using Told = std::tuple<std::string, std::vector<std::string>, bool, bool, std::string>;

class Recorder : public MailSink {
public:
    void on_head(const MailHead& head) override {
        ++heads;
        told_head = {head.from, head.to, head.subject, head.message_id, head.received, head.is_signed, head.size};
    }
    void on_part(const Part& part) override { require(open_.emplace(part.id, std::string()).second && ids_++ == part.id); }
    void on_data(const Part& part, std::string_view decoded) override {
        const auto at = open_.find(part.id);
        require(at != open_.end() && !decoded.empty());
        at->second += decoded;
    }
    void on_part_end(const Part& part) override {
        const auto at = open_.find(part.id);
        require(at != open_.end());
        (part.is_alternative ? alternatives : parts) += 1;
        for (const std::string& name : part.names) require(!name.empty() && name.find_first_of("/\\") == std::string::npos);
        told.emplace_back(part.content_type, part.names, part.is_attachment, part.is_alternative, std::move(at->second));
        open_.erase(at);
    }
    bool is_over() const { return open_.empty(); }

    std::tuple<std::vector<std::string>, std::vector<std::string>, std::string, std::string, std::size_t, bool, std::size_t> told_head;
    std::size_t heads = 0;
    std::size_t parts = 0;
    std::size_t alternatives = 0;
    std::vector<Told> told;

private:
    std::size_t ids_ = 0;
    std::map<std::size_t, std::string> open_;
};

struct Outcome {
    Recorder recorder;
    std::vector<Ambiguity> ambiguities;
    std::vector<Reading> others;
};

Outcome read(std::string_view text, Reading reading, std::size_t step, const Limits& limits) {
    Outcome out;
    MailReader reader(reading, limits, out.recorder);
    for (std::size_t at = 0; at < text.size(); at += step) reader.feed(std::string(text.substr(at, step)));
    reader.finish();
    out.ambiguities = reader.ambiguities();
    out.others = reader.other_readings();
    const Recorder& told = out.recorder;
    require(told.is_over() && told.heads <= 1 && (reading == Reading::sweep || told.heads == 1));
    require(told.parts <= limits.mail_parts && told.alternatives <= limits.mail_ambiguous_parts);
    std::ranges::sort(out.recorder.told);
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::size_t step = data[0] % 48 + 1;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    Limits limits;
    limits.mail_header_bytes = 1024;
    limits.mail_text = 256;
    limits.mail_depth = 5;
    limits.mail_parts = 16;
    limits.mail_ambiguous_parts = 32;
    for (const Reading reading : {Reading::usual, Reading::last_wins, Reading::strict, Reading::sweep}) {
        const Outcome whole = read(text, reading, std::max<std::size_t>(text.size(), 1), limits);
        const Outcome cut = read(text, reading, step, limits);
        require(whole.ambiguities == cut.ambiguities && whole.others == cut.others);
        require(whole.recorder.told_head == cut.recorder.told_head && whole.recorder.told == cut.recorder.told);
        require(reading == Reading::usual || whole.others.empty());
    }
    return 0;
}
