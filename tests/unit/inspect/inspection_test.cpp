// SPDX-License-Identifier: Apache-2.0
#include "inspect/inspection.h"

#include "inspect/setup.h"
#include "inspect/signatures/pattern_set.h"
#include "unit/inspect/content/encoders.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace sluice::inspect {
namespace {

class InspectionTest : public testing::Test {
protected:
    InspectionTest() {
        Diagnostics faults;
        setup_.patterns = PatternSet::compile({}, {}, setup_.limits, faults);
        setup_.max_size = 1'000'000;
        setup_.wants_sha256 = true;
    }

    const Inspection& look_at(std::string_view bytes, std::size_t piece, std::string_view coding) {
        inspection_.begin(setup_, {.coding = coding});
        for (std::size_t at = 0; at < bytes.size(); at += piece) inspection_.feed(bytes.substr(at, piece));
        inspection_.finish(true);
        return inspection_;
    }
    std::string verdict_of(std::string_view bytes, std::string_view coding) {
        const Outcome& outcome = look_at(bytes, 10, coding).outcome();
        return std::string(to_string(outcome.verdict)) + ' ' + std::string(to_string(outcome.reason));
    }

private:
    inspect::Setup setup_;
    Bench bench_{setup_.limits};
    Inspection inspection_{bench_};
};

const std::string program =
    "MZ" + std::string(58, '\0') + std::string("\x80\0\0\0", 4) + std::string(64, '\0') + "PE" + std::string(20'000, 'x');
constexpr std::string_view program_type = "application/vnd.microsoft.portable-executable";

// What is one file for a receiver that ends its lines with LF alone is found as that, and as what came.
TEST(NetworkLines, are_searched_in_both_forms) {
    inspect::Setup setup;
    std::vector<Signature> signatures(2);
    signatures[0].name.value = "with LF";
    signatures[0].pattern.value = "first line\nsecond line";
    signatures[1].name.value = "with CRLF";
    signatures[1].pattern.value = "third line\r\nfourth line";
    Diagnostics faults;
    setup.patterns = PatternSet::compile(signatures, {}, setup.limits, faults);
    setup.max_size = 1'000'000;
    setup.wants_sha256 = true;
    Bench bench{setup.limits};
    Inspection inspection(bench);
    const auto threat_of = [&](std::string_view bytes, bool has_network_lines) {
        std::string out;
        for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
            inspection.begin(setup, {.coding = {}, .has_network_lines = has_network_lines});
            for (std::size_t at = 0; at < bytes.size(); at += piece) inspection.feed(bytes.substr(at, piece));
            inspection.finish(true);
            const std::string threat = inspection.outcome().threat;
            if (piece == 1) out = threat;
            EXPECT_EQ(threat, out) << "cut at " << piece;
        }
        return out;
    };
    EXPECT_EQ(threat_of("first line\r\nsecond line\r\n", true), "with LF");
    EXPECT_EQ(threat_of("first line\r\nsecond line\r\n", false), "");
    EXPECT_EQ(threat_of("first line\nsecond line\n", true), "with LF") << "some servers convert nothing";
    EXPECT_EQ(threat_of("third line\r\nfourth line", true), "with CRLF");
    EXPECT_EQ(threat_of("first line\r\r\nsecond line", true), "");
    EXPECT_EQ(threat_of("first line\rsecond line\r", true), "");
    const std::string long_lines = std::string(200'000, 'x') + "\r\n";
    EXPECT_EQ(threat_of(long_lines.substr(199'900), true), "");
    inspection.begin(setup, {.coding = {}, .has_network_lines = true});
    inspection.feed(long_lines + "first line\r\nsecond line");
    EXPECT_EQ(inspection.outcome().threat, "with LF");
}

// Who takes no heed of the coding has what came.
TEST_F(InspectionTest, what_comes_under_a_false_coding_is_what_it_is_without) {
    const std::string sha256(look_at(program, 1'000, "").sha256());
    for (const std::size_t piece : {1U, 7U, 10'000U, 100'000U})
        for (const std::string_view coding : {"gzip", "zstd"}) {
            const Inspection& got = look_at(program, piece, coding);
            EXPECT_EQ(got.outcome().verdict, Verdict::unscannable);
            EXPECT_EQ(got.type().mime, program_type) << piece << ' ' << coding;
            EXPECT_EQ(got.sha256(), sha256) << piece << ' ' << coding;
            EXPECT_FALSE(got.has_coding());
        }
    for (const std::string_view coding : {"deflate", "br"}) {  // where some of it may be decoded first
        EXPECT_EQ(look_at(program, 7, coding).type().mime, program_type) << coding;
        EXPECT_NE(verdict_of(program, coding), "clean ");
    }
    const std::string short_one(look_at("MZ", 2, "").sha256());
    EXPECT_EQ(look_at("MZ", 1, "gzip").sha256(), short_one);
}

// Some octets of it can be decoded, as chance will have it; then neither account of it is whole.
TEST_F(InspectionTest, what_breaks_and_is_risky_as_it_came_nobody_can_tell) {
    const std::string broken = test::raw_deflate("some text").substr(0, 8) + std::string(20, '\xff');
    EXPECT_NE(look_at(broken, 100, "deflate").outcome().engine, structure_engine);
    // A RAR archive is three octets and a fault to an inflater.
    const std::string rar = std::string("Rar!\x1a\x07\x01\0", 8) + std::string(5'000, '\x55');
    const Inspection& got = look_at(rar, 100, "deflate");
    EXPECT_EQ(got.outcome().engine, structure_engine);
    EXPECT_EQ(got.type().kind, MediaClass::archive);
    EXPECT_TRUE(got.is_risky());
}

// A coding itself looks like an archive; that it breaks does not make the content one.
TEST_F(InspectionTest, what_is_coded_and_breaks_is_of_the_type_that_could_be_seen) {
    std::string broken = test::gzip("<!doctype html><html>" + std::string(1'000, 'x'));
    broken.resize(broken.size() - 4);
    EXPECT_EQ(look_at(broken, 10, "gzip").type().mime, "text/html");
    EXPECT_NE(verdict_of(broken, "gzip"), "clean ");
}

// The coding is sound, and holds something harmless; what stands in its own header is an archive.
TEST_F(InspectionTest, an_archive_that_only_a_reader_without_the_coding_sees) {
    const auto gzip_with = [](std::string_view extra) {
        std::string out = test::gzip("harmless");
        out[3] = 4;                                          // RFC 1952 2.3.1: FEXTRA
        out.insert(10, std::string{static_cast<char>(extra.size() & 0xff), static_cast<char>(extra.size() >> 8)} + std::string(extra));
        return out;
    };
    EXPECT_EQ(verdict_of(gzip_with("nothing"), "gzip"), "clean ");
    const std::string zip = "PK\x03\x04\x0a" + std::string(21, '\0') + std::string("\1\0\0\0x", 5) + "stored" + "PK\x01\x02" +
                            std::string(42, '\0') + "PK\x05\x06" + std::string(18, '\0');
    EXPECT_EQ(verdict_of(gzip_with(zip), "gzip"), "unscannable undecodable");
    EXPECT_EQ(verdict_of(test::gzip(zip), "gzip"), "clean ") << "which is looked at";
}

}  // namespace
}  // namespace sluice::inspect
