// SPDX-License-Identifier: Apache-2.0
// Types by content: octets beyond those that are looked at change nothing, prefixes are no fault, and a declared type never lets a risky one flow.
#include "inspect/content/media_type.h"

#include <cstdlib>
#include <string>

using namespace sluice::inspect;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string bytes(reinterpret_cast<const char*>(data), size);
    const MediaType type = sniff(bytes);
    require(type.mime.find('/') != std::string_view::npos && type.mime.find(';') == std::string_view::npos);
    require((type.kind == MediaClass::unknown) == (type.mime == "application/octet-stream"));
    if (size <= 32'768) {
        const MediaType first = sniff(std::string_view(bytes).substr(0, sniff_length));
        require(first.mime == type.mime && first.kind == type.kind);
    }
    for (std::size_t cut = 0; cut < std::min<std::size_t>(size, 64); ++cut) (void)sniff(std::string(bytes, 0, cut));
    for (const char* declared : {"video/mp4", "audio/mpeg;x", "text/event-stream", "application/grpc"})
        require(!agrees(declared, type) || !is_risky(type.kind));
    (void)agrees(bytes, type);
    return 0;
}
