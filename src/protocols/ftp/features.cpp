// SPDX-License-Identifier: Apache-2.0
#include "protocols/ftp/features.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>

#include "base/text.h"

namespace sluice::ftp {

namespace {

constexpr int features_code = 211;
constexpr auto understood = std::to_array<std::string_view>({
    "MDTM",
    "SIZE",
    "REST STREAM",
    "MLST",
    "TVFS",
    "UTF8",
    "LANG",
    "MFMT",
    "MFCT",
    "MFF",
    "CLNT",
});

std::span<const std::string> inner_lines(const Reply& reply) {
    if (reply.code != features_code || reply.lines.size() < 3) return {};
    return std::span(reply.lines).subspan(1, reply.lines.size() - 2);
}

bool has_parameter(std::string_view parameters, std::string_view wanted) {
    while (!parameters.empty()) {
        const std::size_t end = std::min(parameters.find_first_of(" ;,"), parameters.size());
        std::string_view each = parameters.substr(0, end);
        if (each.ends_with('*')) each.remove_suffix(1);  // of what is on (RFC 2640 4.1, RFC 3659 7.8)
        if (equals_ignoring_case(each, wanted)) return true;
        parameters.remove_prefix(std::min(end + 1, parameters.size()));
    }
    return false;
}

// " NAME parameters". Some servers have "211-" instead of the space that RFC 2389 3.2 wants.
bool says(std::string_view line, std::string_view feature) {
    if (line.starts_with("211-")) line.remove_prefix(4);
    line = trim(line);
    const std::size_t name_end = std::min(line.find(' '), line.size());
    const std::size_t wanted_end = std::min(feature.find(' '), feature.size());
    if (!equals_ignoring_case(line.substr(0, name_end), feature.substr(0, wanted_end))) return false;
    return wanted_end == feature.size() || has_parameter(line.substr(name_end), feature.substr(wanted_end + 1));
}

}  // namespace

Reply features_for_client(const Reply* server, const Features& ours) {
    Reply out{.code = features_code, .lines = {"Features:"}};
    if (server != nullptr)
        for (const std::string& line : inner_lines(*server))
            if (std::ranges::any_of(understood, [&line](std::string_view feature) { return says(line, feature); }))
                out.lines.push_back(line);
    out.lines.insert(out.lines.end(), {" EPRT", " EPSV"});
    if (ours.has_tls) out.lines.insert(out.lines.end(), {" AUTH TLS", " PBSZ", " PROT"});
    if (ours.has_host) out.lines.emplace_back(" HOST");
    out.lines.emplace_back("End");
    return out;
}

bool has_feature(const Reply& server, std::string_view feature) {
    return std::ranges::any_of(inner_lines(server), [feature](std::string_view line) { return says(line, feature); });
}

}  // namespace sluice::ftp
