// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/multipart.h"

#include "protocols/mime/line_break.h"
#include "unit/support/splits.h"
#include "unit/support/wire.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace sluice::mime {
namespace {

using Kind = MultipartParser::Piece::Kind;

struct Outcome {
    std::string text;
    std::vector<std::string> details;
};

std::string render(const Error& error) { return "error " + std::string(to_string(error.code)) + " \"" + std::string(error.what) + '"'; }

std::string render(const FormPart& part) {
    std::string out = "part " + part.name;
    if (part.is_file) out += " file \"" + part.file_name + '"';
    if (!part.other_file_name.empty()) out += " or \"" + part.other_file_name + '"';
    if (!part.content_type.empty()) out += " type \"" + part.content_type + '"';
    if (!part.transfer_encoding.empty()) out += " encoding \"" + part.transfer_encoding + '"';
    return out;
}

// Pieces of data that follow one another are one detail, however they came.
void add_data(std::vector<std::string>& details, const std::string& kind, std::string_view data) {
    if (details.empty() || !details.back().starts_with(kind)) details.push_back(kind);
    details.back() += data;
}

Outcome parse(std::span<const std::string_view> pieces, std::string_view boundary = "b", const Limits& limits = {}) {
    MultipartParser parser({MultipartKind::form, std::string(boundary)}, limits);
    Outcome out;
    for (const std::string_view piece : pieces) {
        const std::string copy(piece);
        std::string_view in = copy;
        for (bool is_done = false; !is_done;) {
            const auto got = parser.next(in);
            if (!got) {
                EXPECT_EQ(got.error().side, Side::client);
                out.text = render(got.error());
                return out;
            }
            const bool is_data = got->kind == Kind::preamble || got->kind == Kind::data || got->kind == Kind::epilogue;
            EXPECT_EQ(is_data, !got->data.empty());
            switch (got->kind) {
                case Kind::need_more:
                    EXPECT_TRUE(in.empty());
                    is_done = true;
                    break;
                case Kind::preamble: add_data(out.details, "preamble ", got->data); break;
                case Kind::part: out.details.push_back(render(parser.part())); break;
                case Kind::data: add_data(out.details, "data ", got->data); break;
                case Kind::part_end: out.details.emplace_back("part_end"); break;
                case Kind::epilogue: add_data(out.details, "epilogue ", got->data); break;
            }
        }
    }
    const auto rest = parser.finish();
    out.text = rest ? "end" : render(rest.error());
    if (rest && !rest->empty()) add_data(out.details, "epilogue ", *rest);
    return out;
}

Outcome parse(std::string_view text, std::string_view boundary = "b", const Limits& limits = {}) {
    return parse(std::span(&text, 1), boundary, limits);
}

std::string part(std::string_view name, std::string_view data, std::string_view boundary = "b") {
    return "--" + std::string(boundary) + "\r\nContent-Disposition: form-data; name=\"" + std::string(name) + "\"\r\n\r\n" +
           std::string(data) + "\r\n";
}

TEST(Multipart, wire_cases) {
    const auto cases = test::read_wire(SLUICE_SOURCE_DIR "/tests/wire/mime/multipart.wire");
    ASSERT_GT(cases.size(), 40U);
    for (const test::WireCase& one : cases) {
        SCOPED_TRACE(one.where);
        std::vector<std::string> details;
        for (const std::string& detail : one.details) details.push_back(test::unescaped(detail));
        test::at_every_split(one.input, [&](std::span<const std::string_view> pieces) {
            const Outcome got = parse(pieces);
            ASSERT_EQ(got.text, one.outcome);
            if (got.text == "end") ASSERT_EQ(got.details, details);
        });
    }
}

TEST(Multipart, cut_anywhere_has_no_end) {
    const std::string text = part("a", "one") + part("c", "two\r\n--x") + "--b--";
    for (std::size_t cut = 0; cut < text.size(); ++cut)
        ASSERT_EQ(parse(text.substr(0, cut)).text, "error malformed \"no last boundary\"") << cut;
    EXPECT_EQ(parse(text).text, "end");
    EXPECT_EQ(parse(text + '\r').text, "error malformed \"no last boundary\"");
}

TEST(Multipart, boundaries_of_dashes_are_found) {
    const std::string boundary = "----WebKitFormBoundary0123456789abcdef";
    const std::string data = "-----\r\n----\r\n--\r\n------WebKitFormBoundary0123456789abcdeF\r\n-------";
    test::at_every_split(part("a", data, boundary) + "--" + boundary + "--\r\n", [&](std::span<const std::string_view> pieces) {
        const Outcome got = parse(pieces, boundary);
        ASSERT_EQ(got.text, "end");
        ASSERT_EQ(got.details, (std::vector<std::string>{"part a", "data " + data, "part_end"}));
    });
}

TEST(Multipart, bounds) {
    Limits limits;
    limits.form_parts = 2;
    limits.form_margin = 5;
    limits.form_part_header_bytes = 45;
    limits.form_part_header_fields = 2;
    limits.header_parameters = 1;
    const auto outcome = [&](const std::string& text) { return parse(text, "b", limits).text; };
    EXPECT_EQ(outcome(part("a", "x") + part("a", "x") + "--b--"), "end");
    EXPECT_EQ(outcome(part("a", "x") + part("a", "x") + part("a", "x") + "--b--"), "error too large \"too many parts\"");
    EXPECT_EQ(outcome("12345\r\n--b--"), "end");
    EXPECT_EQ(outcome("123456\r\n--b--"), "error too large \"too much before the first boundary\"");
    EXPECT_EQ(outcome("--b--\r\n123\r\n"), "end");
    EXPECT_EQ(outcome("--b--\r\n1234\r\n"), "error too large \"too much behind the last boundary\"");
    EXPECT_EQ(outcome(part("ab", "") + "--b--"), "end");                        // 45 octets with the empty line
    EXPECT_EQ(outcome(part("abc", "") + "--b--"), "error too large \"a part's header section is too large\"");
    EXPECT_EQ(outcome("--b\r\nContent-Disposition: form-data;name=a;b=c\r\n\r\n"), "error too large \"too many parameters\"");
    EXPECT_EQ(outcome("--b\r\nA:\r\nB:\r\nC:\r\n\r\n"), "error too large \"a part has too many header fields\"");
}

TEST(Multipart, what_almost_is_a_boundary_takes_no_longer) {
    const std::string boundary(70, '-');
    std::string data;
    while (data.size() < (1U << 20U)) data += "\r\n" + std::string(71, '-') + "\r\n--\r\n\r";
    const std::string text = part("a", data, boundary) + "--" + boundary + "--";
    EXPECT_EQ(parse(text, boundary).text, "end");
    std::vector<std::string_view> octets;
    for (std::size_t at = 0; at < text.size(); ++at) octets.push_back(std::string_view(text).substr(at, 1));
    EXPECT_EQ(parse(octets, boundary).details[1], "data " + data);
}

TEST(LineBreak, is_found_wherever_it_is) {
    for (std::size_t size = 0; size < 200; ++size)
        for (const char c : {'\r', '\n'})
            for (std::size_t at = 0; at <= size; ++at) {
                std::string text(size, '\x8d');
                if (at < size) text[at] = c;
                ASSERT_EQ(find_line_break(text, 0), at);
                ASSERT_EQ(find_line_break(text, std::min(at + 1, size)), size);
            }
}

TEST(MultipartType, of_a_content_type) {
    const auto boundary = [](std::string_view type) {
        const auto got = multipart_type(type);
        if (got) EXPECT_EQ(got->kind, MultipartKind::form);
        return got ? got->boundary : render(got.error());
    };
    EXPECT_EQ(boundary("multipart/form-data; boundary=----WebKitFormBoundaryABC"), "----WebKitFormBoundaryABC");
    EXPECT_EQ(boundary(" Multipart/Form-Data ;charset=utf-8; Boundary=\"a b'()+_,-./:=?\""), "a b'()+_,-./:=?");
    EXPECT_EQ(boundary("multipart/form-data; Boundary=----WebKitFormBoundaryABC"), "----WebKitFormBoundaryABC");
    EXPECT_EQ(boundary("multipart/form-data; boundary=\"----=_Part_1_2.3\"; charset=x"), "----=_Part_1_2.3");
    EXPECT_EQ(boundary("multipart/form-data; start=<a@b>; boundary=a ;x"), "a") << "the rest of it may be odd";
    EXPECT_EQ(boundary("multipart/form-data; boundary=" + std::string(70, 'x')), std::string(70, 'x'));
    for (const std::string& bad : {"boundary=" + std::string(71, 'x'), std::string("boundary=\"\""), std::string("boundary=\"a \""),
                                   std::string("boundary=\"e\\vil\"")})
        EXPECT_EQ(boundary("multipart/form-data; " + bad), "error malformed \"bad boundary\"") << bad;
    for (const char* other :
         {"boundary=a; boundary=b", "boundary=a; boundary*=utf-8''b", "xboundary=evil; boundary=b", "boundary=b; x-boundary=evil",
          "a=\"boundary\"; c=evil; boundary=b", "Boundary=xboundary", "boundary=\"xboundary =evil\"", "boundary =a"})
        EXPECT_EQ(boundary("multipart/form-data; " + std::string(other)), "error malformed \"boundary that may be another\"") << other;
    for (const char* longer : {"boundary=\"a\\\"\"", "a=\"; boundary=c\"; boundary=b", "boundary=a,b", "boundary=a b", "boundary=\"a\"b"})
        EXPECT_EQ(boundary("multipart/form-data; " + std::string(longer)), "error malformed \"boundary that may be longer\"") << longer;
    for (const char* bare : {"===17000===", "----=_Part_1", "batch(1-2)", "a:b/c?d"}) {
        const auto got = multipart_type("multipart/form-data; boundary=" + std::string(bare));
        ASSERT_TRUE(got) << bare;
        EXPECT_EQ(got->boundary, bare);
        EXPECT_TRUE(got->is_bare);
        EXPECT_FALSE(multipart_type("multipart/form-data; boundary=\"" + std::string(bare) + '"')->is_bare);
    }
    EXPECT_FALSE(multipart_type("multipart/form-data; boundary=*****")->is_bare);
    EXPECT_EQ(first_octets("----=_Part_1"), "----");
    EXPECT_EQ(first_octets("===1==="), "");
    EXPECT_EQ(boundary("multipart/form-data; boundary=\"a"), "error malformed \"boundary without an end\"");
    EXPECT_EQ(boundary("multipart/form-data boundary=a"), "error malformed \"boundary that may be another\"");
    EXPECT_EQ(boundary("multipart/form-data"), "error malformed \"multipart type without a boundary\"");
    EXPECT_EQ(boundary("text/plain; boundary=a"), "error unsupported \"no multipart type\"");
    EXPECT_EQ(boundary(""), "error unsupported \"no multipart type\"");
    for (const char* other :
         {"multipart/mixed; boundary=a", "Multipart/Related; type=\"a/b\"; boundary=a", "multipart/x-y; boundary=\"a\""})
        EXPECT_EQ(multipart_type(other), (MultipartType{.kind = MultipartKind::other, .boundary = "a"})) << other;
    EXPECT_TRUE(is_multipart(" MULTIPART/x"));
    EXPECT_FALSE(is_multipart("multipart"));
    EXPECT_FALSE(is_multipart("text/multipart/"));
}

TEST(Multipart, parts_of_another_type_need_no_name) {
    const auto outcome = [](std::string_view text) {
        std::string out;
        MultipartParser parser({MultipartKind::other, "b"}, Limits());
        for (auto kind = MultipartParser::Piece::Kind::part; kind != MultipartParser::Piece::Kind::need_more;) {
            const auto got = parser.next(text);
            if (!got) return render(got.error());
            kind = got->kind;
            if (kind == MultipartParser::Piece::Kind::part) out += '[' + parser.part().file_name + '|' + parser.part().content_type + ']';
            if (kind == MultipartParser::Piece::Kind::data) out += got->data;
        }
        return parser.finish() ? out : std::string("no end");
    };
    EXPECT_EQ(outcome("--b\r\n\r\none\r\n--b\r\nContent-Disposition: attachment; filename=f\r\n\r\ntwo\r\n--b--"), "[|]one[f|]two");
    EXPECT_EQ(outcome("--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c--\r\n--b--\r\n"), "[|multipart/mixed; boundary=c]--c--");
    EXPECT_EQ(outcome("--b \r\n\r\n--b--").substr(0, 5), "error") << "as strict as a form otherwise";
}

}  // namespace
}  // namespace sluice::mime
