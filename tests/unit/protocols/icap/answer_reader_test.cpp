// SPDX-License-Identifier: Apache-2.0
// Runs tests/wire/icap/answer.wire: every case at every split.
#include "protocols/icap/answer_reader.h"

#include <gtest/gtest.h>

#include "unit/support/splits.h"
#include "unit/support/wire.h"

namespace sluice::icap {
namespace {

using Kind = AnswerReader::Piece::Kind;

std::string in_quotes(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '\r') out += "\\r";
        else if (c == '\n') out += "\\n";
        else out += c;
    }
    return out + '"';
}

std::string read(AnswerReader& reader, std::span<const std::string_view> pieces) {
    std::string head, heads, data, rest;
    bool is_over = false;
    for (const std::string_view each : pieces) {
        const std::string copy(each);                        // gone with the next
        std::string_view in = copy;
        for (bool wants_more = is_over; !wants_more;) {
            const auto piece = reader.next(in);
            if (!piece) return "error " + std::string(to_string(piece.error().code)) + " " + in_quotes(piece.error().what);
            switch (piece->kind) {
                case Kind::need_more:
                    EXPECT_TRUE(in.empty());
                    wants_more = true;
                    break;
                case Kind::head:
                    head = std::to_string(reader.response().status);
                    if (reader.response().keeps_connection) head += " keeps";
                    if (!reader.response().infection.empty()) head += " found " + in_quotes(reader.response().infection);
                    break;
                case Kind::heads: heads = " heads " + in_quotes(piece->data); break;
                case Kind::data: data += piece->data; break;
                case Kind::end: is_over = wants_more = true; break;
            }
        }
        rest += in;
    }
    std::string out = head + heads;
    if (!data.empty()) out += " data " + in_quotes(data);
    out += is_over ? " end" : " more";
    if (!rest.empty()) out += " rest " + in_quotes(rest);
    return out;
}

TEST(IcapAnswer, wire_cases_at_every_split) {
    const auto cases = test::read_wire(std::filesystem::path(SLUICE_SOURCE_DIR) / "tests/wire/icap/answer.wire");
    ASSERT_FALSE(cases.empty());
    AnswerReader reader{Limits{}};
    for (const test::WireCase& wire : cases) {
        SCOPED_TRACE(wire.where);
        test::at_every_split(wire.input, [&](std::span<const std::string_view> pieces) {
            reader.reset();                                  // as it is used: again and again
            EXPECT_EQ(read(reader, pieces), wire.outcome);
        });
        if (testing::Test::HasFailure()) FAIL() << "stopped at the first case that failed";
    }
}

TEST(IcapAnswer, a_head_without_end_is_refused_at_its_bound) {
    Limits limits;
    limits.header_bytes = 100;
    AnswerReader reader(limits);
    const std::string begin = "ICAP/1.0 200 OK\r\nA: ";
    std::string_view in = begin;
    ASSERT_TRUE(reader.next(in));
    for (std::size_t size = begin.size() + 1; size < limits.header_bytes; ++size) {
        in = "a";
        const auto piece = reader.next(in);
        ASSERT_TRUE(piece && piece->kind == Kind::need_more && in.empty()) << size;
    }
    in = "a";
    EXPECT_EQ(reader.next(in).error().code, Errc::too_large);
}

}  // namespace
}  // namespace sluice::icap
