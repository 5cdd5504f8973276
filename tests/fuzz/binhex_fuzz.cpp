// SPDX-License-Identifier: Apache-2.0
// BinHex: where text is cut makes no difference, and it becomes no more than it may. The first octet is the cut.
#include "protocols/mime/binhex_decoder.h"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <tuple>

using namespace sluice::mime;

namespace {

constexpr std::size_t most = 4096;

void require(bool holds) {
    if (!holds) std::abort();
}

using Told = std::tuple<std::string, std::string, std::string, bool>;

Told read(std::string_view text, std::size_t step) {
    BinHexDecoder decoder;
    std::string data;
    std::string resource;
    for (std::size_t at = 0; at < text.size(); at += step) {
        const std::size_t left = most - std::min(most, data.size() + resource.size());
        decoder.feed(std::string(text.substr(at, step)), left, data, resource);
        require(data.size() + resource.size() <= most);
    }
    return {decoder.name(), data, resource, decoder.is_over()};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::size_t step = data[0] % 32 + 1;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    const Told whole = read(text, std::max<std::size_t>(text.size(), 1));
    const Told cut = read(text, step);
    // A run that no longer fits is left out as a whole, and what a call may become is its own bound: only where nothing was left out must all agree.
    require(std::get<0>(whole) == std::get<0>(cut));
    if (std::get<1>(whole).size() + std::get<2>(whole).size() < most - 512) require(whole == cut);
    return 0;
}
