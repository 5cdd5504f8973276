// SPDX-License-Identifier: Apache-2.0
// Files within a text: where octets are cut makes no difference; a line decodes to no more than it says. The first octet is the cut.
#include "protocols/mime/embedded_files.h"

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
    void on_data(const Part& part, std::string_view decoded) override { data.at(part.id) += decoded; }
    void on_part_end(const Part& part) override {
        for (const std::string& name : part.names) data.at(part.id) += '|' + name;
        ++ends;
    }
    std::vector<std::string> data;
    std::size_t ends = 0;
};

std::vector<std::string> read(std::string_view text, std::size_t step, const Limits& limits) {
    Recorder recorder;
    MailOutput output(Reading::usual, limits, recorder);
    EmbeddedFiles files(0, false, output);
    for (std::size_t at = 0; at < text.size(); at += step) files.feed(std::string(text.substr(at, step)));
    files.finish();
    require(recorder.ends == recorder.data.size() && recorder.ends <= limits.mail_parts + limits.mail_ambiguous_parts);
    return recorder.data;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::size_t step = data[0] % 32 + 1;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    Limits limits;
    limits.mail_text = 100;
    limits.mail_parts = 5;
    limits.mail_ambiguous_parts = 3;
    require(read(text, step, limits) == read(text, std::max<std::size_t>(text.size(), 1), limits));
    const std::string_view line = text.substr(0, text.find('\n'));
    std::string decoded;
    decode_uu_line(line, decoded);
    require(decoded.size() <= 63);
    decoded.clear();
    decode_xx_line(line, decoded);
    require(decoded.size() <= 63);
    return 0;
}
