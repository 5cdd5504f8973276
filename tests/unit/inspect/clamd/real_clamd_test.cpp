// SPDX-License-Identifier: Apache-2.0
// Against ClamAV's own daemon, which is started with a configuration and a signature of the test's. Skipped where Debian's clamav-daemon is not
// installed.
#include "inspect/clamd/clamd.h"
#include "unit/inspect/clamd/fake_clamd.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <string>
#include <thread>

namespace sluice::inspect {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr const char* program = "/usr/sbin/clamd";
constexpr std::string_view marker = "sluice-own-marker-7f3a";
constexpr std::size_t file_limit = 1 << 20;
constexpr std::size_t stream_limit = 2 << 20;

// A zip archive with one stored member that says that it is encrypted.
std::string encrypted_zip() {
    constexpr std::string_view name = "secret.txt";
    const std::string content(40, '\x5a');
    const auto put = [](std::string& into, std::uint32_t value, int size) {
        for (int i = 0; i < size; ++i) into.push_back(static_cast<char>(value >> 8 * i & 0xffU));
    };
    const auto common = [&](std::string& into) {
        put(into, 20, 2);  // version needed
        put(into, 1, 2);  // flags: encrypted
        put(into, 0, 2);  // stored
        put(into, 0, 4);  // time
        put(into, 0x12345678, 4);  // CRC
        put(into, static_cast<std::uint32_t>(content.size()), 4);
        put(into, static_cast<std::uint32_t>(content.size() - 12), 4);
        put(into, name.size(), 2);
        put(into, 0, 2);  // extra
    };
    std::string zip = "PK\x03\x04";
    common(zip);
    zip += name;
    zip += content;
    const auto directory = static_cast<std::uint32_t>(zip.size());
    zip += "PK\x01\x02";
    put(zip, 20, 2);
    common(zip);
    put(zip, 0, 2);  // comment
    put(zip, 0, 2);  // disk
    put(zip, 0, 2);
    put(zip, 0, 4);  // attributes
    put(zip, 0, 4);  // the member's place
    zip += name;
    const auto end = static_cast<std::uint32_t>(zip.size());
    zip += "PK\x05\x06";
    put(zip, 0, 4);
    put(zip, 1, 2);
    put(zip, 1, 2);
    put(zip, end - directory, 4);
    put(zip, directory, 4);
    put(zip, 0, 2);
    return zip;
}

std::string meaning(const Outcome& outcome) {
    const std::string detail = outcome.threat.empty() ? std::string(to_string(outcome.reason)) : outcome.threat;
    return std::string(to_string(outcome.verdict)) + (detail.empty() ? "" : " ") + detail;
}

class RealClamd : public ::testing::Test {
protected:
    void SetUp() override {
        if (::access(program, X_OK) != 0) GTEST_SKIP() << program << " is not there: scripts/setup test installs it";
        if (::getuid() != 0) user_.clear();  // only root may name one
        listen_at("", port_);  // a port that is free now
        std::filesystem::create_directory(folder_.path() + "/signatures");
        std::ofstream signatures(folder_.path() + "/signatures/own.ndb");
        signatures << "Own.Marker:0:*:";
        for (const char c : marker) signatures << fmt::format("{:02x}", static_cast<unsigned char>(c));
        signatures << '\n';
        std::ofstream(configuration_) << fmt::format(
            "Foreground yes\nLocalSocket {0}/clamd.ctl\nTCPSocket {1}\nTCPAddr 127.0.0.1\nDatabaseDirectory "
            "{0}/signatures\nTemporaryDirectory {0}\n"
            "AlertExceedsMax yes\nAlertEncrypted yes\nMaxFileSize {2}\nStreamMaxLength {3}\n{4}",
            folder_.path(), port_, file_limit, stream_limit, user_);
    }
    void TearDown() override { stop(); }

    void start() {
        posix_spawn_file_actions_t actions;
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawn_file_actions_addopen(&actions, 1, (folder_.path() + "/log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
        ::posix_spawn_file_actions_adddup2(&actions, 1, 2);
        std::string option = "--config-file=" + configuration_;
        std::string name = program;
        char* const arguments[] = {name.data(), option.data(), nullptr};
        char* const environment[] = {nullptr};
        EXPECT_EQ(::posix_spawn(&process_, program, &actions, nullptr, arguments, environment), 0);
        ::posix_spawn_file_actions_destroy(&actions);
    }
    void stop() {
        if (process_ <= 0) return;
        ::kill(process_, SIGTERM);
        for (int i = 0; i < 1000; ++i) {
            if (::waitpid(process_, nullptr, WNOHANG) != 0) break;
            std::this_thread::sleep_for(10ms);  // a poll with a deadline
            if (i == 998) ::kill(process_, SIGKILL);
        }
        process_ = 0;
    }
    // Until both sockets answer: clamd listens once it has read its signatures.
    void wait_until_it_answers() const {
        for (const Clamd& each : {local(), remote()}) {
            std::string said;
            for (int i = 0; i < 10 && said != "clean"; ++i) said = scan(each, "hello");
            ASSERT_EQ(said, "clean") << std::ifstream(folder_.path() + "/log").rdbuf();
        }
    }
    Clamd local() const { return Clamd({.socket = folder_.path() + "/clamd.ctl", .host = {}}); }
    Clamd remote() const { return Clamd({.socket = {}, .host = "127.0.0.1", .port = port_}); }
    static std::string scan(const Clamd& clamd, std::string_view content) {
        const MemoryObject object(content);
        return meaning(clamd.scan(object.object(), steady_clock::now() + 30s));
    }

    TemporaryFolder folder_;
    std::string configuration_ = folder_.path() + "/clamd.conf";
    std::string user_ = "User root\n";
    std::uint16_t port_ = 0;
    pid_t process_ = 0;
};

TEST_F(RealClamd, judges_over_both_transports) {
    start();
    wait_until_it_answers();
    const std::string infected = std::string(200'000, '.') + std::string(marker) + std::string(200'000, '.');
    for (const Clamd& each : {local(), remote()}) {
        EXPECT_EQ(scan(each, "clean text\n"), "clean");
        EXPECT_EQ(scan(each, ""), "clean");
        EXPECT_EQ(scan(each, marker), "infected Own.Marker.UNOFFICIAL");
        EXPECT_EQ(scan(each, infected), "infected Own.Marker.UNOFFICIAL");
        EXPECT_EQ(scan(each, std::string(file_limit + 1, '.')), "unscannable too-large");
        EXPECT_EQ(scan(each, std::string(20 * stream_limit, '.')), "unscannable too-large");
        EXPECT_EQ(scan(each, encrypted_zip()), "unscannable encrypted");
    }
}

// clamd reads a descriptor from its beginning, whatever was read or written through it before, and sealed memory as any other.
TEST_F(RealClamd, a_descriptors_offset_does_not_matter) {
    start();
    wait_until_it_answers();
    const std::string content = std::string(marker) + std::string(5'000, '.');
    for (const off_t offset : {off_t{0}, off_t{30}, off_t{5'000}, off_t{1'000'000}}) {
        const Descriptor memory(::memfd_create("object", MFD_CLOEXEC | MFD_ALLOW_SEALING));
        ASSERT_EQ(::write(memory.get(), content.data(), content.size()), std::ssize(content));
        ASSERT_EQ(::fcntl(memory.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL), 0);
        ASSERT_EQ(::lseek(memory.get(), offset, SEEK_SET), offset);
        const Object object{.descriptor = memory.get(), .size = content.size(), .name = "object"};
        EXPECT_EQ(meaning(local().scan(object, steady_clock::now() + 30s)), "infected Own.Marker.UNOFFICIAL");
    }
}

TEST_F(RealClamd, a_file_without_a_name_is_read) {
    start();
    wait_until_it_answers();
    const Descriptor file(::open(folder_.path().c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    ASSERT_EQ(::write(file.get(), marker.data(), marker.size()), std::ssize(marker));
    const Object object{.descriptor = file.get(), .size = marker.size(), .name = {}};
    EXPECT_EQ(meaning(local().scan(object, steady_clock::now() + 30s)), "infected Own.Marker.UNOFFICIAL");
}

TEST_F(RealClamd, a_restart_is_waited_for) {
    start();
    wait_until_it_answers();
    stop();
    const std::jthread restart([this] {
        std::this_thread::sleep_for(300ms);  // how long the restart takes: whatever it is, the answer is the same
        start();
    });
    EXPECT_EQ(scan(local(), marker), "infected Own.Marker.UNOFFICIAL");
    EXPECT_EQ(scan(remote(), marker), "infected Own.Marker.UNOFFICIAL");
}

// Scans go on while clamd is stopped and started: none is lost, none is clean that must not be.
TEST_F(RealClamd, scans_survive_a_restart_in_between) {
    start();
    wait_until_it_answers();
    std::atomic<bool> is_over = false;
    std::atomic<int> scans = 0;
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&, i] {
            while (!is_over) {
                EXPECT_EQ(scan(i % 2 ? local() : remote(), marker), "infected Own.Marker.UNOFFICIAL");
                ++scans;
                scans.notify_all();
            }
        });
    for (int round = 0; round < 3; ++round) {
        for (int before = scans, seen = before; seen < before + 20; seen = scans) scans.wait(seen);
        stop();
        start();
        wait_until_it_answers();
    }
    is_over = true;
}

TEST_F(RealClamd, a_reload_of_the_signatures_is_waited_for) {
    start();
    wait_until_it_answers();
    std::ofstream(folder_.path() + "/signatures/new.ndb") << "Own.New:0:*:6e65772d6d61726b65722d3031\n";  // "new-marker-01"
    ::kill(process_, SIGUSR2);
    std::string said = "clean";
    for (int i = 0; i < 500 && said == "clean"; ++i) {
        said = scan(local(), "a new-marker-01 in a text");
        std::this_thread::sleep_for(10ms);  // a poll with a deadline
    }
    EXPECT_EQ(said, "infected Own.New.UNOFFICIAL");
}

TEST_F(RealClamd, a_scan_takes_little_time) {
    start();
    wait_until_it_answers();
    const MemoryObject object(std::string(65'536, '.'));
    for (const Clamd& each : {local(), remote()}) {
        std::vector<steady_clock::duration> times;
        for (int i = 0; i < 200; ++i) {
            const auto begin = steady_clock::now();
            EXPECT_EQ(meaning(each.scan(object.object(), begin + 30s)), "clean");
            times.push_back(steady_clock::now() - begin);
        }
        std::ranges::nth_element(times, times.begin() + 100);
        EXPECT_LT(times[100], 100ms);
        RecordProperty("median_us", static_cast<int>(std::chrono::round<std::chrono::microseconds>(times[100]).count()));
        fmt::print("64 KiB, median of 200: {}\n", std::chrono::round<std::chrono::microseconds>(times[100]).count());
    }
}

}  // namespace
}  // namespace sluice::inspect
