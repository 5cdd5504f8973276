// SPDX-License-Identifier: Apache-2.0
#include "inspect/scanner/archive_engine.h"

#include "inspect/scanner/yara_engine.h"
#include "unit/inspect/scanner/archives.h"
#include "unit/inspect/scanner/scan_object.h"
#include "unit/inspect/scanner/support.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>

namespace sluice::inspect {
namespace {

using namespace std::literals;

// Every kind of archive that is opened, with these files in it. What packs a single stream packs a tar.
std::map<std::string, std::function<std::string(const Files&)>> makers() {
    std::map<std::string, std::function<std::string(const Files&)>> all{
        {"rar4", rar4_of}, {"rar5", rar5_of}, {"cab", cab_of}, {"lha", lha_of}};
    for (const char* format : {"zip", "7zip", "ustar", "pax", "iso9660", "newc", "odc", "arbsd"})
        all[format] = [format](const Files& files) { return archive_of(format, "", files); };
    all["v7tar"] = [](const Files& files) { return archive_of("v7tar", "", files); };
    for (const char* filter : {"gzip", "bzip2", "xz", "lzma", "lzip", "zstd", "lz4", "compress"})
        all[std::string("tar.") + filter] = [filter](const Files& files) { return archive_of("ustar", filter, files); };
    return all;
}

TEST(ArchiveEngine, eicar_is_found_in_raw_bytes_anywhere) {
    EXPECT_EQ(verdict_of(eicar()), infected);
    EXPECT_EQ(verdict_of(noise(100'000) + eicar() + noise(100'000)), infected);
    EXPECT_EQ(verdict_of(eicar().substr(1)), "clean ");
    EXPECT_EQ(verdict_of(""), "clean ");
}

TEST(ArchiveEngine, every_format_is_opened) {
    const Files clean{{"a.txt", "hello"}, {"b.bin", noise(70'000)}, {"c.txt", "bye"}};
    Files bad = clean;
    bad[1].second += eicar() + "x";
    for (const auto& [format, make] : makers()) {
        SCOPED_TRACE(format);
        const Scan good = scan(make(clean));
        EXPECT_EQ(words(good.outcome), "clean ");
        const auto is_there = [&](const std::pair<std::string, std::string>& file) {
            return std::ranges::any_of(good.members, [&](const Member& member) {
                return member.size == file.second.size() && member.path.ends_with(file.first) &&
                       member.first_bytes == file.second.substr(0, Member::first_bytes_size);
            });
        };
        if (format != "iso9660") EXPECT_TRUE(std::ranges::all_of(clean, is_there));
        EXPECT_EQ(verdict_of(make(bad)), infected);
    }
}

// A packed member is found by opening only: the string is not in the raw bytes.
TEST(ArchiveEngine, packed_members_are_unpacked) {
    const Files files{{"eicar.com", std::string(5'000, 'a') + eicar() + std::string(5'000, 'b')}};
    for (const char* format : {"zip", "7zip"}) {
        const std::string archive = archive_of(format, "", files);
        EXPECT_FALSE(contains_eicar(archive)) << format;
        EXPECT_EQ(verdict_of(archive), infected) << format;
        EXPECT_EQ(verdict_of(archive_of("ustar", "xz", {{"in." + std::string(format), archive}})), infected);
    }
}

TEST(ArchiveEngine, members_are_told_with_their_paths_and_digests) {
    const std::string inner = archive_of("zip", "", {{"deep/x.exe", "MZ..."}});
    const Scan result = scan(archive_of("ustar", "gzip", {{"dir/in.zip", inner}, {"abc", "abc"}}), "all.tgz");
    EXPECT_EQ(words(result.outcome), "clean ");
    std::vector<std::string> paths;
    for (const Member& member : result.members) paths.push_back(std::to_string(member.depth) + ' ' + member.path);
    EXPECT_EQ(paths, (std::vector<std::string>{"1 all.tar", "2 all.tar/dir/in.zip", "3 all.tar/dir/in.zip/deep/x.exe", "2 all.tar/abc"}));
    ASSERT_EQ(result.members.size(), 4U);
    ASSERT_TRUE(result.members[3].sha256);
    EXPECT_EQ((*result.members[3].sha256)[0], 0xba);         // FIPS 180-2, B.1
    EXPECT_EQ((*result.members[3].sha256)[31], 0xad);
}

TEST(ArchiveEngine, every_layer_goes_through_the_engines) {
    const TemporaryFile rules("rule Program { condition: extension == \".exe\" and uint16(0) == 0x5a4d }");
    Diagnostics diagnostics;
    const auto compiled = YaraRules::compile({rules.path()}, diagnostics);
    ASSERT_TRUE(compiled);
    YaraEngine yara(*compiled);
    const auto engine = [&](std::string_view bytes, std::string_view path, auto deadline) { return yara.scan(bytes, path, deadline); };
    EXPECT_EQ(words(scan(archive_of("zip", "", {{"x.exe", "MZ..."}}), "x.zip", {}, {engine}).outcome), "infected YARA.Program");
    EXPECT_EQ(words(scan(archive_of("zip", "", {{"x.txt", "MZ..."}}), "x.zip", {}, {engine}).outcome), "clean ");
}

TEST(ArchiveEngine, no_cut_makes_an_infected_archive_clean) {
    const Files files{{"a.bin", noise(20'000, 1)}, {"eicar.com", eicar()}, {"z.bin", noise(20'000, 2)}};
    for (const auto& [format, make] : makers()) {
        const std::string whole = make(files);
        const std::size_t plain = whole.find(eicar());
        for (std::size_t part = 1; part < 16; ++part) {
            const std::string cut = whole.substr(0, whole.size() * part / 16);
            const std::string got = verdict_of(cut);
            // Where the bytes are stored as they are, a cut in front of them leaves nothing to find.
            if (plain == std::string::npos || plain + eicar().size() <= cut.size())
                EXPECT_NE(got, "clean ") << format << " cut at " << part << "/16";
        }
    }
}

TEST(ArchiveEngine, no_changed_byte_crashes_it) {
    const Files files{{"a.txt", std::string(300, 'a') + noise(50)}, {"b", "b"}};
    std::mt19937 random(7);
    for (const auto& [format, make] : makers()) {
        const std::string whole = make(files);
        for (int i = 0; i < 100; ++i) {
            std::string changed = whole;
            for (int j = 0; j < 3; ++j) changed[random() % std::min<std::size_t>(changed.size(), 2'000)] = static_cast<char>(random());
            (void)verdict_of(changed, {.total_bytes = 8 << 20});
        }
    }
}

TEST(ArchiveEngine, what_is_encrypted_says_so) {
    for (const char* how : {"zip:encryption=traditional", "zip:encryption=aes256"}) {
        const Scan result = scan(archive_of("zip", "", {{"secret.exe", "MZ" + eicar()}}, how));
        EXPECT_EQ(words(result.outcome), "unscannable encrypted") << how;
        ASSERT_EQ(result.members.size(), 1U);
        EXPECT_TRUE(result.members[0].is_encrypted);
        EXPECT_EQ(result.members[0].path, "secret.exe");
    }
}

TEST(ArchiveEngine, nesting_ends) {
    std::string object = eicar();
    for (int i = 0; i < 8; ++i) object = archive_of("zip", "", {{"in.zip", object}});
    EXPECT_EQ(verdict_of(object), infected);
    std::string packed = archive_of("zip", "", {{"e", std::string(5'000, 'a') + eicar()}});
    for (int i = 0; i < 8; ++i) packed = archive_of("zip", "gzip", {{"in.zip", packed}});
    EXPECT_EQ(verdict_of(packed), "unscannable too-deep");
}

TEST(ArchiveEngine, bombs_are_bombs) {
    const std::string zeros(4 << 20, '\0');
    const ScanLimits limits{.ratio_floor = 1 << 20};
    for (const char* filter : {"gzip", "bzip2", "xz", "zstd"})
        EXPECT_EQ(verdict_of(archive_of("raw", filter, {{"zeros", zeros}}), limits), "unscannable bomb") << filter;
    EXPECT_EQ(verdict_of(archive_of("7zip", "", {{"zeros", zeros}}), limits), "unscannable bomb");

    // As 42.zip: each layer has sixteen times the one below, and no layer alone is out of proportion.
    std::string layer = archive_of("zip", "", {{"0", std::string(1 << 20, 'x')}});
    for (int depth = 0; depth < 5; ++depth) {
        Files copies;
        for (int i = 0; i < 16; ++i) copies.emplace_back(std::to_string(i) + ".zip", layer);
        layer = archive_of("zip", "", copies);
    }
    EXPECT_EQ(verdict_of(layer, {.total_bytes = 64 << 20}), "unscannable bomb");

    Files many;
    for (int i = 0; i < 200; ++i) many.emplace_back(std::to_string(i), "x");
    EXPECT_EQ(verdict_of(archive_of("ustar", "", many), {.members = 100}), "unscannable bomb");
    EXPECT_EQ(verdict_of(archive_of("zip", "", many), {.members = 100}), "unscannable bomb");
    EXPECT_EQ(verdict_of(archive_of("ustar", "", {{"a", noise(300'000)}, {"b", noise(300'000)}}), {.total_bytes = 500'000}),
              "unscannable bomb");
}

TEST(ArchiveEngine, a_member_too_large_does_not_hide_the_others) {
    const ScanLimits limits{.member_bytes = 1 << 20};
    const std::string large = noise(3 << 20);
    EXPECT_EQ(verdict_of(archive_of("zip", "", {{"large", large}, {"small", "x"}}), limits), "unscannable too-large");
    EXPECT_EQ(verdict_of(archive_of("zip", "", {{"large", large}, {"e", std::string(999, 'a') + eicar()}}), limits), infected);
}

TEST(ArchiveEngine, the_deadline_ends_it) {
    ArchiveEngine engine({});
    const ArchiveEngine::Plan plan{.limits = {}, .deadline = std::chrono::steady_clock::now() - 1s, .on_member = {}};
    EXPECT_EQ(words(engine.scan(archive_of("zip", "", {{"a", "a"}}), "a.zip", plan)), "unscannable timeout");
}

TEST(ArchiveEngine, a_zip_that_can_be_read_in_two_ways_is_corrupt) {
    constexpr const char* corrupt = "unscannable corrupt";
    {
        ZipMaker zip;
        const auto a = zip.local("a", "content");
        EXPECT_EQ(verdict_of(zip.finish({a})), "clean ");
    }
    {
        ZipMaker zip;
        const auto a = zip.local("a", "content");
        EXPECT_EQ(verdict_of(zip.finish({a, {"b", "content", a.offset}})), corrupt) << "two entries, one member";
        EXPECT_EQ(verdict_of(ZipMaker(zip).finish({a, a})), "unscannable bomb");
    }
    {
        ZipMaker zip;
        const auto a = zip.local("a.txt", "content");
        EXPECT_EQ(verdict_of(zip.finish({{"a.exe", "content", a.offset}})), corrupt) << "another name";
    }
    {
        ZipMaker zip;
        const auto a = zip.local("a", "content");
        EXPECT_EQ(verdict_of(zip.finish({{"a", "conten", a.offset}})), corrupt) << "another size";
    }
    {
        ZipMaker zip;
        const auto a = zip.local("a", "content");
        const auto hidden = zip.local("hidden", "content");
        EXPECT_EQ(verdict_of(zip.finish({a})), corrupt) << "a member that the directory does not know";
        EXPECT_EQ(hidden.offset, 38U);
    }
    {
        ZipMaker zip;
        const auto hidden = zip.local("hidden", "content");
        const auto a = zip.local("a", "content");
        EXPECT_EQ(verdict_of(zip.finish({a})), corrupt) << "the same in front";
        EXPECT_EQ(hidden.offset, 0U);
    }
    {
        // One member's data is another member: each byte is read twice.
        ZipMaker inner;
        const auto in = inner.local("in", "content");
        std::string kernel = inner.finish({});
        kernel.resize(kernel.size() - 22);
        ZipMaker zip;
        const auto out = zip.local("out", kernel);
        EXPECT_EQ(verdict_of(zip.finish({out, {"in", "content", 33 + in.offset}})), "unscannable bomb") << "overlapping";
    }
    {
        ZipMaker one;
        const std::string first = one.finish({one.local("a", "content")});
        ZipMaker two;
        EXPECT_EQ(verdict_of(first + two.finish({two.local("b", "content")})), corrupt) << "two archives";
        EXPECT_EQ(verdict_of(first + "some bytes behind it"), "clean ");
        EXPECT_EQ(verdict_of(first + eicar()), infected);
        EXPECT_EQ(verdict_of(first.substr(0, first.size() - 1)), corrupt);
    }
}

TEST(ArchiveEngine, what_stands_in_front_of_an_archive_does_not_hide_it) {
    const Files files{{"e", std::string(5'000, 'a') + eicar()}};
    const std::string stub = "MZ" + noise(10'000);
    EXPECT_EQ(verdict_of(stub + archive_of("7zip", "", files)), infected);
    EXPECT_EQ(verdict_of(stub + archive_of("zip", "", files)), infected);
    EXPECT_EQ(verdict_of("GIF89a" + noise(500) + archive_of("zip", "", files)), infected);
    EXPECT_EQ(verdict_of(stub + "7z\xbc\xaf\x27\x1c" + noise(1'000)), "clean ") << "a program that only knows the word";
    // Another archive in front of a zip: who opens it may take either.
    const Files other{{"a.txt", "hello"}};
    for (const char* format : {"7zip", "ustar"})
        EXPECT_EQ(verdict_of(archive_of(format, "", other) + archive_of("zip", "", files)), infected);
    EXPECT_EQ(verdict_of(archive_of("ustar", "gzip", other) + archive_of("zip", "", files)), infected);
    EXPECT_EQ(verdict_of(archive_of("ustar", "gzip", other) + archive_of("zip", "", other)), "clean ");
}

// What a member says that it is decides what some programs make of it, and not what others do: its content is looked at.
TEST(ArchiveEngine, what_is_no_plain_file_is_looked_at) {
    const std::string zip = archive_of("zip", "", {{"e", std::string(500, 'a') + eicar()}});
    ASSERT_FALSE(contains_eicar(zip));
    const std::size_t entry = zip.find("PK\x01\x02");
    for (const unsigned mode : {0U, 010644U, 020644U, 040755U, 060644U, 0100644U, 0120777U, 0140644U, 0170000U}) {
        for (const auto& [system, attributes] :
             {std::pair(3, mode << 16U), std::pair(0, 0x10U), std::pair(0, 1U), std::pair(19, mode << 16U)}) {
            std::string changed = zip;
            changed[entry + 5] = static_cast<char>(system);
            for (unsigned i = 0; i < 4; ++i) changed[entry + 38 + i] = static_cast<char>(attributes >> 8U * i);
            EXPECT_EQ(verdict_of(changed), infected) << system << ' ' << attributes;
            EXPECT_EQ(verdict_of(changed + "bytes behind it"), infected) << system << ' ' << attributes;
            EXPECT_EQ(verdict_of("bytes before it" + changed), infected) << system << ' ' << attributes;
        }
    }
    // A tar's links, devices and folders have no content for libarchive: it takes that for the next header, and finds none.
    const std::string tar = archive_of("ustar", "", {{"e.tgz", archive_of("ustar", "gzip", {{"e", "hello"}})}, {"z.txt", "hello"}});
    for (char kind = '1'; kind <= '6'; ++kind) {
        std::string changed = tar;
        changed[156] = kind;
        unsigned sum = 8 * ' ';
        for (std::size_t i = 0; i < 512; ++i) sum += i >= 148 && i < 156 ? 0U : static_cast<unsigned char>(changed[i]);
        for (std::size_t i = 0; i < 6; ++i) changed[148 + i] = static_cast<char>('0' + (sum >> 3 * (5 - i) & 7U));
        EXPECT_EQ(verdict_of(changed), "unscannable corrupt") << kind;
    }
}

TEST(ArchiveEngine, what_a_link_points_to_is_content) {
    std::string cpio = archive_of("newc", "", {{"e", "to/where"}});
    cpio.replace(cpio.find("000081a4"), 8, "0000a1ff");
    const Scan result = scan(cpio);
    EXPECT_EQ(words(result.outcome), "clean ");
    ASSERT_EQ(result.members.size(), 1U);
    EXPECT_EQ(result.members[0].first_bytes, "to/where");
}

// Of these the magic words are short: more of the header says that it is one, and then what is broken is not clean.
TEST(ArchiveEngine, what_begins_as_an_archive_and_is_none_is_corrupt) {
    using namespace std::string_literals;
    const std::string corrupt = "unscannable corrupt";
    EXPECT_EQ(verdict_of("\x1f\x9d\x90"s + "ab" + std::string(20, '\xff')), corrupt) << "codes that are not there yet";
    EXPECT_EQ(verdict_of("\x1f\x9d\x88"s + "ab" + std::string(20, '\xff')), "clean ") << "codes of eight bits";
    const std::string lha = lha_of({{"a.txt", std::string(5'000, 'a')}});
    EXPECT_EQ(verdict_of(lha.substr(0, 2'000)), corrupt);
    EXPECT_EQ(verdict_of("xx-lhy-" + lha.substr(7, 2'000)), "clean ") << "no such method";
    for (const bool is_little : {true, false}) {
        std::string cpio(26, '\0');
        cpio.replace(0, 2, is_little ? "\xc7\x71" : "\x71\xc7");
        cpio[is_little ? 20 : 21] = 2;
        cpio[is_little ? 22 : 23] = 100;                     // octets that do not follow
        EXPECT_EQ(verdict_of(cpio + "a\0"s + "b"), corrupt);
        EXPECT_EQ(verdict_of(cpio + "abc"), "clean ") << "a name that does not end";
    }
}

// What the patterns found in a member is told with it, before what is inside it; the object itself was searched by others.
TEST(ArchiveEngine, members_are_searched_with_patterns) {
    std::vector<std::string> searched;
    const auto search = [&](std::string_view bytes, BodyFound& found) {
        searched.emplace_back(bytes.substr(0, 5));
        if (bytes == "third") found.set(70);
        Outcome outcome = Outcome::clean();
        if (bytes == "first") outcome.matches = {"A.Match"};
        return outcome;
    };
    const std::string inner = archive_of("zip", "", {{"c.txt", "third"}});
    const std::string object = archive_of("zip", "", {{"a.txt", "first"}, {"b.zip", inner}, {"d.txt", "fourth"}});
    const Scan got = scan(object, "object", {}, {}, {}, search);
    EXPECT_EQ(words(got.outcome), "clean ");
    EXPECT_EQ(got.outcome.matches, std::vector<std::string>{"A.Match"});
    ASSERT_EQ(got.members.size(), 4U);
    EXPECT_EQ(got.members[0].outcome.matches, std::vector<std::string>{"A.Match"});
    EXPECT_EQ(got.members[1].path, "b.zip");
    EXPECT_EQ(got.members[2].path, "b.zip/c.txt");
    BodyFound seventy;
    seventy.set(70);
    EXPECT_EQ(got.members[2].body, seventy);
    EXPECT_EQ(got.members[3].body, BodyFound());
    EXPECT_EQ(searched, (std::vector<std::string>{"first", inner.substr(0, 5), "third", "fourt"}));

    const auto finds = [](std::string_view bytes, BodyFound&) {
        return bytes == "third" ? Outcome::infected("Own", "signatures") : Outcome::clean();
    };
    const Scan bad = scan(object, "object", {}, {}, {}, finds);
    EXPECT_EQ(words(bad.outcome), "infected Own");
    ASSERT_EQ(bad.members.size(), 3U) << "nothing can be worse";
    EXPECT_EQ(words(bad.members[2].outcome), "infected Own");
    EXPECT_EQ(words(bad.members[1].outcome), "clean ");
}

}  // namespace
}  // namespace sluice::inspect
