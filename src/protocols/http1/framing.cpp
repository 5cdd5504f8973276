// SPDX-License-Identifier: Apache-2.0
#include "protocols/http1/framing.h"

#include "base/text.h"

namespace sluice::http1::detail {

Result<BodyLength> read_body_length(const Fields& fields, Version version, Side side) {
    BodyLength out;
    const std::size_t codings = fields.count(KnownField::transfer_encoding);
    const std::size_t lengths = fields.count(KnownField::content_length);
    if (codings != 0) {
        if (lengths != 0) return fail(Errc::malformed, side, "both Content-Length and Transfer-Encoding");
        if (version == Version::http_1_0) return fail(Errc::malformed, side, "Transfer-Encoding in HTTP/1.0");
        if (codings != 1 || !equals_ignoring_case(*fields.find(KnownField::transfer_encoding), "chunked"))
            return fail(Errc::malformed, side, "Transfer-Encoding is not exactly chunked");
        out.chunked = true;
    } else if (lengths != 0) {
        if (lengths != 1) return fail(Errc::malformed, side, "more than one Content-Length");
        const auto length = parse_decimal<std::int64_t>(*fields.find(KnownField::content_length));
        if (!length) return fail(Errc::malformed, side, "bad Content-Length");
        out.length = static_cast<std::uint64_t>(*length);
    }
    return out;
}

bool list_has(const Fields& fields, KnownField field, std::string_view element) {
    bool found = false;
    fields.for_each(field, [&](std::string_view value) {
        for_each_list_element(value, [&](std::string_view each) { found = found || equals_ignoring_case(each, element); });
    });
    return found;
}

Result<Version> read_version(std::string_view text, Side side) {
    if (text == "HTTP/1.1") return Version::http_1_1;
    if (text.size() != 8 || !text.starts_with("HTTP/") || !is_digit(text[5]) || text[6] != '.' || !is_digit(text[7]))
        return fail(Errc::malformed, side, "bad HTTP version");
    if (text[5] != '1') return fail(Errc::unsupported, side, "HTTP version not supported");
    return text[7] == '0' ? Version::http_1_0 : Version::http_1_1;
}

std::string_view moved(std::string_view view, const char* from, const char* to) {
    if (view.data() == nullptr) return view;
    // The old octets may be gone: their address is only a number.
    return {to + (reinterpret_cast<std::uintptr_t>(view.data()) - reinterpret_cast<std::uintptr_t>(from)), view.size()};
}

}  // namespace sluice::http1::detail
