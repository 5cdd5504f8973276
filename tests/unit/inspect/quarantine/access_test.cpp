// SPDX-License-Identifier: Apache-2.0
#include "unit/inspect/quarantine/support.h"

#include <gmock/gmock.h>

#include <cerrno>

namespace sluice::inspect {
namespace {

namespace fs = std::filesystem;
using test::contents;
using test::eicar;
using test::names_in;
using test::write_file;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

using QuarantineAccess = test::QuarantineTest;

TEST_F(QuarantineAccess, examined_it_has_all_its_hashes) {
    Quarantine quarantine(options());
    ASSERT_TRUE(put(quarantine, 1, eicar, R"({"a":1})"));
    const auto examined = quarantine.examine(id(1));
    ASSERT_TRUE(examined);
    EXPECT_TRUE(examined->is_intact);
    EXPECT_EQ(examined->sample.event, R"({"a":1})");
    EXPECT_EQ(hex(examined->sample.sha256), "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f");
    EXPECT_EQ(examined->sha1, "3395856ce81f2b7382dee72602f798b642f14140");
    EXPECT_EQ(examined->md5, "44d88612fea8a8f36de82e1278abb02f");
}

TEST_F(QuarantineAccess, what_is_not_there_is_said) {
    const Quarantine nothing(options());
    EXPECT_THAT(*nothing.list(), IsEmpty());
    Quarantine quarantine(options());
    EXPECT_EQ(quarantine.examine(id(1)).error().cause, ENOENT);          // without a folder
    ASSERT_TRUE(put(quarantine, 2, "x"));
    EXPECT_EQ(quarantine.examine(id(1)).error().cause, ENOENT);
    EXPECT_EQ(quarantine.release(id(1), root_ / "out").error().cause, ENOENT);
    EXPECT_EQ(quarantine.remove(id(1)).error().cause, ENOENT);
    EXPECT_FALSE(fs::exists(root_ / "out"));
    write_file(root_ / "file", "");
    EXPECT_FALSE(Quarantine({.dir = root_ / "file", .max_size = 1, .keep = {}}).list());
}

TEST_F(QuarantineAccess, ids_are_no_paths) {
    Quarantine quarantine(options());
    ASSERT_TRUE(put(quarantine, 1, "x"));
    write_file(root_ / "victim.meta", "x");
    for (const std::string_view hostile :
         {"", "../victim", "../../victim", "/etc/passwd", "..", "0000000000000001.meta", "./00000000000001"}) {
        for (const auto& error : {quarantine.examine(hostile).error(), quarantine.release(hostile, root_ / "out").error(),
                                  quarantine.remove(hostile).error()}) {
            EXPECT_EQ(error.code, Errc::malformed) << hostile;
            EXPECT_EQ(error.side, Side::client) << hostile;
        }
    }
    EXPECT_TRUE(fs::exists(root_ / "victim.meta"));
    EXPECT_FALSE(fs::exists(root_ / "out"));
}

TEST_F(QuarantineAccess, ids_are_taken_as_they_are_read_out) {
    Quarantine quarantine(options());
    const std::string_view content = "x";
    ASSERT_TRUE(quarantine.store("0J5XK3M9QZ0112VT", std::span(&content, 1), "{}"));
    EXPECT_TRUE(quarantine.examine("0j5xk3m9qzoil2vt"));
    EXPECT_TRUE(quarantine.remove("oJ5XK3M9QZ0112vt"));
    EXPECT_THAT(names_in(dir_), IsEmpty());
}

TEST_F(QuarantineAccess, release_overwrites_nothing_and_follows_nothing) {
    Quarantine quarantine(options());
    ASSERT_TRUE(put(quarantine, 1, "malware"));
    write_file(root_ / "file", "mine");
    fs::create_symlink(root_ / "nowhere", root_ / "dangling");
    fs::create_symlink(root_ / "file", root_ / "link");
    fs::create_directory(root_ / "folder");
    for (const char* name : {"file", "dangling", "link", "folder"}) {
        const auto released = quarantine.release(id(1), root_ / name);
        ASSERT_FALSE(released) << name;
        EXPECT_EQ(released.error().cause, EEXIST) << name;
    }
    EXPECT_EQ(contents(root_ / "file"), "mine");
    EXPECT_FALSE(fs::exists(root_ / "nowhere"));
    EXPECT_TRUE(fs::is_symlink(root_ / "link"));
    EXPECT_FALSE(quarantine.release(id(1), root_ / "none" / "out"));
    EXPECT_FALSE(quarantine.release(id(1), ""));
    EXPECT_TRUE(quarantine.release(id(1), root_ / "out"));
    EXPECT_TRUE(quarantine.release(id(1), root_ / "again"));             // it stays
}

TEST_F(QuarantineAccess, a_damaged_sample_is_never_released) {
    Quarantine quarantine(options());
    const std::string content(1000, 'x');
    ASSERT_TRUE(put(quarantine, 1, content));
    const std::string good = contents(object(1));
    std::vector<std::string> damaged{"", good.substr(0, 10), good.substr(0, good.size() - 1), good + "x", "MZ" + good.substr(2)};
    for (const std::size_t at : {std::size_t{0}, sample_magic.size(), std::size_t{500}, good.size() - 1}) {
        damaged.push_back(good);
        damaged.back()[at] = static_cast<char>(damaged.back()[at] ^ 1);
    }
    for (const std::string& bytes : damaged) {
        write_file(object(1), bytes);
        const auto released = quarantine.release(id(1), root_ / "out");
        ASSERT_FALSE(released);
        EXPECT_EQ(released.error().code, Errc::malformed);
        EXPECT_FALSE(fs::exists(root_ / "out"));
        const auto examined = quarantine.examine(id(1));
        ASSERT_TRUE(examined);
        EXPECT_FALSE(examined->is_intact);
        EXPECT_EQ(examined->sha1 + examined->md5, "");
    }
    write_file(object(1), good);
    EXPECT_TRUE(quarantine.release(id(1), root_ / "out"));
}

TEST_F(QuarantineAccess, damaged_metadata_are_listed_and_can_be_deleted) {
    Quarantine quarantine(options());
    ASSERT_TRUE(put(quarantine, 1, "one", R"({"a":1})"));
    ASSERT_TRUE(put(quarantine, 2, "two"));
    ASSERT_TRUE(put(quarantine, 3, "three"));
    const std::string good = contents(metadata(1));
    std::string wrong_key = good;
    wrong_key[good.find("key ") + 4] = good[good.find("key ") + 4] == '0' ? '1' : '0';
    write_file(metadata(1), wrong_key);
    write_file(metadata(2), good.substr(0, 50));
    write_file(metadata(3), std::string(max_event_size * 2, 'x'));
    for (const unsigned number : {1U, 2U, 3U}) {
        EXPECT_EQ(quarantine.release(id(number), root_ / "out").error().code, Errc::malformed) << number;
        EXPECT_FALSE(quarantine.examine(id(number))->is_intact) << number;
    }
    EXPECT_FALSE(fs::exists(root_ / "out"));
    const auto samples = quarantine.list();
    ASSERT_TRUE(samples);
    ASSERT_THAT(*samples, SizeIs(3));
    for (const Sample& sample : *samples) {
        EXPECT_EQ(sample.is_readable, sample.id.view() == id(1)) << sample.id.view();
        EXPECT_EQ(sample.size, sample.id.view() == id(3) ? 5U : 3U);
    }
    EXPECT_TRUE(quarantine.remove(id(2)));
    EXPECT_TRUE(quarantine.remove(id(3)));
    EXPECT_THAT(ids(quarantine), ElementsAre(id(1)));
}

}  // namespace
}  // namespace sluice::inspect
