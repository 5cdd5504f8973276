// SPDX-License-Identifier: Apache-2.0
#include "inspect/content/coding.h"

#include "base/text.h"

namespace sluice::inspect {

std::string_view to_string(Coding coding) {
    switch (coding) {
        case Coding::identity: return "identity";
        case Coding::gzip: return "gzip";
        case Coding::deflate: return "deflate";
        case Coding::br: return "br";
        case Coding::zstd: return "zstd";
    }
    return "";
}

std::optional<Coding> coding_of(std::string_view name) {
    for (const Coding coding : {Coding::identity, Coding::gzip, Coding::deflate, Coding::br, Coding::zstd})
        if (equals_ignoring_case(name, to_string(coding))) return coding;
    if (equals_ignoring_case(name, "x-gzip")) return Coding::gzip;
    return std::nullopt;
}

Result<std::vector<Coding>> parse_content_encoding(std::string_view value, const Limits& limits) {
    std::vector<Coding> out;
    // A coding is a token: a comma inside quotes separates all the same, and neither half is known then.
    for (std::size_t start = 0; start <= value.size();) {
        const std::size_t end = std::min(value.find(',', start), value.size());
        const std::string_view name = trim(value.substr(start, end - start));
        start = end + 1;
        if (name.empty()) continue;           // empty list elements do not count (RFC 9110 5.6.1.2)
        const std::optional<Coding> coding = coding_of(name);
        if (!coding) return fail(Errc::unsupported, Side::server, "unknown content coding");
        if (*coding == Coding::identity) continue;
        if (out.size() == limits.decoded_layers) return fail(Errc::too_large, Side::server, "too many content codings");
        out.push_back(*coding);
    }
    return out;
}

std::string_view decodable_codings(std::string_view accept_encoding, std::string& out) {
    out.clear();
    for_each_list_element(accept_encoding, [&](std::string_view element) {
        if (!coding_of(trim(element.substr(0, element.find(';'))))) return;
        if (!out.empty()) out += ", ";
        out += element;
    });
    if (out.empty()) out = "identity";
    return out;
}

}  // namespace sluice::inspect
