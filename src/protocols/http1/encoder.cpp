// SPDX-License-Identifier: Apache-2.0
#include "protocols/http1/encoder.h"

#include "protocols/http1/known_field.h"

#include <algorithm>
#include <cassert>
#include <charconv>

namespace sluice::http1 {

namespace {

std::string_view spelled(Version version) { return version == Version::http_1_0 ? "HTTP/1.0" : "HTTP/1.1"; }

// One check of the room for all pieces: a head is written with every request.
template <class... Pieces>
void append(std::string& out, const Pieces&... pieces) {
    const std::size_t before = out.size();
    const std::size_t size = before + (std::string_view(pieces).size() + ...);
    const auto fill = [&](char* text, std::size_t) {
        char* end = text + before;
        ((end = std::copy_n(std::string_view(pieces).data(), std::string_view(pieces).size(), end)), ...);
        return size;
    };
    if (size > out.capacity()) out.reserve(std::max(size, 2 * out.capacity()));
    out.resize_and_overwrite(size, fill);
}

}  // namespace

void HeadWriter::request_line(std::string_view method, std::string_view target, Version version) {
    assert(is_token(method) && is_field_value(target) && target.find(' ') == std::string_view::npos);
    append(out_, method, " ", target, " ", spelled(version), "\r\n");
}

void HeadWriter::status_line(int status, std::string_view reason, Version version) {
    assert(status >= 100 && status <= 999 && is_field_value(reason));
    const char code[] = {' ', static_cast<char>('0' + status / 100), static_cast<char>('0' + status / 10 % 10),
                         static_cast<char>('0' + status % 10), ' '};
    append(out_, spelled(version), std::string_view(code, sizeof code), reason, "\r\n");
}

void HeadWriter::field(std::string_view name, std::string_view value) {
    assert(is_token(name) && is_field_value(value));
    append(out_, name, ": ", value, "\r\n");
}

void HeadWriter::field(std::string_view name, std::uint64_t value) {
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    field(name, std::string_view(digits, static_cast<std::size_t>(end - digits)));
}

void HeadWriter::end() { out_.append("\r\n"); }

std::size_t chunk_prefix(std::uint64_t size, ChunkPrefix& out) {
    assert(size != 0);
    char* const end = std::to_chars(out, out + sizeof out - 2, size, 16).ptr;
    end[0] = '\r';
    end[1] = '\n';
    return static_cast<std::size_t>(end + 2 - out);
}

void write_last_chunk(std::string& out, std::span<const NameValue> trailers) {
    out.append("0\r\n");
    HeadWriter writer(out);
    for (const NameValue& trailer : trailers)
        if (may_be_trailer(trailer.name)) writer.field(trailer.name, trailer.value);
    writer.end();
}

}  // namespace sluice::http1
