// SPDX-License-Identifier: Apache-2.0
// Content codings applied: what the decoder is tested with.
#pragma once

#include "inspect/content/coding.h"

#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>

#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace sluice::test {

// `window_bits`: zlib's: +16 is gzip, negative is raw.
inline std::string zlib_encoded(std::string_view text, int window_bits, int level = 9) {
    z_stream stream{};
    if (deflateInit2(&stream, level, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY) != Z_OK) throw std::runtime_error("deflateInit2");
    std::string in(text);
    std::string out(deflateBound(&stream, in.size()), '\0');
    stream.next_in = reinterpret_cast<Bytef*>(in.data());
    stream.avail_in = static_cast<uInt>(in.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    const int status = deflate(&stream, Z_FINISH);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    if (status != Z_STREAM_END) throw std::runtime_error("deflate");
    return out;
}

inline std::string gzip(std::string_view text) { return zlib_encoded(text, MAX_WBITS + 16); }
inline std::string zlib(std::string_view text) { return zlib_encoded(text, MAX_WBITS); }
inline std::string raw_deflate(std::string_view text) { return zlib_encoded(text, -MAX_WBITS); }

inline std::string brotli(std::string_view text, int quality = 5) {
    std::size_t size = BrotliEncoderMaxCompressedSize(text.size()) + 16;
    std::string out(size, '\0');
    if (BrotliEncoderCompress(quality, BROTLI_DEFAULT_WINDOW, BROTLI_MODE_GENERIC, text.size(),
                              reinterpret_cast<const std::uint8_t*>(text.data()), &size,
                              reinterpret_cast<std::uint8_t*>(out.data())) == BROTLI_FALSE)
        throw std::runtime_error("brotli");
    out.resize(size);
    return out;
}

struct ZstdOptions {
    bool checksum = true;
    int window_log = 0;                  // 0: as the library likes
    bool content_size = true;            // said in the frame's header
};

inline std::string zstd(std::string_view text, ZstdOptions options = {}) {
    ZSTD_CCtx* context = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, options.checksum ? 1 : 0);
    ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, options.window_log);
    ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, options.content_size ? 1 : 0);
    std::string out(ZSTD_compressBound(text.size()), '\0');
    const std::size_t size = ZSTD_compress2(context, out.data(), out.size(), text.data(), text.size());
    ZSTD_freeCCtx(context);
    if (ZSTD_isError(size) != 0) throw std::runtime_error("zstd");
    out.resize(size);
    return out;
}

inline std::string encoded(std::string_view text, std::span<const inspect::Coding> codings) {
    std::string out(text);
    for (const inspect::Coding coding : codings) {
        switch (coding) {
            case inspect::Coding::identity: break;
            case inspect::Coding::gzip: out = gzip(out); break;
            case inspect::Coding::deflate: out = zlib(out); break;
            case inspect::Coding::br: out = brotli(out); break;
            case inspect::Coding::zstd: out = zstd(out); break;
        }
    }
    return out;
}

}  // namespace sluice::test
