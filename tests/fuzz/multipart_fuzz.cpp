// SPDX-License-Identifier: Apache-2.0
// Forms: where octets are cut makes no difference; what was taken, written anew, is read the same; every octet of data comes from the input, in
// order. The first octet is the cut; then the Content-Type's line, then the body.
#include "protocols/mime/multipart.h"

#include <cstdlib>
#include <vector>

using namespace sluice;
using namespace sluice::mime;
using Kind = MultipartParser::Piece::Kind;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

struct Part {
    FormPart head;
    std::string data;
    bool has_ended = false;
};

struct Outcome {
    std::string preamble;
    std::string epilogue;
    std::vector<Part> parts;
    std::string_view error;
};

Outcome parse(const MultipartType& type, std::string_view body, std::size_t step, const Limits& limits) {
    MultipartParser parser(type, limits);
    Outcome out;
    for (std::size_t at = 0; at < body.size(); at += step) {
        const std::string copy(body.substr(at, step));
        std::string_view in = copy;
        for (Kind kind = Kind::part; kind != Kind::need_more;) {
            const auto piece = parser.next(in);
            if (!piece) {
                out.error = piece.error().what;
                return out;
            }
            kind = piece->kind;
            switch (kind) {
                case Kind::need_more: require(in.empty()); break;
                case Kind::preamble: out.preamble += piece->data; break;
                case Kind::part: out.parts.push_back({parser.part(), {}}); break;
                case Kind::data: out.parts.back().data += piece->data; break;
                case Kind::part_end: out.parts.back().has_ended = true; break;
                case Kind::epilogue: out.epilogue += piece->data; break;
            }
        }
    }
    const auto rest = parser.finish();
    if (rest) out.epilogue += *rest;
    else out.error = rest.error().what;
    return out;
}

bool same(const Part& a, const Part& b) {
    return a.data == b.data && a.has_ended == b.has_ended && a.head.name == b.head.name && a.head.is_file == b.head.is_file &&
           a.head.file_name == b.head.file_name && a.head.other_file_name == b.head.other_file_name &&
           a.head.content_type == b.head.content_type && a.head.transfer_encoding == b.head.transfer_encoding;
}

bool same(const Outcome& a, const Outcome& b) {
    if (a.error != b.error) return false;
    if (!a.error.empty()) return true;
    if (a.preamble != b.preamble || a.epilogue != b.epilogue || a.parts.size() != b.parts.size()) return false;
    for (std::size_t i = 0; i < a.parts.size(); ++i)
        if (!same(a.parts[i], b.parts[i])) return false;
    return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::size_t step = data[0] % 32 + 1;
    std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    Limits limits;
    limits.form_parts = 8;
    limits.form_margin = 64;
    limits.form_part_header_bytes = 256;
    limits.form_part_header_fields = 6;
    const std::size_t line = text.find('\n');
    if (line == std::string_view::npos) return 0;
    const auto type = multipart_type(text.substr(0, line));
    if (!type) return 0;
    const std::string_view body = text.substr(line + 1);
    const Outcome whole = parse(*type, body, std::max<std::size_t>(body.size(), 1), limits);
    require(same(parse(*type, body, step, limits), whole));
    if (!whole.error.empty()) return 0;

    // Every octet of data stands in the body, in this order.
    std::size_t at = 0;
    const auto follow = [&](std::string_view part) {
        const std::size_t found = body.find(part, at);
        require(found != std::string_view::npos);
        at = found + part.size();
    };
    follow(whole.preamble);
    std::string again;
    for (const Part& part : whole.parts) {
        require(part.has_ended && part.data.find("\r\n--" + type->boundary) == std::string::npos);
        follow(part.data);
        again += "--" + type->boundary + "\r\nContent-Disposition: form-data; name=x\r\n\r\n" + part.data + "\r\n";
    }
    follow(whole.epilogue);
    again += "--" + type->boundary + "--\r\n" + whole.epilogue;
    const Outcome second = parse(*type, again, step, limits);
    require(second.error.empty() && second.parts.size() == whole.parts.size() && second.epilogue == whole.epilogue);
    for (std::size_t i = 0; i < whole.parts.size(); ++i) require(second.parts[i].data == whole.parts[i].data);
    return 0;
}
