// SPDX-License-Identifier: Apache-2.0
// PROXY protocol headers: what a prefix says must agree with what the whole says, and bytes behind a header change nothing.
#include "net/proxy_protocol.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using sluice::net::parse_proxy_header;
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const auto whole = parse_proxy_header(bytes);
    if (!whole && whole.error().side != sluice::Side::client) std::abort();
    if (whole && *whole) {
        const std::size_t consumed = (*whole)->consumed;
        if (consumed == 0 || consumed > bytes.size() || consumed > sluice::net::proxy_v2_longest) std::abort();
        const auto exact = parse_proxy_header(bytes.substr(0, consumed));
        if (!exact || !*exact || (*exact)->source != (*whole)->source || (*exact)->local != (*whole)->local) std::abort();
    }
    for (std::size_t cut = 0; cut < std::min<std::size_t>(size, 256); ++cut) {
        const auto part = parse_proxy_header(bytes.substr(0, cut));
        const bool part_decided = !part || *part;
        if (!part_decided) continue;
        // Once decided, decided.
        if (part.has_value() != whole.has_value()) std::abort();
        if (part && *whole && (*part)->consumed != (*whole)->consumed) std::abort();
    }
    return 0;
}
