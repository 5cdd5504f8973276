// SPDX-License-Identifier: Apache-2.0
// An ICAP server's answers: what is read of a cut is read of the whole, offsets stay within bounds, and names of threats are printable.
#include "protocols/icap/answer_reader.h"

#include <algorithm>
#include <cstdlib>
#include <string>

using namespace sluice;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

// All that a reader says, and how many octets are left behind the end.
std::string read_by(icap::AnswerReader& reader, std::string_view text, std::size_t step) {
    using Kind = icap::AnswerReader::Piece::Kind;
    std::string said, data;
    for (std::size_t at = 0; at < text.size(); at += step) {
        const std::string copy(text.substr(at, step));
        std::string_view in = copy;
        for (;;) {
            const auto piece = reader.next(in);
            if (!piece) return said.append(data).append(piece.error().what);
            if (piece->kind == Kind::data) {
                require(!piece->data.empty());
                data += piece->data;
                continue;
            }
            if (piece->kind == Kind::need_more) {
                require(in.empty());
                break;
            }
            said.append(std::to_string(static_cast<int>(piece->kind))).append(piece->data);
            if (piece->kind == Kind::end) return said.append(data).append(std::to_string(text.size() - at - (copy.size() - in.size())));
        }
    }
    return said.append(data).append("more");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Limits limits;
    limits.header_bytes = 2048;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    icap::AnswerReader reader(limits);
    const std::string at_once = read_by(reader, text, std::max<std::size_t>(size, 1));
    for (const std::size_t step : {std::size_t{1}, std::size_t{7}, size % 97 + 1}) {
        reader.reset();
        require(read_by(reader, text, step) == at_once);
    }
    std::size_t consumed = 0;
    const auto whole = icap::parse_response(text, limits, consumed);
    if (const auto parts = icap::parse_encapsulated(text, limits)) require(parts->body <= 2 * limits.header_bytes);
    if (!whole) return 0;
    if (!*whole) {
        require(size < limits.header_bytes);
        return 0;
    }
    const icap::Response& response = **whole;
    require(consumed > 0 && consumed <= size);
    require(response.infection.size() <= 128 &&
            std::ranges::all_of(response.infection, [](unsigned char c) { return c >= 0x20 && c < 0x7f; }));
    require(!response.parts || response.parts->body <= 2 * limits.header_bytes);
    // What is behind the head makes no difference, and no shorter head is one.
    std::size_t again = 0;
    const auto alone = icap::parse_response(text.substr(0, consumed), limits, again);
    require(alone && *alone && again == consumed && (*alone)->status == response.status && (*alone)->infection == response.infection);
    const auto shorter = icap::parse_response(text.substr(0, consumed - 1), limits, again);
    require(!shorter || !*shorter);
    return 0;
}
