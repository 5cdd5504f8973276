// SPDX-License-Identifier: Apache-2.0
#include "policy/lists/entry_text.h"
#include "policy/lists/lists.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace sluice::policy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string gzip(std::string_view text) {
    z_stream stream{};
    EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    std::string out(deflateBound(&stream, text.size()) + 64, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<uInt>(text.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return out;
}

class ListFiles : public testing::Test {
protected:
    void SetUp() override {
        std::string name = testing::TempDir() + "/sluice-lists-XXXXXX";
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        folder_ = name;
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    std::string write(const std::string& name, std::string_view text) {
        const std::string path = folder_ + "/" + name;
        // A new file in the old one's place, as lists are updated.
        std::ofstream(path + ".new", std::ios::binary) << text;
        std::filesystem::rename(path + ".new", path);
        return path;
    }
    static ListSpec file(std::string name, std::string path, ListType type = ListType::domain) {
        return {std::move(name), type, std::move(path), {}, {"sluice.toml", 7, 3}, {}};
    }
    static ListSpec values(std::string name, std::vector<std::string> entries, ListType type = ListType::domain) {
        return {std::move(name), type, {}, std::move(entries), {"sluice.toml", 8, 3}, {}};
    }
    std::shared_ptr<const Lists> load(std::vector<ListSpec> specs, const Lists* previous = nullptr) {
        said_.clear();
        auto out = Lists::load(specs, said_, previous);
        EXPECT_TRUE(out);
        return out;
    }
    static std::string domains(int from, int to) {
        std::string out;
        for (int i = from; i < to; ++i) out += "host" + std::to_string(i) + ".example\n";
        return out;
    }

    std::string folder_;
    Diagnostics said_;
};

TEST_F(ListFiles, every_type_takes_values_or_a_file) {
    const std::string hex(64, 'a');
    const auto lists =
        load({values("ads", {"example.com", "*.tracker.example"}),
              values("nets", {"10.0.0.0/8", "192.0.2.1-192.0.2.3", "::1"}, ListType::ip), values("bad", {hex}, ListType::sha256),
              values("urls", {"http://example.com/a/"}, ListType::url), values("staff", {"ann", "bo"}, ListType::string),
              file("more", write("d", "a.example\n")), file("drop", write("i", "198.51.100.0/24\n"), ListType::ip),
              file("hashes", write("h", std::string(64, 'B') + "  x.exe\n"), ListType::sha256),
              file("paths", write("u", "example.org/x\n"), ListType::url), file("names", write("s", "cy\n"), ListType::string)});
    EXPECT_TRUE(said_.empty());
    ASSERT_EQ(lists->size(), 10U);
    EXPECT_EQ(lists->words(), 1U);
    const auto id = [&](std::string_view name) { return *lists->find(name); };
    EXPECT_TRUE(lists->contains_domain(id("ads"), "www.example.com"));
    EXPECT_FALSE(lists->contains_domain(id("more"), "www.example.com"));
    EXPECT_TRUE(lists->contains_domain(id("more"), "a.example"));
    EXPECT_TRUE(lists->contains_ip(id("nets"), *IpAddress::parse("192.0.2.2")));
    EXPECT_TRUE(lists->contains_ip(id("nets"), *IpAddress::parse("::1")));
    EXPECT_FALSE(lists->contains_ip(id("drop"), *IpAddress::parse("::1")));
    EXPECT_TRUE(lists->contains_ip(id("drop"), *IpAddress::parse("198.51.100.255")));
    EXPECT_TRUE(lists->contains_sha256(id("bad"), hex));
    EXPECT_TRUE(lists->contains_sha256(id("bad"), std::string(64, 'A')));
    EXPECT_TRUE(lists->contains_sha256(id("hashes"), std::string(64, 'b')));
    EXPECT_FALSE(lists->contains_sha256(id("hashes"), hex));
    EXPECT_FALSE(lists->contains_sha256(id("bad"), "aa"));
    EXPECT_TRUE(lists->contains_url(id("urls"), "example.com", "/a/b"));
    EXPECT_FALSE(lists->contains_url(id("urls"), "example.com", "/ab"));
    EXPECT_TRUE(lists->contains_url(id("paths"), "example.org", "/x"));
    EXPECT_TRUE(lists->contains_string(id("staff"), "bo"));
    EXPECT_TRUE(lists->contains_string(id("names"), "cy"));
    EXPECT_FALSE(lists->contains_string(id("staff"), "cy"));
    EXPECT_EQ(lists->type(id("drop")), ListType::ip);
    EXPECT_EQ(lists->report(id("nets")).entries, 3U);
    EXPECT_EQ(lists->find("nix"), std::nullopt);
    std::uint64_t bits = 0;
    EXPECT_TRUE(lists->lookup_sha256(hex, {&bits, 1}));
    EXPECT_EQ(bits, std::uint64_t{1} << id("bad"));
}

TEST_F(ListFiles, hosts_file_with_mark_crlf_and_no_last_newline) {
    const auto lists = load({file(
        "ads", write("hosts", "\xef\xbb\xbf# title\r\n127.0.0.1 localhost\r\n0.0.0.0 ads.example\r\n\r\n0.0.0.0 b.example c.example"))});
    EXPECT_TRUE(said_.empty());
    EXPECT_EQ(lists->report(0).entries, 3U);
    EXPECT_EQ(lists->report(0).lines, 5U);
    EXPECT_TRUE(lists->contains_domain(0, "c.example"));
    EXPECT_FALSE(lists->contains_domain(0, "localhost"));
}

TEST_F(ListFiles, gzip_by_its_first_bytes_also_in_several_members) {
    const std::string plain = domains(0, 20'000);
    const std::string zeros(512, '\0');
    for (const std::string& content : {gzip(plain), gzip(plain.substr(0, 1'005)) + gzip(plain.substr(1'005)), gzip(plain) + zeros}) {
        const auto lists = load({file("ads", write("ads.gz", content))});
        EXPECT_TRUE(said_.empty());
        EXPECT_EQ(lists->report(0).entries, 20'000U);
        EXPECT_TRUE(lists->contains_domain(0, "host19999.example"));
    }
}

TEST_F(ListFiles, a_damaged_gzip_file_is_an_error) {
    const std::string good = gzip(domains(0, 1'000));
    std::string flipped = good;
    flipped[flipped.size() - 6] ^= 1;                            // the checksum
    for (const std::string& content : {good.substr(0, good.size() - 1), good.substr(0, good.size() / 2), good.substr(0, 5), flipped,
                                       good + "x", good + std::string("\0x", 2)}) {
        load({file("ads", write("ads.gz", content))});
        ASSERT_EQ(said_.size(), 1U);
        EXPECT_EQ(said_[0].severity, Diagnostic::Severity::error);
        EXPECT_THAT(said_[0].message, HasSubstr("compressed data"));
    }
}

// What is read must not depend on where the file's chunks end.
TEST_F(ListFiles, lines_across_the_borders_of_chunks) {
    for (const std::size_t filler : {131'060U, 131'071U, 131'072U, 131'073U, 262'143U}) {
        std::string text = "#" + std::string(4'000, 'x') + "\n";
        while (text.size() + 4'002 < filler) text += "#" + std::string(4'000, 'x') + "\n";
        text += "#" + std::string(filler - text.size(), 'y') + "\nexample.com\n";
        const auto lists = load({file("ads", write("ads", text))});
        EXPECT_TRUE(said_.empty());
        EXPECT_TRUE(lists->contains_domain(0, "example.com")) << filler;
        EXPECT_EQ(lists->report(0).entries, 1U);
        EXPECT_EQ(lists->report(0).bad, 0U);
    }
}

TEST_F(ListFiles, an_overlong_line_is_bad_and_costs_no_memory) {
    const auto lists = load({file("ads", write("ads", domains(0, 100) + std::string(5'000'000, 'a') + "\nlast.example\n"))});
    EXPECT_TRUE(said_.empty());
    EXPECT_EQ(lists->report(0).bad, 1U);
    EXPECT_THAT(lists->report(0).first_bad_lines, ElementsAre(101));
    EXPECT_TRUE(lists->contains_domain(0, "last.example"));
}

TEST_F(ListFiles, a_file_beyond_its_bound_is_an_error) {
    const std::string path = write("big.gz", gzip(domains(0, 1'000)));
    const auto result = read_lines(path, ReadBounds{.line = 100, .file = 1'000}, [](std::string_view, bool) {});
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::too_large);
}

TEST_F(ListFiles, files_that_cannot_be_read_are_errors_that_say_why) {
    ASSERT_EQ(mkfifo((folder_ + "/fifo").c_str(), 0600), 0);
    load({file("a", folder_ + "/none"), file("b", folder_), file("c", folder_ + "/fifo"), file("d", write("d", domains(0, 3)))});
    ASSERT_EQ(said_.size(), 3U);
    EXPECT_THAT(to_string(said_[0]), HasSubstr("sluice.toml:7:3: list 'a': " + folder_ + "/none cannot be opened: No such file"));
    EXPECT_THAT(said_[1].message, HasSubstr("not a regular file"));
    EXPECT_THAT(said_[2].message, HasSubstr("not a regular file"));
}

TEST_F(ListFiles, bad_lines_are_skipped_and_counted_with_their_numbers) {
    std::string text = domains(0, 1'000) + "# comment\n";
    for (int i = 0; i < 12; ++i) text += "junk junk\n";
    const auto lists = load({file("ads", write("ads", text + "@@||x.example^\n"))});
    EXPECT_TRUE(said_.empty());
    const LoadReport& report = lists->report(0);
    EXPECT_EQ(report.entries, 1'000U);
    EXPECT_EQ(report.bad, 12U);
    EXPECT_EQ(report.not_applicable, 1U);
    EXPECT_EQ(report.lines, 1'014U);
    EXPECT_THAT(report.first_bad_lines, ElementsAre(1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009, 1010, 1011));
    EXPECT_FALSE(report.kept_previous);
}

TEST_F(ListFiles, five_percent_is_the_border) {
    std::string five;
    for (int i = 0; i < 5; ++i) five += "junk junk\n";
    load({file("ads", write("ads", domains(0, 95) + five))});
    EXPECT_TRUE(said_.empty());
    load({file("ads", write("ads", domains(0, 94) + five))});
    ASSERT_EQ(said_.size(), 1U);
    EXPECT_EQ(said_[0].severity, Diagnostic::Severity::error) << "there is no old one to keep";
    EXPECT_THAT(said_[0].message, HasSubstr("5 of 99 lines are no domain entries (over 5 %): line 95, 96, 97, 98, 99"));
}

TEST_F(ListFiles, too_much_junk_keeps_the_old_one) {
    for (const ListType type : {ListType::domain, ListType::url, ListType::string}) {
        if (type == ListType::string) continue;                  // no line of strings is bad
        const auto first = load({values("other", {"x.example"}, type), file("ads", write("ads", domains(0, 100)), type)});
        // The list that is kept moves to another place, and what it shares with the junk file is not lost either.
        const auto second =
            load({file("ads", write("ads", domains(50, 60) + "<a b>\n"), type), values("other", {"x.example", "host55.example"}, type)},
                 first.get());
        ASSERT_EQ(said_.size(), 1U);
        EXPECT_EQ(said_[0].severity, Diagnostic::Severity::warning);
        EXPECT_THAT(said_[0].message, HasSubstr("keeps its previous content"));
        const LoadReport& report = second->report(0);
        EXPECT_TRUE(report.kept_previous);
        EXPECT_FALSE(report.why_kept.empty());
        EXPECT_EQ(report.entries, 100U);
        const auto has = [&](const Lists& lists, ListId list, std::string_view name) {
            return type == ListType::domain ? lists.contains_domain(list, name) : lists.contains_url(list, name, "/");
        };
        for (int i = 0; i < 100; ++i) EXPECT_TRUE(has(*second, 0, "host" + std::to_string(i) + ".example")) << i;
        EXPECT_TRUE(has(*second, 1, "x.example"));
        EXPECT_TRUE(has(*second, 1, "host55.example"));
        EXPECT_FALSE(has(*second, 0, "x.example"));

        // The same bad file once more: it is still kept, and still said. A good one ends that.
        const auto third =
            load({file("ads", folder_ + "/ads", type), values("other", {"x.example", "host55.example"}, type)}, second.get());
        EXPECT_EQ(said_.size(), 1U);
        EXPECT_TRUE(has(*third, 0, "host99.example"));
        const auto fourth = load({file("ads", write("ads", domains(90, 200)), type)}, third.get());
        EXPECT_TRUE(said_.empty());
        EXPECT_FALSE(fourth->report(0).kept_previous);
        EXPECT_FALSE(has(*fourth, 0, "host0.example"));
        EXPECT_TRUE(has(*fourth, 0, "host199.example"));
    }
}

TEST_F(ListFiles, shrunk_by_ninety_percent_keeps_the_old_one) {
    const auto first = load({file("ads", write("ads", domains(0, 100)))});
    const auto kept = load({file("ads", write("ads", domains(0, 10)))}, first.get());
    ASSERT_EQ(said_.size(), 1U);
    EXPECT_THAT(said_[0].message, HasSubstr("it shrank from 100 entries to 10"));
    EXPECT_TRUE(kept->contains_domain(0, "host99.example"));
    const auto taken = load({file("ads", write("ads", domains(0, 11)))}, first.get());
    EXPECT_TRUE(said_.empty());
    EXPECT_FALSE(taken->contains_domain(0, "host99.example"));
    load({file("ads", write("ads", ""))}, first.get());
    EXPECT_EQ(said_.size(), 1U);
    // Another file, another type or values are the user's own decision.
    load({file("ads", write("other", domains(0, 1)))}, first.get());
    EXPECT_TRUE(said_.empty());
    load({values("ads", {"a.example"})}, first.get());
    EXPECT_TRUE(said_.empty());
}

TEST_F(ListFiles, shrunk_addresses_and_hashes_are_kept_too) {
    std::string addresses;
    std::string hashes;
    for (int i = 0; i < 100; ++i) {
        addresses += "10.0." + std::to_string(i) + ".0/24\n10.0." + std::to_string(i) + ".0/24\n";
        hashes += std::string(62, 'a') + std::to_string(i / 10) + std::to_string(i % 10) + "\n";
    }
    const auto first = load({file("nets", write("nets", addresses), ListType::ip), file("bad", write("bad", hashes), ListType::sha256)});
    EXPECT_EQ(first->report(0).entries, 100U) << "doubles count once";
    EXPECT_EQ(first->report(1).entries, 100U);
    const auto second =
        load({file("nets", write("nets", "192.0.2.1\n"), ListType::ip), file("bad", write("bad", std::string(64, 'b')), ListType::sha256)},
             first.get());
    EXPECT_EQ(said_.size(), 2U);
    EXPECT_TRUE(second->contains_ip(0, *IpAddress::parse("10.0.99.7")));
    EXPECT_FALSE(second->contains_ip(0, *IpAddress::parse("192.0.2.1")));
    EXPECT_TRUE(second->contains_sha256(1, std::string(62, 'a') + "99"));
    EXPECT_FALSE(second->contains_sha256(1, std::string(64, 'b')));
    EXPECT_EQ(second->report(0).entries, 100U);
}

TEST_F(ListFiles, what_did_not_change_is_shared) {
    const std::string path = write("ads", domains(0, 10));
    const auto first = load({file("ads", path), values("nets", {"10.0.0.0/8"}, ListType::ip), values("s", {"a"}, ListType::string)});
    const auto second =
        load({file("ads", path), values("nets", {"10.0.0.0/9"}, ListType::ip), values("s", {"a"}, ListType::string)}, first.get());
    EXPECT_EQ(&first->domains(), &second->domains());
    EXPECT_EQ(&first->strings(), &second->strings());
    EXPECT_NE(&first->networks(), &second->networks());
    EXPECT_EQ(second->report(0).entries, 10U);

    const auto third = load({file("ads", write("ads", domains(5, 15)))}, second.get());
    EXPECT_NE(&third->domains(), &second->domains());
    EXPECT_TRUE(third->contains_domain(0, "host14.example"));
    EXPECT_FALSE(third->contains_domain(0, "host4.example"));
    EXPECT_TRUE(second->contains_domain(0, "host4.example")) << "the old one is untouched";
    EXPECT_TRUE(third->find("s") == std::nullopt);
}

TEST_F(ListFiles, a_list_that_went_away_is_gone) {
    const std::string path = write("ads", domains(0, 10));
    const auto first = load({file("a", path), file("b", path)});
    const auto second = load({file("a", path)}, first.get());
    EXPECT_EQ(second->domains().size(), 10U);
    std::array<std::uint64_t, 1> bits{};
    EXPECT_TRUE(second->domains().lookup("host1.example", bits));
    EXPECT_EQ(bits[0], 1U);
}

// An unchanged file is not read again: it is not even opened, so that one that became unreadable does no harm.
TEST_F(ListFiles, a_changed_list_beside_an_unchanged_one_moves_over) {
    const std::string same = write("same", domains(0, 10));
    const auto first = load({file("same", same), file("ads", write("ads", domains(100, 110)))});
    const auto second = load({file("ads", write("ads", domains(105, 115))), file("same", same)}, first.get());
    EXPECT_TRUE(said_.empty());
    EXPECT_TRUE(second->contains_domain(*second->find("same"), "host9.example"));
    EXPECT_FALSE(second->contains_domain(*second->find("ads"), "host9.example"));
    EXPECT_TRUE(second->contains_domain(*second->find("ads"), "host114.example"));
    EXPECT_FALSE(second->contains_domain(*second->find("ads"), "host104.example"));
    EXPECT_EQ(second->report(*second->find("same")).entries, 10U);
}

TEST_F(ListFiles, a_bad_value_is_an_error_at_the_list) {
    load({values("ads", {"ok.example", "not ok"}), values("nets", {"10.0.0.0/33"}, ListType::ip)});
    ASSERT_EQ(said_.size(), 2U);
    EXPECT_THAT(to_string(said_[0]), HasSubstr("sluice.toml:8:3: list 'ads': 'not ok' is no domain entry"));
    EXPECT_THAT(said_[1].message, HasSubstr("'10.0.0.0/33' is no ip entry"));
}

TEST_F(ListFiles, a_name_given_twice_is_an_error) {
    load({values("ads", {"a.example"}), values("ads", {"b.example"})});
    ASSERT_EQ(said_.size(), 1U);
    EXPECT_THAT(said_[0].message, HasSubstr("given twice"));
}

TEST_F(ListFiles, many_lists_are_many_bits) {
    std::vector<ListSpec> specs;
    for (int i = 0; i < 300; ++i) specs.push_back(values("l" + std::to_string(i), {"all.example", "own" + std::to_string(i) + ".example"}));
    const auto lists = load(specs);
    EXPECT_EQ(lists->words(), 5U);
    std::vector<std::uint64_t> bits(lists->words());
    EXPECT_TRUE(lists->domains().lookup("x.all.example", bits));
    for (std::size_t i = 0; i < 300; ++i) EXPECT_TRUE(bits[i / 64] >> (i % 64) & 1);
    EXPECT_EQ(bits[4] >> (300 - 256), 0U);
    EXPECT_TRUE(lists->contains_domain(299, "own299.example"));
    EXPECT_FALSE(lists->contains_domain(298, "own299.example"));
}

// Real lists, where they are: every line of them is an entry.
TEST_F(ListFiles, real_lists) {
    const char* corpora = std::getenv("SLUICE_CORPORA");
    const std::string folder =
        (corpora != nullptr ? std::string(corpora) : std::string(SLUICE_SOURCE_DIR) + "/../shared/corpora") + "/lists/";
    if (!std::filesystem::exists(folder + "domains-140k.txt")) GTEST_SKIP() << "no corpora in " << folder;
    const auto lists = load({file("steven", folder + "domains-140k.txt"), file("adguard", folder + "domains-124k.txt"),
                             file("ipsum", folder + "ips-120k.txt", ListType::ip), file("v4", folder + "cidr4.txt", ListType::ip),
                             file("v6", folder + "cidr6.txt", ListType::ip), file("urls", folder + "urls.txt", ListType::url)});
    for (const Diagnostic& diagnostic : said_) ADD_FAILURE() << to_string(diagnostic);
    for (ListId list = 0; list < lists->size(); ++list) {
        const LoadReport& report = lists->report(list);
        EXPECT_LT(report.bad * 1'000, report.lines) << lists->name(list);
        EXPECT_GT(report.entries * 100, report.lines * 90) << lists->name(list);
    }
    // Each line's name is found in its list.
    LineParser parser(ListType::domain);
    std::size_t missed = 0;
    ASSERT_TRUE(read_lines(folder + "domains-124k.txt", {}, [&](std::string_view line, bool) {
        if (parser.parse(line) != LineKind::entries) return;
        for (const auto entry : parser.entries()) missed += lists->contains_domain(1, entry) ? 0U : 1U;
    }));
    EXPECT_EQ(missed, 0U);
    EXPECT_TRUE(lists->contains_ip(*lists->find("ipsum"), *IpAddress::parse("1.0.164.165")));
    EXPECT_TRUE(lists->contains_ip(*lists->find("v4"), *IpAddress::parse("1.118.3.9")));
    EXPECT_FALSE(lists->contains_ip(*lists->find("v6"), *IpAddress::parse("1.118.3.9")));
    EXPECT_TRUE(lists->contains_ip(*lists->find("v6"), *IpAddress::parse("2001:1520::1")));
    EXPECT_TRUE(lists->contains_url(*lists->find("urls"), "0001-5cf.pages.dev", "/it/x"));
    EXPECT_FALSE(lists->contains_url(*lists->find("urls"), "0001-5cf.pages.dev", "/italy"));
}

}  // namespace
}  // namespace sluice::policy
