// SPDX-License-Identifier: Apache-2.0
// Content codings: where octets are cut, and how small the scratch is, makes no difference to the outcome and to what is given; the caps hold.
// The first octet picks the codings, the second the cut; the rest is the payload.
#include "inspect/content/decoder.h"

#include <algorithm>
#include <cstdlib>
#include <string>

using namespace sluice;
using namespace sluice::inspect;

namespace {

constexpr std::uint64_t max_size = 200'000;

void require(bool holds) {
    if (!holds) std::abort();
}

struct Decoded {
    std::string text;
    Reason reason = Reason::none;
    std::uint64_t encoded = 0;
};

Decoded decode(std::span<const Coding> codings, std::string_view payload, std::size_t step, std::size_t scratch_size,
               const Limits& limits) {
    Decoder decoder(codings, limits, max_size);
    std::string scratch(scratch_size, '\0');
    Decoded out;
    for (std::size_t at = 0; at < payload.size(); at += step) {
        const std::string copy(payload.substr(at, step));
        const Reason reason = decoder.push(copy, scratch, [&](std::string_view piece) {
            require(!piece.empty());
            out.text += piece;
        });
        require(reason == decoder.fault());
    }
    out.reason = decoder.finish();
    out.encoded = decoder.encoded();
    require(decoder.decoded() == out.text.size() && out.text.size() <= max_size && out.encoded <= payload.size());
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    std::vector<Coding> codings;
    for (std::size_t picks = data[0]; picks != 0; picks /= 5) codings.push_back(static_cast<Coding>(picks % 5));
    const std::size_t step = data[1] % 64 + 1;
    const std::string_view payload(reinterpret_cast<const char*>(data) + 2, size - 2);
    Limits limits;
    limits.decoded_ratio = 10;
    limits.decoded_free = 50'000;
    const Decoded whole = decode(codings, payload, std::max<std::size_t>(payload.size(), 1), 64 * 1024, limits);
    const Decoded cut = decode(codings, payload, step, 1024, limits);
    if (whole.reason == cut.reason && whole.text == cut.text) return 0;
    // The library keeps what it has not written yet when it meets a fault: only br does, and only then.
    require(std::ranges::find(codings, Coding::br) != codings.end());
    require(whole.reason == Reason::corrupt);
    require(cut.reason != Reason::none && cut.reason != Reason::truncated);
    require(cut.text.starts_with(whole.text));
    return 0;
}
