// SPDX-License-Identifier: Apache-2.0
#include "inspect/content/decoder.h"

#include "unit/inspect/content/encoders.h"
#include "unit/support/splits.h"

#include <gtest/gtest.h>

#include <array>
#include <random>

namespace sluice::inspect {
namespace {

using test::at_every_split;
using test::brotli;
using test::gzip;
using test::raw_deflate;
using test::zlib;
using test::zstd;
using Codings = std::vector<Coding>;
using namespace std::literals;

constexpr std::uint64_t no_cap = std::uint64_t{1} << 40U;
const Codings all_codings = {Coding::gzip, Coding::deflate, Coding::br, Coding::zstd};

struct Outcome {
    Reason reason = Reason::none;
    std::string text;
    friend bool operator==(const Outcome&, const Outcome&) = default;
    friend std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
        return out << '"' << to_text(outcome.reason) << "\" after " << outcome.text.size() << " octets";
    }
    static int to_text(Reason reason) { return static_cast<int>(reason); }
};

Outcome decode(std::span<const std::string_view> pieces, const Codings& codings, const Limits& limits = {}, std::uint64_t max_size = no_cap,
               std::size_t scratch_size = 64 * 1024) {
    Decoder decoder(codings, limits, max_size);
    std::string scratch(scratch_size, '\0');
    Outcome out;
    for (const std::string_view piece : pieces) {
        const std::string copy(piece);
        decoder.push(copy, scratch, [&](std::string_view decoded) {
            EXPECT_FALSE(decoded.empty());
            out.text += decoded;
        });
    }
    out.reason = decoder.finish();
    EXPECT_EQ(decoder.decoded(), out.text.size());
    EXPECT_EQ(decoder.fault(), out.reason);
    return out;
}

Outcome decode(std::string_view text, const Codings& codings, const Limits& limits = {}, std::uint64_t max_size = no_cap) {
    return decode(std::span(&text, 1), codings, limits, max_size);
}

// Text that compresses, but not to nothing.
std::string sample(std::size_t size) {
    std::mt19937 random(7);              // NOLINT: the same every time
    std::string out;
    while (out.size() < size) out += "word" + std::to_string(random() % 100) + ' ';
    out.resize(size);
    return out;
}

void expect_at_every_split(std::string_view in, const Codings& codings, const Outcome& expected) {
    at_every_split(in, [&](std::span<const std::string_view> pieces) { ASSERT_EQ(decode(pieces, codings), expected); });
}

TEST(Decoder, every_coding_at_every_split) {
    const std::string text = sample(700);
    for (const Coding coding : all_codings) {
        SCOPED_TRACE(to_string(coding));
        expect_at_every_split(test::encoded(text, std::array{coding}), {coding}, {Reason::none, text});
    }
    expect_at_every_split(text, {}, {Reason::none, text});
    expect_at_every_split(text, {Coding::identity}, {Reason::none, text});
    expect_at_every_split(raw_deflate(text), {Coding::deflate}, {Reason::none, text});
}

TEST(Decoder, chains_at_every_split) {
    const std::string text = sample(300);
    for (const Codings& chain : {Codings{Coding::gzip, Coding::gzip}, Codings{Coding::deflate, Coding::br, Coding::zstd},
                                 Codings{Coding::zstd, Coding::gzip, Coding::br}, Codings{Coding::br, Coding::identity, Coding::deflate}})
        expect_at_every_split(test::encoded(text, chain), chain, {Reason::none, text});
}

TEST(Decoder, the_scratch_may_be_small) {
    const std::string text = sample(300'000);
    for (const Coding coding : all_codings) {
        const std::string in = test::encoded(text, std::array{coding});
        for (const std::size_t step : {std::size_t{1}, std::size_t{4095}, in.size()}) {
            std::vector<std::string_view> pieces;
            for (std::size_t at = 0; at < in.size(); at += step) pieces.push_back(std::string_view(in).substr(at, step));
            EXPECT_EQ(decode(pieces, {coding}, {}, no_cap, 256), (Outcome{Reason::none, text})) << to_string(coding) << ' ' << step;
        }
    }
}

TEST(Decoder, nothing_is_a_sound_payload) {
    for (const Coding coding : all_codings) EXPECT_EQ(decode("", {coding}), Outcome{});
    EXPECT_EQ(decode("", {Coding::gzip, Coding::br}), Outcome{});
    EXPECT_EQ(decode(gzip(""), {Coding::br, Coding::gzip}), Outcome{});
    for (const Coding coding : all_codings) expect_at_every_split(test::encoded("", std::array{coding}), {coding}, Outcome{});
}

TEST(Decoder, cut_anywhere_is_truncated) {
    const std::string text = sample(400);
    for (const Coding coding : all_codings) {
        const std::string in = test::encoded(text, std::array{coding});
        for (std::size_t cut = 1; cut < in.size(); ++cut) {
            const Outcome got = decode(std::string_view(in).substr(0, cut), {coding});
            ASSERT_EQ(got.reason, Reason::truncated) << to_string(coding) << " cut at " << cut;
            ASSERT_TRUE(text.starts_with(got.text));
        }
        const std::string twice = gzip(in);
        for (std::size_t cut = 1; cut < twice.size(); ++cut)
            ASSERT_EQ(decode(std::string_view(twice).substr(0, cut), {coding, Coding::gzip}).reason, Reason::truncated);
        for (std::size_t cut = 1; cut < in.size(); ++cut)
            ASSERT_EQ(decode(gzip(in.substr(0, cut)), {coding, Coding::gzip}).reason, Reason::truncated);
    }
}

// Checksums find every flipped bit; br has none, so there it is only shown that nothing breaks.
TEST(Decoder, a_flipped_bit_is_never_a_sound_payload) {
    const std::string text = sample(300);
    for (const Coding coding : all_codings) {
        const std::string in = test::encoded(text, std::array{coding});
        for (std::size_t at = 0; at < in.size(); ++at) {
            std::string broken = in;
            broken[at] = static_cast<char>(broken[at] ^ 0x10);
            const Outcome got = decode(broken, {coding});
            if (coding != Coding::br && got.text != text) ASSERT_NE(got.reason, Reason::none) << to_string(coding) << " at " << at;
        }
    }
}

TEST(Decoder, after_a_fault_nothing_is_decoded) {
    Decoder decoder(Codings{Coding::gzip}, Limits(), no_cap);
    std::string scratch(1024, '\0');
    std::size_t pieces = 0;
    const auto count = [&](std::string_view) { ++pieces; };
    EXPECT_EQ(decoder.push("no gzip", scratch, count), Reason::corrupt);
    EXPECT_EQ(decoder.push(gzip("text"), scratch, count), Reason::corrupt);
    EXPECT_EQ(decoder.finish(), Reason::corrupt);
    EXPECT_EQ(pieces, 0U);
}

TEST(Gzip, members_are_one_payload) {
    expect_at_every_split(gzip("one ") + gzip("") + gzip("two"), {Coding::gzip}, {Reason::none, "one two"});
}

TEST(Gzip, zeros_behind_are_padding) { expect_at_every_split(gzip("one") + std::string(600, '\0'), {Coding::gzip}, {Reason::none, "one"}); }

TEST(Gzip, anything_else_behind_is_corrupt) {
    expect_at_every_split(gzip("one") + "junk", {Coding::gzip}, {Reason::corrupt, "one"});
    expect_at_every_split(gzip("one") + "\x1f\x8bjunk", {Coding::gzip}, {Reason::corrupt, "one"});
    expect_at_every_split(gzip("one") + '\0' + gzip("two"), {Coding::gzip}, {Reason::corrupt, "one"});
    expect_at_every_split("\0"s + gzip("one"), {Coding::gzip}, {Reason::corrupt, ""});
    EXPECT_EQ(decode(gzip("one") + "\x1f", {Coding::gzip}), (Outcome{Reason::truncated, "one"}));
}

TEST(Deflate, raw_is_taken_as_browsers_do) {
    expect_at_every_split(raw_deflate(sample(200)), {Coding::deflate}, {Reason::none, sample(200)});
    // A raw stored block whose padding makes it look like a zlib header: 78 01, then its length.
    std::string in = "\x78\x01"s;
    in.push_back('\0');
    in += "\xfe\xff"s;                   // of 1 octet: 01 00 fe ff, its first octet being the header's second
    in += 'x';
    in += raw_deflate("tail");
    expect_at_every_split(in, {Coding::deflate}, {Reason::none, "xtail"});
}

TEST(Deflate, is_only_one_stream) {
    expect_at_every_split(zlib("one") + "j", {Coding::deflate}, {Reason::corrupt, "one"});
    expect_at_every_split(zlib("one") + zlib("two"), {Coding::deflate}, {Reason::corrupt, "one"});
    expect_at_every_split(raw_deflate("one") + "junk", {Coding::deflate}, {Reason::corrupt, "one"});
    expect_at_every_split(zlib("") + "junk", {Coding::deflate}, {Reason::corrupt, ""});
}

TEST(Deflate, a_dictionary_is_not_had) {
    std::string in = zlib("text");
    in[0] = '\x78';
    in[1] = '\x20';                      // FDICT
    while ((static_cast<unsigned char>(in[0]) * 256 + static_cast<unsigned char>(in[1])) % 31 != 0) ++in[1];
    EXPECT_EQ(decode(in, {Coding::deflate}).reason, Reason::corrupt);
}

TEST(Deflate, long_beginnings_without_an_octet_end_the_doubt) {
    std::string in = "\x78\x01"s;
    for (int i = 0; i < 500; ++i) in += "\0\0\0\xff\xff"sv;  // empty stored blocks
    const std::string sound = in + raw_deflate("end") + "\x02\x72\x01\x38"s;
    EXPECT_EQ(decode(sound, {Coding::deflate}), (Outcome{Reason::none, "end"}));
    expect_at_every_split(in + "\x07", {Coding::deflate}, {Reason::corrupt, ""});
}

TEST(Brotli, octets_behind_are_corrupt) {
    expect_at_every_split(brotli("one") + "j", {Coding::br}, {Reason::corrupt, "one"});
    expect_at_every_split(brotli("one") + brotli("two"), {Coding::br}, {Reason::corrupt, "one"});
}

// All that the octets so far stand for is given before more are asked for, however small the scratch is.
TEST(Brotli, nothing_is_kept_back) {
    const std::string_view in = "\x5b\x93\xdf\x04\x40\x42\x2f\x1e\x0b\x24\x73\x91\0"sv;  // a long run, and then no end
    const Outcome wide = decode(in, {Coding::br});
    EXPECT_GT(wide.text.size(), 50'000U);
    EXPECT_EQ(decode(std::span(&in, 1), {Coding::br}, {}, no_cap, 256), wide);
}

TEST(Brotli, large_windows_are_refused) { EXPECT_EQ(decode("\x11\x1e\x03\0"sv, {Coding::br}).reason, Reason::corrupt); }

TEST(Zstd, frames_are_one_payload_and_skippable_ones_are_nothing) {
    const std::string skippable = "\x5a\x2a\x4d\x18\x03\0\0\0abc"s;
    expect_at_every_split(skippable + zstd("one ") + skippable + zstd("") + zstd("two") + skippable, {Coding::zstd},
                          {Reason::none, "one two"});
}

TEST(Zstd, anything_else_behind_is_corrupt) {
    expect_at_every_split(zstd("one") + "junk", {Coding::zstd}, {Reason::corrupt, "one"});
    expect_at_every_split(zstd("one") + "\x28\xb5"s + "x", {Coding::zstd}, {Reason::corrupt, "one"});
    expect_at_every_split(zstd("one") + '\0', {Coding::zstd}, {Reason::corrupt, "one"});
}

TEST(Zstd, old_formats_are_not_zstd) {
    for (const char version : {'\x1e', '\x22', '\x23', '\x24', '\x25', '\x26', '\x27'})
        EXPECT_EQ(decode(std::string{version, '\xb5', '\x2f', '\xfd', '\0', '\0', '\0', '\0'}, {Coding::zstd}),
                  (Outcome{Reason::corrupt, ""}));
}

TEST(Zstd, windows_beyond_8_mib_are_undecodable_however_small_the_frame) {
    const std::string in = zstd(sample(300), {.window_log = 27, .content_size = false});
    const std::string header = in.substr(0, 5) + "\x88"s + in.substr(6);  // 2^(10+17): 128 MiB
    expect_at_every_split(header, {Coding::zstd}, {Reason::undecodable, ""});
    const std::string largest = in.substr(0, 5) + "\x68"s + in.substr(6);
    EXPECT_EQ(decode(largest, {Coding::zstd}), (Outcome{Reason::none, sample(300)}));
}

TEST(Zstd, a_dictionary_is_not_had) {
    // A frame that names dictionary 7, of one raw block.
    expect_at_every_split("\x28\xb5\x2f\xfd\x21\x07\x03\x19\0\0abc"sv, {Coding::zstd}, {Reason::undecodable, ""});
}

TEST(Bomb, zeros_in_every_coding) {
    const std::string zeros(64 << 20, '\0');
    const Limits limits;
    for (const Coding coding : all_codings) {
        const std::string in = test::encoded(zeros, std::array{coding});
        const Outcome got = decode(in, {coding});
        EXPECT_EQ(got.reason, Reason::bomb) << to_string(coding);
        EXPECT_LE(got.text.size(), std::max(limits.decoded_free, limits.decoded_ratio * (in.size() + 4096))) << to_string(coding);
    }
}

TEST(Bomb, is_the_same_bomb_at_every_split) {
    Limits limits;
    limits.decoded_ratio = 2;
    limits.decoded_free = 100;
    const std::string zeros(20'000, 'z');
    for (const Codings& codings : {Codings{Coding::gzip}, Codings{Coding::deflate}, Codings{Coding::br}, Codings{Coding::zstd},
                                   Codings{Coding::gzip, Coding::gzip}, Codings{Coding::br, Coding::zstd}}) {
        at_every_split(test::encoded(zeros, codings), [&](std::span<const std::string_view> pieces) {
            ASSERT_EQ(decode(pieces, codings, limits), (Outcome{Reason::bomb, std::string(2 * 4096, 'z')}));
        });
    }
}

TEST(Bomb, nested_ones_are_found_in_the_inner_layer) {
    const std::string inner = gzip(std::string(64 << 20, '\0'));
    EXPECT_EQ(decode(gzip(inner), {Coding::gzip, Coding::gzip}).reason, Reason::bomb);
    // Much in the middle, and nothing at the end: a skippable frame that is all zeros.
    std::string frame = "\x50\x2a\x4d\x18\0\0\0\x02"s;
    frame.resize(frame.size() + (32 << 20), '\0');
    const Outcome got = decode(brotli(frame), {Coding::zstd, Coding::br});
    EXPECT_EQ(got, (Outcome{Reason::bomb, ""}));
}

TEST(Bomb, what_compresses_well_is_none) {
    std::string text;
    while (text.size() < (16U << 20U)) text += sample(2000);
    for (const Coding coding : {Coding::gzip, Coding::deflate})
        EXPECT_EQ(decode(test::encoded(text, std::array{coding}), {coding}).reason, Reason::none);
    const std::string blanks(4 << 20, ' ');
    for (const Coding coding : all_codings) EXPECT_EQ(decode(test::encoded(blanks, std::array{coding}), {coding}).reason, Reason::none);
}

TEST(Caps, the_size_is_exact) {
    const std::string text = sample(1000);
    Codings none;
    for (const Codings& codings : {none, Codings{Coding::gzip}, Codings{Coding::br}, Codings{Coding::zstd}, Codings{Coding::deflate}}) {
        at_every_split(test::encoded(text, codings), [&](std::span<const std::string_view> pieces) {
            ASSERT_EQ(decode(pieces, codings, {}, 1000), (Outcome{Reason::none, text}));
            ASSERT_EQ(decode(pieces, codings, {}, 999), (Outcome{Reason::too_large, text.substr(0, 999)}));
        });
        EXPECT_EQ(decode(test::encoded(text, codings), codings, {}, 0), (Outcome{Reason::too_large, ""}));
    }
}

TEST(Caps, layers) {
    Limits limits;
    limits.decoded_layers = 1;
    EXPECT_EQ(decode(gzip(gzip("text")), {Coding::gzip, Coding::gzip}, limits), (Outcome{Reason::too_deep, ""}));
}

// Decodes to itself, so however many layers are undone, there is one more (a construction of Russ Cox).
TEST(Caps, a_quine_is_bounded_by_the_layers) {
    const std::string_view quine =
        "\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\xff\x71\x75\x69\x6e\x00\x00\x14\x00\xeb\xff\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\xff\x71\x75"
        "\x69\x6e\x00\x00\x14\x00\xeb\xff\x42\x88\x21\xc4\x00\x00\x05\x00\xfa\xff\x42\x88\x21\xc4\x00\x00\x05\x00\xfa\xff\x00\x05\x00\xfa"
        "\xff\x00\x14\x00\xeb\xff\x42\x88\x21\xc4\x00\x00\x05\x00\xfa\xff\x00\x05\x00\xfa\xff\x00\x14\x00\xeb\xff\x42\x88\x21\xc4\x00\x00"
        "\x14\x00\xeb\xff\x42\x88\x21\xc4\x00\x00\x14\x00\xeb\xff\x42\x88\x21\xc4\x00\x00\x14\x00\xeb\xff\x42\x88\x21\xc4\x00\x00\x14\x00"
        "\xeb\xff\x42\x88\x21\xc4\x00\x00\x00\x00\xff\xff\x00\x00\x00\xff\xff\x00\x12\x00\xed\xff\x42\x88\x21\xc4\x00\x00\x00\x00\xff\xff"
        "\x00\x00\x00\xff\xff\x00\x12\x00\xed\xff\x82\x8b\xc0\x45\x00\x01\x00\x00\xff\xff\xf8\xea\xa0\x19\xce\x00\x00\x00\x82\x8b\xc0\x45"
        "\x00\x01\x00\x00\xff\xff\xf8\xea\xa0\x19\xce\x00\x00\x00"sv;
    EXPECT_EQ(decode(quine, {Coding::gzip}), (Outcome{Reason::none, std::string(quine)}));
    EXPECT_EQ(decode(quine, Codings(3, Coding::gzip)), (Outcome{Reason::none, std::string(quine)}));
    EXPECT_EQ(decode(quine, Codings(4, Coding::gzip)), (Outcome{Reason::too_deep, ""}));
}

}  // namespace
}  // namespace sluice::inspect
