// SPDX-License-Identifier: Apache-2.0
// CMS, and what is signed in it: where octets are cut makes no difference, and it is never more than came. The first octet is the cut.
#include "protocols/mime/signed_data.h"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <tuple>

using namespace sluice::mime;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

class Recorder : public SignedData::Listener {
public:
    void on_content(std::string_view octets) override { content += octets; }
    std::string content;
};

using Told = std::tuple<std::string, SignedData::Kind, bool, bool>;

Told read(std::string_view text, std::size_t step) {
    Recorder recorder;
    SignedData data(recorder);
    for (std::size_t at = 0; at < text.size(); at += step) data.feed(std::string(text.substr(at, step)));
    require(recorder.content.size() <= text.size());
    return {recorder.content, data.kind(), data.is_broken(), data.is_odd()};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::size_t step = data[0] % 32 + 1;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    require(read(text, step) == read(text, std::max<std::size_t>(text.size(), 1)));
    const auto beginning = text.substr(0, SignedData::deciding);
    require(beginning.size() < SignedData::deciding || SignedData::is_begun_by(beginning).has_value());
    return 0;
}
