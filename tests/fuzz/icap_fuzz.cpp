// SPDX-License-Identifier: Apache-2.0
// An ICAP server's answers: what is read of a cut is read of the whole, offsets stay within bounds, and names of threats are printable.
#include "protocols/icap/icap.h"

#include <algorithm>
#include <cstdlib>

using namespace sluice;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Limits limits;
    limits.header_bytes = 2048;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    std::size_t consumed = 0;
    const auto whole = icap::parse_response(text, limits, consumed);
    if (const auto parts = icap::parse_encapsulated(text, limits)) require(parts->body <= 2 * limits.header_bytes);
    if (!whole) return 0;
    if (!*whole) {
        require(size <= limits.header_bytes);
        return 0;
    }
    const icap::Response& response = **whole;
    require(consumed > 0 && consumed <= size);
    require(response.infection.size() <= 128 &&
            std::ranges::all_of(response.infection, [](unsigned char c) { return c >= 0x20 && c < 0x7f; }));
    require(response.parts.body <= 2 * limits.header_bytes);
    // What is behind the head makes no difference, and no shorter head is one.
    std::size_t again = 0;
    const auto alone = icap::parse_response(text.substr(0, consumed), limits, again);
    require(alone && *alone && again == consumed && (*alone)->status == response.status && (*alone)->infection == response.infection);
    const auto shorter = icap::parse_response(text.substr(0, consumed - 1), limits, again);
    require(!shorter || !*shorter);
    return 0;
}
