// SPDX-License-Identifier: Apache-2.0
// Quoted-printable in all its ways: where octets are cut, and how large the buffer is, makes no difference; nothing grows. The first octet is the cut.
#include "protocols/mime/quoted_printable_decoder.h"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

using namespace sluice::mime;
using Way = QuotedPrintableDecoder::Way;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

struct Decoded {
    std::string text;
    bool is_odd;
    bool operator==(const Decoded&) const = default;
};

Decoded decode(std::string_view in, Way way, std::size_t step) {
    QuotedPrintableDecoder decoder(way);
    Decoded out{};
    std::vector<char> buffer(QuotedPrintableDecoder::smallest_buffer + step);
    for (std::size_t at = 0; at < in.size(); at += step) {
        const std::string copy(in.substr(at, step));
        std::string_view now = copy;
        while (!now.empty()) out.text += decoder.decode(now, buffer);
    }
    out.text += decoder.finish(buffer);
    out.is_odd = decoder.is_odd();
    require(out.text.size() <= in.size());
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::size_t step = data[0] % 32 + 1;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    for (const Way way : {Way::forgiving, Way::strict})
        require(decode(text, way, step) == decode(text, way, std::max<std::size_t>(text.size(), 1)));
    // What has no "=" is itself.
    const std::string plain(text.substr(0, text.find('=')));
    require(decode(plain, Way::strict, step).text == plain);
    return 0;
}
