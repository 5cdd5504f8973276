// SPDX-License-Identifier: Apache-2.0
#include "inspect/quarantine/quarantine.h"

#include "unit/inspect/quarantine/support.h"

#include <gmock/gmock.h>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <thread>

namespace sluice::inspect {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using test::contents;
using test::eicar;
using test::mode_of;
using test::names_in;
using test::write_file;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

using QuarantineStore = test::QuarantineTest;
using QuarantineRoom = test::QuarantineTest;
using QuarantineCrash = test::QuarantineTest;
using QuarantineDisk = test::QuarantineTest;

TEST_F(QuarantineStore, an_object_and_its_event_come_back) {
    Quarantine quarantine(options());
    const std::string_view event = R"({"event.id":"0000000000000001","file.name":"eicar.com"})";
    ASSERT_TRUE(put(quarantine, 1, eicar, event));
    const auto samples = quarantine.list();
    ASSERT_TRUE(samples);
    ASSERT_EQ(samples->size(), 1U);
    const Sample& sample = samples->front();
    EXPECT_EQ(sample.id.view(), id(1));
    EXPECT_TRUE(sample.is_readable);
    EXPECT_EQ(sample.size, 68U);
    EXPECT_EQ(hex(sample.sha256), "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f");
    EXPECT_EQ(sample.event, event);
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    EXPECT_NEAR(static_cast<double>(sample.stored_ns), static_cast<double>(std::chrono::nanoseconds(now).count()), 60e9);
    ASSERT_TRUE(quarantine.release(id(1), root_ / "out"));
    EXPECT_EQ(contents(root_ / "out"), eicar);
}

TEST_F(QuarantineStore, from_a_descriptor_wherever_its_offset_stands) {
    std::string content(600'000, '\0');                      // more than one piece
    for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * i >> 7U);
    write_file(root_ / "object", content + "more");
    const Descriptor file(::open((root_ / "object").c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_GT(::lseek(file.get(), 12'345, SEEK_SET), 0);
    Quarantine quarantine(options());
    ASSERT_TRUE(quarantine.store(id(1), Object{.descriptor = file.get(), .size = content.size(), .name = "object"}, "{}"));
    EXPECT_EQ(::lseek(file.get(), 0, SEEK_CUR), 12'345);
    ASSERT_TRUE(quarantine.release(id(1), root_ / "out"));
    EXPECT_EQ(contents(root_ / "out"), content);
}

TEST_F(QuarantineStore, from_pieces_and_of_nothing) {
    Quarantine quarantine(options());
    const std::string large(300'000, 'x');
    const std::vector<std::string_view> pieces{"a", "", large, "b"};
    ASSERT_TRUE(quarantine.store(id(1), pieces, "{}"));
    ASSERT_TRUE(quarantine.store(id(2), std::span<const std::string_view>(), "{}"));
    ASSERT_TRUE(quarantine.release(id(1), root_ / "out"));
    EXPECT_EQ(contents(root_ / "out"), "a" + large + "b");
    ASSERT_TRUE(quarantine.release(id(2), root_ / "empty"));
    EXPECT_EQ(contents(root_ / "empty"), "");
    const auto examined = quarantine.examine(id(2));
    ASSERT_TRUE(examined);
    EXPECT_TRUE(examined->is_intact);
    EXPECT_EQ(examined->md5, "d41d8cd98f00b204e9800998ecf8427e");
}

TEST_F(QuarantineStore, an_object_that_is_shorter_than_said_is_an_error) {
    write_file(root_ / "object", "short");
    const Descriptor file(::open((root_ / "object").c_str(), O_RDONLY | O_CLOEXEC));
    Quarantine quarantine(options());
    const auto stored = quarantine.store(id(1), Object{.descriptor = file.get(), .size = 6, .name = ""}, "{}");
    ASSERT_FALSE(stored);
    EXPECT_EQ(stored.error().code, Errc::io_failed);
    EXPECT_THAT(names_in(dir_), IsEmpty());
}

TEST_F(QuarantineStore, no_file_holds_the_object_as_it_is) {
    Quarantine quarantine(options());
    ASSERT_TRUE(put(quarantine, 1, eicar));
    ASSERT_TRUE(put(quarantine, 2, eicar));
    for (const std::string& name : names_in(dir_)) {
        const std::string text = contents(dir_ / name);
        for (std::size_t i = 0; i + 8 <= eicar.size(); ++i) EXPECT_EQ(text.find(eicar.substr(i, 8)), std::string::npos) << name;
    }
    EXPECT_TRUE(contents(object(1)).starts_with(sample_magic));
    EXPECT_EQ(contents(object(1)).size(), sample_magic.size() + eicar.size());
    EXPECT_NE(contents(object(1)), contents(object(2)));     // a key each
}

TEST_F(QuarantineStore, is_for_its_owner_alone) {
    const mode_t before = ::umask(0);
    Quarantine quarantine(options());
    const auto stored = put(quarantine, 1, eicar);
    const auto released = quarantine.release(id(1), root_ / "out");
    ::umask(0777);
    const auto with_less = put(quarantine, 2, eicar);
    ::umask(before);
    ASSERT_TRUE(stored && released && with_less);
    EXPECT_EQ(mode_of(dir_), 0700U);
    EXPECT_EQ(mode_of(root_ / "out"), 0600U);
    for (const std::string& name : names_in(dir_)) EXPECT_EQ(mode_of(dir_ / name), 0600U) << name;
}

TEST_F(QuarantineStore, prepare_makes_the_folder_and_gives_it_away) {
    Quarantine quarantine(options());
    ASSERT_TRUE(quarantine.prepare(::getuid() == 0 ? std::optional(Folder::Owner(65534, 65534)) : std::nullopt));
    EXPECT_EQ(mode_of(dir_), 0700U);
    struct stat status{};
    ASSERT_EQ(::stat(dir_.c_str(), &status), 0);
    EXPECT_EQ(status.st_uid, ::getuid() == 0 ? 65534U : ::getuid());
    EXPECT_TRUE(quarantine.prepare());                       // and takes one that is there as it is
}

TEST_F(QuarantineStore, a_folder_that_everybody_may_write_to_is_refused) {
    fs::create_directories(dir_);
    fs::permissions(dir_, fs::perms::all);
    Quarantine quarantine(options());
    const auto stored = put(quarantine, 1, eicar);
    ASSERT_FALSE(stored);
    EXPECT_EQ(stored.error().code, Errc::refused_by_policy);
}

TEST_F(QuarantineStore, a_folder_that_cannot_be_made_is_an_error) {
    write_file(root_ / "state", "a file");
    Quarantine quarantine(options());
    const auto stored = put(quarantine, 1, eicar);
    ASSERT_FALSE(stored);
    EXPECT_EQ(stored.error().code, Errc::io_failed);
    EXPECT_FALSE(quarantine.prepare());
}

TEST_F(QuarantineStore, ids_are_checked) {
    Quarantine quarantine(options());
    for (const std::string_view hostile :
         {"", "../../../tmp/x00", "/000000000000000", "000000000000000/", "abcdefghjkmnpqrs", "000000000000000U"}) {
        const auto stored = quarantine.store(hostile, std::span<const std::string_view>(), "{}");
        ASSERT_FALSE(stored) << hostile;
        EXPECT_EQ(stored.error().code, Errc::malformed);
    }
    EXPECT_FALSE(fs::exists(dir_));
}

TEST_F(QuarantineStore, an_event_has_one_sample) {
    Quarantine quarantine(options());
    ASSERT_TRUE(put(quarantine, 1, "first"));
    const auto second = put(quarantine, 1, "second");
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().cause, EEXIST);
    ASSERT_TRUE(quarantine.release(id(1), root_ / "out"));
    EXPECT_EQ(contents(root_ / "out"), "first");
    EXPECT_EQ(names_in(dir_).size(), 2U);
}

TEST_F(QuarantineStore, an_event_that_is_too_large_is_an_error_and_a_line_end_is_not_kept) {
    Quarantine quarantine(options());
    const auto stored = put(quarantine, 1, "x", std::string(max_event_size + 1, ' '));
    ASSERT_FALSE(stored);
    EXPECT_EQ(stored.error().code, Errc::too_large);
    ASSERT_TRUE(put(quarantine, 2, "x", "{\"a\":1}\r\n"));
    ASSERT_TRUE(put(quarantine, 3, "x", std::string(max_event_size, ' ')));
    const auto samples = quarantine.list();
    ASSERT_TRUE(samples);
    EXPECT_EQ(samples->at(1).event, "{\"a\":1}");
    EXPECT_TRUE(samples->at(0).is_readable);
}

TEST_F(QuarantineRoom, the_oldest_go_first) {
    Quarantine quarantine(options(100));
    for (const unsigned number : {3U, 1U, 2U}) {             // not in the order of their ids
        ASSERT_TRUE(put(quarantine, number, std::string(30, 'x')));
        age(number, std::chrono::seconds(100 * (number == 3 ? 3 : number == 1 ? 2 : 1)));
    }
    EXPECT_THAT(ids(quarantine), ElementsAre(id(2), id(1), id(3)));
    ASSERT_TRUE(put(quarantine, 4, std::string(10, 'x')));   // exactly full
    EXPECT_THAT(ids(quarantine), ElementsAre(id(4), id(2), id(1), id(3)));
    ASSERT_TRUE(put(quarantine, 5, "x"));
    EXPECT_THAT(ids(quarantine), ElementsAre(id(5), id(4), id(2), id(1)));
    ASSERT_TRUE(put(quarantine, 6, std::string(100, 'x')));
    EXPECT_THAT(ids(quarantine), ElementsAre(id(6)));
    EXPECT_THAT(names_in(dir_), UnorderedElementsAre(id(6) + ".sample", id(6) + ".meta"));
}

TEST_F(QuarantineRoom, for_an_object_larger_than_all_of_it_nothing_goes) {
    Quarantine quarantine(options(100));
    ASSERT_TRUE(put(quarantine, 1, std::string(90, 'x')));
    const auto stored = put(quarantine, 2, std::string(101, 'x'));
    ASSERT_FALSE(stored);
    EXPECT_EQ(stored.error().code, Errc::too_large);
    EXPECT_THAT(ids(quarantine), ElementsAre(id(1)));
}

TEST_F(QuarantineRoom, there_is_a_most_of_samples) {
    auto few = options();
    few.max_samples = 2;
    Quarantine quarantine(few);
    for (unsigned number = 1; number <= 4; ++number) ASSERT_TRUE(put(quarantine, number, ""));
    EXPECT_THAT(ids(quarantine), ElementsAre(id(4), id(3)));
}

TEST_F(QuarantineRoom, what_is_too_old_goes) {
    Quarantine quarantine(options());
    for (unsigned number = 1; number <= 3; ++number) ASSERT_TRUE(put(quarantine, number, "x"));
    age(1, 25h);
    age(2, 23h);
    age(3, -48h);                                            // a clock that was set back
    auto swept = quarantine.sweep();
    ASSERT_TRUE(swept);
    EXPECT_EQ(swept->expired, 1U);
    EXPECT_EQ(swept->displaced, 0U);
    EXPECT_THAT(ids(quarantine), ElementsAre(id(3), id(2)));
    age(2, 25h);
    ASSERT_TRUE(put(quarantine, 4, "x"));                    // each store does it
    EXPECT_THAT(ids(quarantine), ElementsAre(id(3), id(4)));
}

TEST_F(QuarantineRoom, a_reload_changes_both_bounds) {
    Quarantine quarantine(options());
    for (unsigned number = 1; number <= 3; ++number) {
        ASSERT_TRUE(put(quarantine, number, std::string(40, 'x')));
        age(number, std::chrono::seconds(3600 * (4 - number)));
    }
    quarantine.set_options(options(80));
    EXPECT_EQ(quarantine.sweep()->displaced, 1U);
    EXPECT_THAT(ids(quarantine), ElementsAre(id(3), id(2)));
    auto shorter = options(80);
    shorter.keep = 90min;
    quarantine.set_options(shorter);
    EXPECT_EQ(quarantine.sweep()->expired, 1U);
    EXPECT_THAT(ids(quarantine), ElementsAre(id(3)));
    shorter.keep = std::chrono::milliseconds::max();
    quarantine.set_options(shorter);
    EXPECT_EQ(quarantine.sweep()->expired, 0U);
}

TEST_F(QuarantineRoom, a_sweep_without_a_folder_does_nothing) {
    Quarantine quarantine(options());
    EXPECT_TRUE(quarantine.sweep());
    EXPECT_FALSE(fs::exists(dir_));
}

TEST_F(QuarantineRoom, many_at_once_never_exceed_it) {
    Quarantine quarantine(options(10'000));
    Quarantine other(options(10'000));                       // as in another process: it sweeps at the same time
    std::atomic<bool> done = false;
    std::atomic<unsigned> failed = 0;
    std::thread sweeper([&] {
        while (!done) {
            if (!other.sweep()) ++failed;
            if (!other.list()) ++failed;
        }
    });
    std::vector<std::thread> writers;
    for (unsigned writer = 0; writer < 4; ++writer)
        writers.emplace_back([&, writer] {
            for (unsigned i = 0; i < 25; ++i)
                if (!put(quarantine, 1 + writer * 25 + i, std::string(900, 'x'))) ++failed;
        });
    for (std::thread& writer : writers) writer.join();
    done = true;
    sweeper.join();
    EXPECT_EQ(failed, 0U);
    ASSERT_TRUE(quarantine.sweep());
    const auto samples = quarantine.list();
    ASSERT_TRUE(samples);
    EXPECT_EQ(samples->size(), 11U);                         // as many as fit: a sweep elsewhere takes nothing that is being written
    for (const Sample& sample : *samples) EXPECT_TRUE(quarantine.examine(sample.id.view())->is_intact);
    EXPECT_EQ(names_in(dir_).size(), 22U);
}

TEST_F(QuarantineCrash, what_it_left_is_swept) {
    Quarantine quarantine(options());
    for (unsigned number = 1; number <= 3; ++number) ASSERT_TRUE(put(quarantine, number, "x"));
    fs::remove(metadata(1));                                 // renamed, but its metadata were not
    fs::remove(object(2));                                   // a file system that kept only the later of two renames
    write_file(dir_ / ".new-0123456789abcdef", "half");
    EXPECT_THAT(ids(quarantine), testing::SizeIs(2));
    const auto swept = quarantine.sweep();
    ASSERT_TRUE(swept);
    EXPECT_EQ(swept->halves, 3U);
    EXPECT_THAT(names_in(dir_), UnorderedElementsAre(id(3) + ".sample", id(3) + ".meta"));
}

TEST_F(QuarantineCrash, what_is_being_written_is_not_swept) {
    Quarantine quarantine(options());
    ASSERT_TRUE(quarantine.prepare());
    const auto folder = Folder::open(dir_);
    ASSERT_TRUE(folder);
    {
        auto object = Draft::create(folder->descriptor());
        auto metadata = Draft::create(folder->descriptor());
        ASSERT_TRUE(object && metadata);
        ASSERT_TRUE(object->rename_to(object_name(*parse_event_id(id(7)))));
        ASSERT_TRUE(quarantine.sweep());
        EXPECT_EQ(names_in(dir_).size(), 2U);
        EXPECT_FALSE(quarantine.remove(id(7)));              // nor deleted: nobody knows of it yet
        EXPECT_EQ(names_in(dir_).size(), 2U);
    }
    EXPECT_THAT(names_in(dir_), IsEmpty());                  // a draft that nobody keeps goes
}

TEST_F(QuarantineCrash, other_peoples_files_stay) {
    Quarantine quarantine(options(10));
    ASSERT_TRUE(quarantine.prepare());
    const std::set<std::string> names{
        "README", "notes.meta", "000000000000000o.meta", ".new-x", ".new-0123456789ABCDEF", "0000000000000001.txt"};
    for (const std::string& name : names) write_file(dir_ / name, "mine");
    fs::create_directory(dir_ / "0000000000000009.meta");
    ASSERT_TRUE(put(quarantine, 2, "0123456789"));
    ASSERT_TRUE(put(quarantine, 3, "0123456789"));
    ASSERT_TRUE(quarantine.sweep());
    EXPECT_THAT(ids(quarantine), ElementsAre(id(3)));
    for (const std::string& name : names) EXPECT_TRUE(fs::exists(dir_ / name)) << name;
}

TEST_F(QuarantineCrash, links_are_not_followed) {
    Quarantine quarantine(options());
    ASSERT_TRUE(put(quarantine, 1, "x"));
    ASSERT_TRUE(put(quarantine, 2, "x"));
    fs::rename(object(1), root_ / "elsewhere");
    fs::create_symlink(root_ / "elsewhere", object(1));
    fs::remove(metadata(2));
    fs::create_symlink("/dev/zero", metadata(2));
    EXPECT_FALSE(quarantine.release(id(1), root_ / "out"));
    EXPECT_FALSE(quarantine.examine(id(2)));
    EXPECT_FALSE(fs::exists(root_ / "out"));
    ASSERT_TRUE(quarantine.sweep());
    EXPECT_TRUE(fs::exists(root_ / "elsewhere"));
}

// In a file system of its own, with so much room.
class Tiny {
public:
    Tiny(const fs::path& at, const char* options) : at_(at) {
        fs::create_directories(at_);
        is_there_ = ::mount("tmpfs", at_.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options) == 0;
    }
    ~Tiny() {
        if (is_there_) ::umount2(at_.c_str(), MNT_DETACH);
    }
    Tiny(const Tiny&) = delete;
    Tiny& operator=(const Tiny&) = delete;
    bool is_there() const { return is_there_; }

private:
    fs::path at_;
    bool is_there_;
};

TEST_F(QuarantineDisk, a_full_one_is_said_and_nothing_stays) {
    const Tiny disk(dir_, "size=256k,mode=0700");
    if (!disk.is_there()) GTEST_SKIP() << "no right to mount a tmpfs: a full disk is not tried";
    Quarantine quarantine(options());
    ASSERT_TRUE(put(quarantine, 1, std::string(100'000, 'x')));
    const auto stored = put(quarantine, 2, std::string(200'000, 'x'));
    ASSERT_FALSE(stored);
    EXPECT_EQ(stored.error().code, Errc::overloaded);
    EXPECT_EQ(stored.error().cause, ENOSPC);
    EXPECT_EQ(stored.error().side, Side::self);
    EXPECT_THAT(names_in(dir_), UnorderedElementsAre(id(1) + ".sample", id(1) + ".meta"));
    ASSERT_TRUE(put(quarantine, 2, std::string(80'000, 'x')));   // the room is given back
    // Released onto it, there is no file either.
    const auto released = quarantine.release(id(1), dir_ / "out");
    ASSERT_FALSE(released);
    EXPECT_EQ(released.error().code, Errc::overloaded);
    EXPECT_FALSE(fs::exists(dir_ / "out"));
}

TEST_F(QuarantineDisk, without_inodes_it_is_as_full) {
    const Tiny disk(dir_, "size=1m,nr_inodes=2,mode=0700");   // one is the folder's: the object has room, its metadata have none
    if (!disk.is_there()) GTEST_SKIP() << "no right to mount a tmpfs: a full disk is not tried";
    Quarantine quarantine(options());
    const auto stored = put(quarantine, 1, "x");
    ASSERT_FALSE(stored);
    EXPECT_EQ(stored.error().code, Errc::overloaded);
    EXPECT_THAT(names_in(dir_), IsEmpty());
}

}  // namespace
}  // namespace sluice::inspect
