// SPDX-License-Identifier: Apache-2.0
// Chunked bodies: where octets are cut makes no difference; data that was decoded, encoded anew, decodes to itself.
#include "protocols/http1/chunked.h"
#include "protocols/http1/encoder.h"

#include <cstdlib>
#include <string>

using namespace sluice;
using namespace sluice::http1;

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

struct Outcome {
    std::string data;
    std::string trailers;
    std::string_view error;
    bool ended = false;
    std::size_t left = 0;                // after the end
    friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome decode(ChunkedDecoder& decoder, std::string_view text, std::size_t step) {
    Outcome out;
    for (std::size_t at = 0; at < text.size() && out.error.empty() && !out.ended; at += step) {
        const std::string copy(text.substr(at, step));
        std::string_view in = copy;
        for (;;) {
            const auto piece = decoder.next(in);
            if (!piece) {
                out.error = piece.error().what;
                break;
            }
            if (piece->kind == ChunkedDecoder::Piece::Kind::data) {
                require(!piece->data.empty());
                out.data += piece->data;
                continue;
            }
            if (piece->kind == ChunkedDecoder::Piece::Kind::end) {
                out.ended = true;
                out.left = text.size() - at - (copy.size() - in.size());
            } else {
                require(in.empty());
            }
            break;
        }
    }
    if (out.ended)
        for (const NameValue& line : decoder.trailers().all()) out.trailers.append(line.name).append("=").append(line.value).append("\n");
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::size_t step = data[0] % 32 + 1;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    Limits limits;
    limits.chunk_line = 64;
    limits.trailer_bytes = 128;
    limits.header_fields = 6;
    ChunkedDecoder decoder(limits, Side::client);
    const Outcome whole = decode(decoder, text, std::max<std::size_t>(text.size(), 1));
    decoder.reset();
    require(decode(decoder, text, step) == whole);
    if (!whole.ended) return 0;

    std::string out;
    for (std::size_t at = 0; at < whole.data.size(); at += step) {
        const std::string_view piece = std::string_view(whole.data).substr(at, step);
        ChunkPrefix prefix;
        out.append(prefix, chunk_prefix(piece.size(), prefix)).append(piece).append(chunk_suffix);
    }
    write_last_chunk(out, decoder.trailers().all());
    limits.trailer_bytes = out.size();
    ChunkedDecoder other(limits, Side::server);
    const Outcome again = decode(other, out, step);
    require(again.ended && again.data == whole.data && again.left == 0);
    for (const NameValue& line : other.trailers().all()) require(may_be_trailer(line.name));
    return 0;
}
