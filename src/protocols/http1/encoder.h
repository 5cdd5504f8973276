// SPDX-License-Identifier: Apache-2.0
// Heads and chunks written anew from the model. Nothing here validates: names, values and targets come from our parsers or from a
// configuration that was checked when it was loaded (is_token, is_field_value); a debug build asserts it.
#pragma once

#include "base/name_value.h"
#include "protocols/http1/syntax.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace sluice::http1 {

// Appends to a buffer that is kept and used again.
class HeadWriter {
public:
    explicit HeadWriter(std::string& out) : out_(out) {}
    // A start line is always HTTP/1.1 unless said otherwise: the version is a hop's own (RFC 9110 2.5).
    void request_line(std::string_view method, std::string_view target, Version version = Version::http_1_1);
    void status_line(int status, std::string_view reason, Version version = Version::http_1_1);
    void status_line(int status) { status_line(status, reason_phrase(status)); }
    void field(std::string_view name, std::string_view value);
    void field(std::string_view name, std::uint64_t value);
    void end();                          // the empty line

private:
    std::string& out_;
};

// Room for a chunk's size line: up to 16 hexadecimal digits and CRLF.
using ChunkPrefix = char[20];
// Writes "<size>\r\n" and returns its length. `size` is not 0: that would be the end. The data is followed by `chunk_suffix`.
std::size_t chunk_prefix(std::uint64_t size, ChunkPrefix& out);
inline constexpr std::string_view chunk_suffix = "\r\n";

// "0\r\n", those of `trailers` that may be trailers, "\r\n".
void write_last_chunk(std::string& out, std::span<const NameValue> trailers);

}  // namespace sluice::http1
