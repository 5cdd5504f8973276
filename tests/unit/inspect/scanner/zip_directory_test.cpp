// SPDX-License-Identifier: Apache-2.0
#include "inspect/scanner/zip_directory.h"

#include "inspect/scanner/archive_engine.h"
#include "unit/inspect/scanner/archives.h"
#include "unit/inspect/scanner/scan_object.h"
#include "unit/inspect/scanner/support.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <initializer_list>

namespace sluice::inspect {
namespace {

using namespace std::literals;

constexpr const char* corrupt = "unscannable corrupt";

std::string verdict_of_form(std::string_view object) {
    return words(scan(object, "object", {}, {}, {mime::MultipartKind::form, "b"}).outcome);
}

// Packed, so that the string is in none of these as it is.
std::string bad_zip() { return archive_of("zip", "", {{"e", std::string(500, 'a') + eicar()}}); }
std::string good_zip(const std::string& name = "g") { return archive_of("zip", "", {{name, std::string(500, 'a')}}); }

const std::string picture = "GIF89a" + std::string(100, '\0');

// With another value in the last end record's field at `at` (APPNOTE.TXT 4.3.16).
template <class T>
std::string with(std::string zip, std::size_t at, T value) {
    std::memcpy(zip.data() + zip.rfind("PK\x05\x06") + at, &value, sizeof value);
    return zip;
}
using Short = std::uint16_t;
using Long = std::uint32_t;

std::string end_record(Short entries, Long size, Long offset) {
    return with(with(with(with("PK\x05\x06" + std::string(18, '\0'), 8, entries), 10, entries), 12, size), 16, offset);
}

// The only member's place, and the directory's, counted from the beginning of what is `by` octets in front.
std::string counted_from(std::size_t by, std::string zip) {
    const auto add = [&](std::size_t at) {
        Long value = 0;
        std::memcpy(&value, zip.data() + at, sizeof value);
        value += static_cast<Long>(by);
        std::memcpy(zip.data() + at, &value, sizeof value);
    };
    add(zip.rfind("PK\x05\x06") + 16);
    add(zip.rfind("PK\x01\x02") + 42);
    return zip;
}

TEST(ZipDirectory, octets_behind_a_zip_do_not_hide_it) {
    ASSERT_FALSE(contains_eicar(bad_zip()));
    for (const std::string& front : {""s, picture, "plain text, and then: "s, "MZ" + noise(1'000)}) {
        for (const std::size_t size : std::initializer_list<std::size_t>{0, 1, 21, 22, 16 << 10, 20'000, 65'535, 70'000, 300'000}) {
            const std::string tail = noise(size);
            EXPECT_EQ(verdict_of(front + bad_zip() + tail), infected) << front.size() << ' ' << size;
            EXPECT_EQ(verdict_of(front + good_zip() + tail), "clean ") << front.size() << ' ' << size;
        }
        for (const std::string& tail : {"PK\x05\x06"s, "PK\x05\x06" + std::string(17, '\0'), "PK\x05"s, "PPK\x05"s})
            EXPECT_EQ(verdict_of(front + bad_zip() + tail), infected) << "half an end record";
    }
}

TEST(ZipDirectory, a_comment_may_be_said_to_be_longer_than_it_is) {
    for (const std::string& front : {""s, picture}) {
        for (const Short size : std::initializer_list<Short>{1, 2, 100, 65'535}) {
            for (const std::string& comment : {""s, "x"s, std::string(50, 'x')}) {
                EXPECT_EQ(verdict_of(front + with(bad_zip(), 20, size) + comment), infected) << size << ' ' << comment.size();
                EXPECT_EQ(verdict_of(front + with(good_zip(), 20, size) + comment), "clean ") << size << ' ' << comment.size();
            }
        }
    }
}

// Readers differ in which of two end records they take: what stands by the earlier one is looked at too.
TEST(ZipDirectory, a_bogus_end_record_behind_a_real_one_does_not_hide_it) {
    const std::string entry = "PK\x01\x02" + std::string(42, '\0');
    for (const std::string& front : {""s, picture}) {
        const std::string bad = front + bad_zip();
        const auto here = static_cast<Long>(bad.size());
        for (const std::string& bogus : {
                 end_record(0, 0, 0),
                 end_record(0xffff, 0xffffffff, 0xffffffff),
                 end_record(1, 46, 0),
                 end_record(1, 46, 0x7fffffff),
                 end_record(1, here, 0),
                 entry + end_record(1, 46, here),
                 entry + end_record(1, 46, 0),
                 good_zip(),
                 counted_from(bad.size(), good_zip()),
             }) {
            EXPECT_EQ(verdict_of(bad + bogus), infected) << front.size() << ' ' << bogus.size();
            EXPECT_EQ(verdict_of(bad + "behind it" + bogus + "behind both"), infected) << front.size() << ' ' << bogus.size();
            // In the comment.
            EXPECT_EQ(verdict_of(with(bad, 20, static_cast<Short>(bogus.size())) + bogus), infected) << front.size() << ' ' << bogus.size();
        }
        EXPECT_EQ(verdict_of(front + good_zip() + end_record(0, 0, 0)), "clean ") << "nothing, or what was looked at";
        EXPECT_EQ(verdict_of(front + good_zip() + entry + end_record(1, 46, 0)), corrupt);
    }
    EXPECT_EQ(verdict_of(picture + good_zip("one") + good_zip("two")), "clean ") << "both are looked at";
    EXPECT_EQ(verdict_of(picture + good_zip() + bad_zip() + good_zip()), infected);
}

TEST(ZipDirectory, end_records_that_some_believe_are_not_clean) {
    const std::string bad = picture + counted_from(picture.size(), bad_zip());
    const std::string good = picture + counted_from(picture.size(), good_zip());
    for (const auto change : {+[](const std::string& zip) { return with<Short>(zip, 4, 1); },       // on another disk
                              +[](const std::string& zip) { return with<Short>(zip, 6, 1); },
                              +[](const std::string& zip) { return with<Short>(zip, 8, 5); },       // so many there
                              +[](const std::string& zip) { return with<Short>(zip, 10, 0); },
                              +[](const std::string& zip) { return with<Long>(zip, 12, 0); },       // the directory's size
                              +[](const std::string& zip) { return with<Long>(zip, 12, 7); },
                              +[](const std::string& zip) { return with<Long>(zip, 16, 0x7fffffff); }}) {
        EXPECT_EQ(verdict_of(change(good)), corrupt);
        EXPECT_NE(verdict_of(change(bad)), "clean ");
        EXPECT_NE(verdict_of(change(bad) + "x"), "clean ");
    }
    EXPECT_EQ(verdict_of(with<Short>(bad, 4, 1)), infected);
    EXPECT_EQ(verdict_of(with<Long>(bad, 12, 7)), infected);
    // A directory where the offset says, and another one in front of the end record.
    EXPECT_EQ(verdict_of(with<Long>(bad + good_zip(), 16, static_cast<Long>(bad.find("PK\x01\x02")))), infected);
    EXPECT_EQ(verdict_of(with<Long>(good + good_zip(), 16, static_cast<Long>(good.find("PK\x01\x02")))), corrupt);
    // A second directory between the last member and the first directory.
    ZipMaker maker;
    const auto hidden = maker.local("hidden", "content");
    const auto a = maker.local("a", "content");
    const std::string both = ZipMaker(maker).finish({hidden, a});
    ZipMaker last(maker);
    last.raw(both.substr(both.find("PK\x01\x02")));
    EXPECT_EQ(verdict_of(picture + last.finish({a})), corrupt);
}

TEST(ZipDirectory, zip64) {
    const std::string wide = archive_of("zip", "", {{"e", std::string(500, 'a') + eicar()}}, "zip:zip64");
    const std::string plain = bad_zip();
    const std::size_t end = plain.rfind("PK\x05\x06");
    const auto saturated = [](const std::string& zip) { return with<Long>(with<Long>(zip, 12, 0xffffffff), 16, 0xffffffff); };
    // With an end record of 64 bits, and more octets behind that.
    const auto widened = [&](std::string_view more) {
        const std::size_t directory = plain.find("PK\x01\x02");
        std::string record = "PK\x06\x06";
        put<std::uint64_t>(record, 44 + more.size());
        put<Long>(record, 0x2d002d);
        put<std::uint64_t>(record, 0);
        put<std::uint64_t>(record, 1);
        put<std::uint64_t>(record, 1);
        put<std::uint64_t>(record, end - directory);
        put<std::uint64_t>(record, directory);
        record += more;
        record += "PK\x06\x07"s + std::string(4, '\0');
        put<std::uint64_t>(record, end);
        put<Long>(record, 1);
        return plain.substr(0, end) + record + saturated(plain.substr(end));
    };
    const std::string end64 = widened("");
    for (const std::string& zip : {wide, end64, with<Short>(with<Short>(end64, 8, 0xffff), 10, 0xffff)}) {
        for (const std::string& front : {""s, picture}) {
            EXPECT_EQ(verdict_of(front + zip), infected);
            EXPECT_EQ(verdict_of(front + zip + "x"), infected);
            EXPECT_EQ(check_zip(front + zip, 10), ZipFault::none);
        }
    }
    EXPECT_EQ(check_zip(with<Long>(end64, 12, 7), 10), ZipFault::disagreement) << "another size beside it";
    std::string elsewhere = end64;
    elsewhere[elsewhere.rfind("PK\x06\x07") + 8] ^= 1;
    EXPECT_EQ(check_zip(elsewhere, 10), ZipFault::disagreement);
    std::string none = end64;
    none[none.rfind("PK\x06\x06") + 3] = 'x';
    EXPECT_EQ(verdict_of(picture + none), corrupt) << "it may be somewhere";
    EXPECT_EQ(verdict_of(picture + bad_zip() + none), infected);
    EXPECT_EQ(verdict_of(widened("more of it")), infected);
    EXPECT_EQ(verdict_of(picture + widened("more of it")), corrupt) << "only some readers find it";
    EXPECT_EQ(verdict_of(picture + widened("more of it") + "x"), corrupt);
}

TEST(ZipDirectory, the_signature_of_an_end_alone_is_no_zip) {
    for (const std::string& tail : {""s, std::string(4, '\0'), std::string(18, '\0'), std::string(18, '\xff'), std::string(100, 'x'),
                                    noise(50), end_record(1, 46, 0), end_record(1, 0, 0), end_record(3, 1, 1)}) {
        const std::string object = "a plain file, " + noise(500) + "PK\x05\x06" + tail;
        EXPECT_FALSE(find_zip(object));
        EXPECT_EQ(verdict_of(object), "clean ");
    }
    for (const std::string& object : {""s, "P"s, "PK\x05"s, "xPK\x05\x06"s, "PK\x05\x06"s, end_record(0, 0, 0)})
        EXPECT_FALSE(find_zip(object));
    EXPECT_EQ(verdict_of(end_record(0, 0, 0)), "clean ") << "a zip without members";
    EXPECT_EQ(verdict_of(end_record(0, 0, 0) + "x"), "clean ");
}

TEST(ZipDirectory, a_zip_is_found_wherever_it_is_aligned) {
    const std::string zip = good_zip();
    for (std::size_t front = 0; front < 9; ++front) {
        for (std::size_t tail = 0; tail < 9; ++tail) {
            for (const char filler : {'x', 'P', 'K', '\x05', '\x06'}) {
                const auto place = find_zip(std::string(front, filler) + zip + std::string(tail, filler));
                ASSERT_TRUE(place) << front << ' ' << tail;
                EXPECT_EQ(place->begin, front);
                EXPECT_TRUE(place->is_sure);
            }
        }
    }
}

// What else an object is, is not lost over a zip in it.
TEST(ZipDirectory, a_zip_hides_no_other_archive) {
    const std::string zip = good_zip() + "x";
    const Files files{{"e", std::string(500, 'a') + eicar()}};
    EXPECT_EQ(verdict_of("MZ" + noise(100) + zip + archive_of("7zip", "", files)), infected);
    EXPECT_EQ(verdict_of("MZ" + noise(100) + bad_zip() + archive_of("7zip", "", {{"a", "a"}})), infected);
    EXPECT_EQ(verdict_of(archive_of("ustar", "gzip", files) + zip), infected);
    EXPECT_EQ(verdict_of(archive_of("ustar", "gzip", {{"a", "a"}}) + bad_zip() + "x"), infected);
    // A tar's members are not looked at twice.
    const Files zips{{"a.zip", good_zip()}, {"b.zip", good_zip()}, {"c.zip", good_zip()}, {"d", "xPK\x05\x06"}};
    const std::string tar = archive_of("ustar", "", zips);
    EXPECT_EQ(verdict_of(tar), "clean ");
    EXPECT_EQ(verdict_of(tar, {.members = 7}), "clean ");
    EXPECT_EQ(verdict_of(tar, {.members = 6}), "unscannable bomb");
    EXPECT_EQ(verdict_of(tar + good_zip("other") + "x", {.members = 8}), "clean ") << "what is not among them is";
    EXPECT_EQ(verdict_of(tar + good_zip("other") + "x", {.members = 7}), "unscannable bomb");
    EXPECT_EQ(verdict_of(tar + bad_zip() + "x"), infected);
    // Some take the zip in front of one that has nothing where it is said to begin.
    EXPECT_EQ(verdict_of(tar + bad_zip() + counted_from(tar.size() + bad_zip().size(), good_zip("other")) + "x"), infected);
}

TEST(ZipDirectory, many_zips_in_front_of_one_another_are_a_bomb) {
    std::string object = picture;
    for (int i = 0; i < 30; ++i) object += good_zip();
    EXPECT_EQ(verdict_of(object), "clean ");
    EXPECT_EQ(verdict_of(object, {.members = 20}), "unscannable bomb");
}

TEST(ZipDirectory, the_search_is_linear) {
    for (const std::string& filler :
         {"P"s, "K"s, "PK\x05"s, "PK\x05\x06"s, end_record(1, 46, 0), "PK\x01\x02" + std::string(42, '\0') + end_record(0, 0, 0)}) {
        std::string object = picture;
        while (object.size() < 1 << 20) object += filler;
        EXPECT_FALSE(find_zip(object));
    }
}

TEST(ZipDirectory, in_a_part_of_a_form) {
    const auto form_of = [](std::string_view data) {
        return "--b\r\nContent-Disposition: form-data; name=f; filename=\"a.gif\"\r\n\r\n" + std::string(data) + "\r\n--b--\r\n";
    };
    EXPECT_EQ(verdict_of_form(form_of(picture + bad_zip() + "x")), infected);
    EXPECT_EQ(verdict_of_form(form_of(picture + with<Short>(bad_zip(), 20, 1))), infected);
    EXPECT_EQ(verdict_of_form(form_of(picture + bad_zip() + noise(70'000))), infected);
    EXPECT_EQ(verdict_of_form(form_of(picture + good_zip() + "x")), "clean ");
}

// In the comment of a directory's entry: a reader that does not take the outer zip, whose end says more than there is, finds the inner one.
TEST(ZipDirectory, a_zip_in_the_directory_of_another) {
    std::string outer = archive_of("zip", "", {{"decoy", "x"}});
    const std::string inner = bad_zip();
    const std::size_t entry = outer.find("PK\x01\x02");
    const std::size_t end = outer.find("PK\x05\x06");
    const auto add = [&](std::size_t at, std::size_t more, std::size_t octets) {
        for (std::size_t i = 0; i < octets; ++i) {
            const std::size_t sum = static_cast<unsigned char>(outer[at + i]) + (more >> (8 * i) & 0xff);
            ASSERT_LT(sum, 256U) << "no carry here";
            outer[at + i] = static_cast<char>(sum);
        }
    };
    add(end + 20, 50, 2);
    const std::string padded = inner + std::string(0x300 - inner.size() % 0x100, '\0');
    add(end + 12, padded.size() & ~std::size_t{0xff}, 4);
    add(entry + 32, padded.size() & ~std::size_t{0xff}, 2);
    outer.insert(end, padded.substr(0, padded.size() & ~std::size_t{0xff}));
    EXPECT_EQ(verdict_of(std::string(16, 'j') + outer + "four"), infected);
}

}  // namespace
}  // namespace sluice::inspect
