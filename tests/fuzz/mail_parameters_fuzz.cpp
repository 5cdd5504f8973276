// SPDX-License-Identifier: Apache-2.0
// Parameters (RFC 2231), encoded words (RFC 2047) and the names made of them: text is UTF-8, bounds hold, and what keeps to the strict syntax of HTTP
// is read as it is there.
#include "protocols/mime/mail_parameters.h"

#include <algorithm>
#include <cstdlib>

#include "protocols/mime/charset.h"
#include "protocols/mime/encoded_word.h"
#include "protocols/mime/mail_names.h"
#include "protocols/mime/parameters.h"

using namespace sluice;
using namespace sluice::mime;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    Limits limits;
    limits.mail_parameters = 6;
    const MailField field = parse_mail_field(text, limits);
    require(field.parameters.size() <= limits.mail_parameters);
    for (const MailParameter& one : field.parameters) {
        const ParameterReadings readings = field.find(one.name);
        require(!readings.values.empty() && readings.plain <= readings.values.size());
        for (auto each = readings.values.begin(); each != readings.values.end(); ++each)
            require(std::find(readings.values.begin(), each, *each) == each);
    }
    require(is_utf8(decode_words(text).text));
    MailNames names(3, 64);
    names.add(text);
    names.add(decode_words(text).text);
    require(names.names().size() <= 3);
    for (const std::string& name : names.names())
        require(is_utf8(name) && !name.empty() && name.size() <= 64 && name.find_first_of("/\\") == std::string::npos);

    const auto strict = parse_with_parameters(text, Quoting::http, limits);
    if (!strict || strict->value != field.value || field.is_odd) return 0;
    for (const Parameter& one : strict->parameters) {
        if (one.is_extended) continue;
        const ParameterReadings readings = field.find(one.name);
        require(std::ranges::find(readings.values, one.value) != readings.values.end());
    }
    return 0;
}
