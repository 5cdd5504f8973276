// SPDX-License-Identifier: Apache-2.0
// Header sections, in every reading: where octets are cut makes no difference; what is kept is bounded; fields lie within what came. The first octet is the cut.
#include "protocols/mime/header_section.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "protocols/mime/mail_entity.h"
#include "protocols/mime/mail_head.h"

using namespace sluice;
using namespace sluice::mime;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

class Nobody : public MailSink {
    void on_head(const MailHead&) override {}
    void on_part(const Part&) override {}
    void on_data(const Part&, std::string_view) override {}
    void on_part_end(const Part&) override {}
};

struct Outcome {
    std::vector<std::string> lines;
    std::string text;
    std::string rest;
    std::vector<Ambiguity> ambiguities;
    bool operator==(const Outcome&) const = default;
};

Outcome read(std::string_view in, Reading reading, std::size_t step, const Limits& limits) {
    Nobody nobody;
    MailOutput output(reading, limits, nobody);
    HeaderSection section(output);
    Outcome out;
    bool is_over = false;
    for (std::size_t at = 0; at < in.size(); at += step) {
        std::string_view now = in.substr(at, step);
        while (!now.empty() && !is_over) {
            const auto event = section.next(now);
            require(event == HeaderSection::Event::need_more ? now.empty() : true);
            if (event == HeaderSection::Event::line) out.lines.emplace_back(section.line());
            is_over = event == HeaderSection::Event::end || event == HeaderSection::Event::body;
            require(section.text().size() <= limits.mail_header_bytes + limits.mail_text);
        }
        out.rest += now;
    }
    if (!is_over && section.finish() == HeaderSection::Event::line) out.lines.emplace_back(section.line());
    out.text = section.text();
    std::string text = out.text;
    const auto fields = header_fields(text, output);
    for (const HeaderField& field : fields)
        require(field.value.empty() ||
                (field.value.data() >= text.data() && field.value.data() + field.value.size() <= text.data() + text.size()));
    const MailHead head = mail_head(fields, limits);
    require(head.subject.size() <= limits.mail_text && head.from.size() <= limits.mail_addresses &&
            head.to.size() <= limits.mail_addresses);
    for (const Place place : {Place::message, Place::part, Place::digest}) require(!read_entity(fields, place, output).codings.empty());
    out.ambiguities = output.ambiguities();
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::size_t step = data[0] % 32 + 1;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    Limits limits;
    limits.mail_header_bytes = 512;
    limits.mail_text = 128;
    limits.mail_addresses = 8;
    limits.mail_parameters = 8;
    for (const Reading reading : {Reading::usual, Reading::last_wins, Reading::strict})
        require(read(text, reading, std::max<std::size_t>(text.size(), 1), limits) == read(text, reading, step, limits));
    return 0;
}
