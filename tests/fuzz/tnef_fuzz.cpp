// SPDX-License-Identifier: Apache-2.0
// TNEF: where octets are cut makes no difference; attachments are made of what came. The first octet is the cut.
#include "protocols/mime/tnef_reader.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

using namespace sluice;
using namespace sluice::mime;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

class Recorder : public MailSink {
public:
    void on_head(const MailHead&) override { require(false); }
    void on_part(const Part& part) override {
        require(part.id == data.size());
        data.emplace_back();
    }
    void on_data(const Part& part, std::string_view decoded) override {
        data.at(part.id) += decoded;
        octets += decoded.size();
    }
    void on_part_end(const Part& part) override {
        for (const std::string& name : part.names) data.at(part.id) += '|' + name;
        ++ends;
    }
    std::vector<std::string> data;
    std::size_t ends = 0;
    std::size_t octets = 0;
};

std::vector<std::string> read(std::string_view text, std::size_t step, const Limits& limits) {
    Recorder recorder;
    MailOutput output(Reading::usual, limits, recorder);
    TnefReader reader(0, false, output);
    for (std::size_t at = 0; at < text.size(); at += step) reader.feed(std::string(text.substr(at, step)));
    reader.finish();
    require(recorder.ends == recorder.data.size() && recorder.ends <= limits.mail_parts);
    require(recorder.octets <= text.size() * (limits.mail_depth + 1));  // those of one within another are told with each
    return recorder.data;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::size_t step = data[0] % 32 + 1;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    Limits limits;
    limits.mail_text = 64;
    limits.mail_parts = 6;
    limits.mail_depth = 3;
    require(read(text, step, limits) == read(text, std::max<std::size_t>(text.size(), 1), limits));
    return 0;
}
