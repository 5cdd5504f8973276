// SPDX-License-Identifier: Apache-2.0
#include "protocols/http1/field_line.h"

#include "base/text.h"
#include "protocols/http1/syntax.h"

namespace sluice::http1 {

Result<void> add_field_line(std::string_view line, Fields& fields, std::size_t limit, Side side) {
    std::size_t colon = 0;
    while (colon < line.size() && is_token_octet(line[colon])) ++colon;
    if (colon == line.size()) return fail(Errc::malformed, side, "field line without a colon");
    if (line[colon] != ':' || colon == 0) {
        // RFC 9112 2.2, 5.1 and 5.2: each of these has been used to smuggle.
        if (line.front() == ' ' || line.front() == '\t') return fail(Errc::malformed, side, "folded field line");
        if (line[colon] == ' ' || line[colon] == '\t') return fail(Errc::malformed, side, "white space in a field name");
        return fail(Errc::malformed, side, "bad field name");
    }
    if (fields.size() == limit) return fail(Errc::too_large, side, "too many fields");
    const std::string_view name = line.substr(0, colon);
    fields.add({name, trim(line.substr(colon + 1))}, known_field(name));
    return {};
}

}  // namespace sluice::http1
