// SPDX-License-Identifier: Apache-2.0
#include "audit/log.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace sluice::audit {
namespace {

using namespace std::chrono_literals;

// What the log tells people, to wait for.
class Heard {
public:
    std::function<void(std::string_view)> ear() {
        return [this](std::string_view message) {
            const std::scoped_lock lock(mutex_);
            messages_.emplace_back(message);
            changed_.notify_all();
        };
    }
    bool wait_for(std::string_view part) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, 30s, [&] { return count_locked(part) > 0; });
    }
    std::size_t count(std::string_view part) {
        const std::scoped_lock lock(mutex_);
        return count_locked(part);
    }

private:
    std::size_t count_locked(std::string_view part) const {
        std::size_t found = 0;
        for (const std::string& message : messages_) found += message.find(part) != std::string::npos ? 1U : 0U;
        return found;
    }
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<std::string> messages_;
};

class LogTest : public testing::Test {
protected:
    void SetUp() override {
        char pattern[] = "/tmp/sluice-log-test-XXXXXX";
        ASSERT_NE(mkdtemp(pattern), nullptr);
        folder_ = pattern;
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    std::string path(const std::string& name) const { return folder_ + "/" + name; }
    LogOptions options(std::string destination) {
        LogOptions out;
        out.destination = std::move(destination);
        out.report = heard_.ear();
        out.retry = 5ms;
        return out;
    }
    static std::string content(const std::string& file) {
        std::ifstream in(file, std::ios::binary);
        std::stringstream out;
        out << in.rdbuf();
        return out.str();
    }
    // Every line must be JSON, and the last one must have its end.
    static std::vector<nlohmann::json> lines(const std::string& file) {
        const std::string text = content(file);
        EXPECT_TRUE(text.empty() || text.back() == '\n');
        std::vector<nlohmann::json> out;
        std::stringstream in(text);
        for (std::string line; std::getline(in, line);) out.push_back(nlohmann::json::parse(line));
        return out;
    }
    static std::string line(std::size_t number, std::size_t size = 20) {
        return "{\"n\":" + std::to_string(number) + ",\"x\":\"" + std::string(size, 'x') + "\"}\n";
    }
    template <class Condition>
    static bool eventually(Condition condition) {
        const auto until = std::chrono::steady_clock::now() + 30s;
        while (!condition()) {
            if (std::chrono::steady_clock::now() > until) return false;
            std::this_thread::yield();
        }
        return true;
    }

    std::string folder_;
    Heard heard_;
};

TEST_F(LogTest, events_reach_the_file) {
    Log log(options(path("log")), 2);
    ASSERT_TRUE(log.start());
    Event event;
    event.method = "GET";
    event.query = "token=secret";
    EXPECT_TRUE(log.lane(0).write(event));
    log.lane(0).redact(std::make_shared<const Redaction>(std::vector<std::string>{"token"}));
    event.path = "/x";
    EXPECT_TRUE(log.lane(0).write(event));
    log.lane(0).flush();
    EXPECT_TRUE(eventually([&] { return log.counters().written == 2; }));
    EXPECT_TRUE(log.lane(1).write(event));
    log.stop();
    const auto got = lines(path("log"));
    ASSERT_EQ(got.size(), 3U);
    EXPECT_EQ(got[0]["url.query"], "token=secret");
    EXPECT_EQ(got[1]["url.query"], "token=REDACTED");
    EXPECT_EQ(log.counters().written, 3U);
    EXPECT_EQ(log.counters().bytes, content(path("log")).size());
    struct stat status{};
    ASSERT_EQ(stat(path("log").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0137U, 0U);
}

TEST_F(LogTest, very_long_events_reach_the_file_whole) {
    Log log(options(path("log")), 1);
    ASSERT_TRUE(log.start());
    const std::string controls(30'000, '\x01');
    Event event;
    event.method = "GET";
    event.user_agent = event.referrer = event.path = event.domain = controls;
    event.url_scheme = "http";
    EXPECT_TRUE(log.lane(0).write(event));
    log.stop();
    ASSERT_EQ(lines(path("log")).size(), 1U);
    EXPECT_EQ(lines(path("log"))[0]["user_agent.original"], controls);
}

TEST_F(LogTest, a_destination_that_cannot_be_opened_is_an_error) {
    Log log(options(path("no/such/folder")), 1);
    const auto started = log.start();
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().code, Errc::io_failed);
    EXPECT_EQ(started.error().cause, ENOENT);
    log.stop();
}

TEST_F(LogTest, no_destination_takes_and_keeps_nothing) {
    Log log(options(""), 1);
    ASSERT_TRUE(log.start());
    EXPECT_TRUE(log.lane(0).write(Event{}));
    EXPECT_EQ(log.lane(0).queue().queued(), 0U);
    ASSERT_TRUE(log.reopen(path("log")));                           // a reload may switch it on
    EXPECT_TRUE(log.lane(0).write(Event{}));
    ASSERT_TRUE(log.reopen(""));                                    // and off
    EXPECT_TRUE(log.lane(0).write(Event{}));
    log.stop();
    EXPECT_EQ(log.counters().dropped_full, 0U);
}

TEST_F(LogTest, a_half_line_of_a_former_life_is_ended) {
    std::ofstream(path("log")) << "{\"n\":";
    Log log(options(path("log")), 1);
    ASSERT_TRUE(log.start());
    EXPECT_TRUE(log.lane(0).append(line(1)));
    log.stop();
    EXPECT_EQ(content(path("log")), "{\"n\":\n" + line(1));
}

TEST_F(LogTest, rotation_loses_no_line) {
    Log log(options(path("log")), 1);
    ASSERT_TRUE(log.start());
    std::atomic<std::size_t> written{0};
    std::atomic<bool> done{false};
    std::thread worker([&] {
        while (!done) {
            while (!log.lane(0).append(line(written))) std::this_thread::yield();
            if (++written % 100 == 0) log.lane(0).flush();
        }
    });
    for (int i = 0; i < 5; ++i) {
        const std::size_t before = written;
        ASSERT_TRUE(eventually([&] { return written > before + 1000; }));
        std::filesystem::rename(path("log"), path("log." + std::to_string(i)));
        ASSERT_TRUE(log.reopen());
        EXPECT_TRUE(std::filesystem::exists(path("log")));
    }
    done = true;
    worker.join();
    log.stop();
    std::size_t expected = 0;
    for (const std::string name : {"log.0", "log.1", "log.2", "log.3", "log.4", "log"})
        for (const auto& json : lines(path(name)))
            if (json.contains("n")) ASSERT_EQ(json["n"], expected++);
    EXPECT_EQ(expected, written);
}

TEST_F(LogTest, when_reopening_fails_the_old_file_stays_in_use) {
    Log log(options(path("log")), 1);
    ASSERT_TRUE(log.start());
    EXPECT_FALSE(log.reopen(path("no/such/folder")));
    EXPECT_TRUE(log.lane(0).append(line(1)));
    log.stop();
    EXPECT_EQ(content(path("log")), line(1));
}

TEST_F(LogTest, a_full_disk_is_said_once_and_what_is_lost_is_counted_and_said) {
    auto full = options("/dev/full");
    full.queue_bytes = 512 * 1024;
    Log log(full, 1);
    ASSERT_TRUE(log.start());
    EXPECT_TRUE(log.lane(0).append(line(0)));
    log.lane(0).flush();
    ASSERT_TRUE(heard_.wait_for("cannot be written: No space left"));
    ASSERT_TRUE(eventually([&] { return log.counters().write_errors > 2; }));
    EXPECT_TRUE(log.failing());
    std::size_t accepted = 1;
    while (log.lane(0).append(line(accepted, 1000))) ++accepted;
    EXPECT_FALSE(log.lane(0).has_room());
    EXPECT_FALSE(log.lane(0).append(line(0, 1000)));
    EXPECT_EQ(log.counters().dropped_disk, 2U);
    EXPECT_EQ(log.counters().dropped_full, 0U);
    ASSERT_TRUE(heard_.wait_for("2 events dropped"));
    EXPECT_EQ(heard_.count("No space left"), 1U);

    ASSERT_TRUE(log.reopen(path("log")));
    EXPECT_TRUE(eventually([&] { return log.lane(0).has_room() && !log.failing(); }));
    EXPECT_TRUE(log.lane(0).append(line(accepted)));
    log.stop();
    const auto got = lines(path("log"));
    ASSERT_EQ(got.size(), accepted + 2);                            // and the notice
    std::size_t notices = 0, expected = 0;
    for (const auto& json : got) {
        if (json.contains("n")) {
            EXPECT_EQ(json["n"], expected++);
            continue;
        }
        ++notices;
        EXPECT_EQ(json["event.kind"], "metric");
        EXPECT_EQ(json["event.action"], "dropped");
        EXPECT_EQ(json["log.dropped"], 2);
    }
    EXPECT_EQ(notices, 1U);
    EXPECT_EQ(log.counters().written, accepted + 2);
}

TEST_F(LogTest, what_cannot_be_written_at_the_end_is_counted) {
    auto full = options("/dev/full");
    full.stop_within = 20ms;
    Log log(full, 1);
    ASSERT_TRUE(log.start());
    for (std::size_t i = 0; i < 5; ++i) EXPECT_TRUE(log.lane(0).append(line(i)));
    log.stop();
    EXPECT_EQ(log.counters().dropped_disk, 5U);
    EXPECT_EQ(log.counters().written, 0U);
    EXPECT_EQ(heard_.count("5 events could not be written at the end"), 1U);
}

// A file at its size limit fails in the middle of a line, as a disk does that fills up.
TEST_F(LogTest, no_half_line_stays_behind_a_failed_write) {
    rlimit before{};
    ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
    Log log(options(path("log")), 1);
    ASSERT_TRUE(log.start());
    std::size_t accepted = 0;
    while (accepted < 100) EXPECT_TRUE(log.lane(0).append(line(accepted++)));
    rlimit small = before;
    small.rlim_cur = 1000;
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
    log.lane(0).flush();
    const bool said = heard_.wait_for("cannot be written: File too large");
    const std::string at_limit = content(path("log"));
    const bool tried_again = eventually([&] { return log.counters().write_errors > 3; });
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
    EXPECT_TRUE(said);
    EXPECT_TRUE(tried_again);
    EXPECT_LE(at_limit.size(), 1000U);
    EXPECT_GT(at_limit.size(), 900U);
    EXPECT_EQ(at_limit.back(), '\n');
    EXPECT_TRUE(heard_.wait_for("written again"));
    log.stop();
    const auto got = lines(path("log"));
    ASSERT_EQ(got.size(), accepted);
    for (std::size_t i = 0; i < got.size(); ++i) EXPECT_EQ(got[i]["n"], i);
    EXPECT_EQ(log.counters().bytes, content(path("log")).size());
    EXPECT_EQ(log.counters().dropped_disk + log.counters().dropped_full, 0U);
}

TEST_F(LogTest, a_slow_reader_of_a_pipe_costs_nobody_a_half_line) {
    ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
    auto slow = options(path("pipe"));
    slow.queue_bytes = 1024 * 1024;
    Log log(slow, 1);
    ASSERT_TRUE(log.start());
    std::size_t accepted = 0;
    while (log.lane(0).append(line(accepted, 1000))) ++accepted;    // nobody reads: the pipe is full, then the queue
    EXPECT_EQ(log.counters().dropped_full, 1U);
    EXPECT_FALSE(log.failing());
    std::string got;
    std::thread reader([&] {
        const int descriptor = open(path("pipe").c_str(), O_RDONLY | O_CLOEXEC);
        char block[65536];
        for (ssize_t size = 1; descriptor >= 0 && size > 0;) {
            size = read(descriptor, block, sizeof block);
            if (size > 0) got.append(block, static_cast<std::size_t>(size));
        }
        close(descriptor);
    });
    log.stop();
    reader.join();
    std::stringstream in(got);
    std::size_t expected = 0, notices = 0;
    for (std::string text; std::getline(in, text);) {
        const auto json = nlohmann::json::parse(text);
        if (json.contains("n")) ASSERT_EQ(json["n"], expected++);
        else notices += json["log.dropped"].get<std::size_t>();
    }
    EXPECT_EQ(expected, accepted);
    EXPECT_EQ(notices, 1U);
}

TEST_F(LogTest, leaving_a_pipe_in_the_middle_of_a_line_begins_that_line_again) {
    ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
    Log log(options(path("pipe")), 1);
    ASSERT_TRUE(log.start());
    const std::size_t lines_written = 300;
    for (std::size_t i = 0; i < lines_written; ++i) ASSERT_TRUE(log.lane(0).append(line(i, 1000)));
    log.lane(0).queue().finish();
    ASSERT_TRUE(eventually([&] { return log.counters().bytes > 0; }));   // a pipe holds 64 KiB, which ends within a line
    const int reader = open(path("pipe").c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ASSERT_TRUE(log.reopen(path("log")));
    log.stop();
    std::string from_pipe(256 * 1024, '\0');
    const ssize_t size = read(reader, from_pipe.data(), from_pipe.size());
    ASSERT_GT(size, 0);
    from_pipe.resize(static_cast<std::size_t>(size));
    close(reader);
    const auto in_file = lines(path("log"));
    ASSERT_FALSE(in_file.empty());
    const auto whole = static_cast<std::size_t>(std::count(from_pipe.begin(), from_pipe.end(), '\n'));
    const auto first = in_file.front()["n"].get<std::size_t>();
    EXPECT_LE(first, whole);                                        // nothing is missing between the two
    EXPECT_EQ(in_file.size(), lines_written - first);
}

TEST_F(LogTest, a_reader_that_went_away_is_an_error_not_a_signal) {
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    const int stdout_before = dup(STDOUT_FILENO);
    fflush(stdout);
    ASSERT_GE(dup2(ends[1], STDOUT_FILENO), 0);
    close(ends[1]);
    close(ends[0]);
    bool said = false;
    {
        auto to_stdout = options("-");
        to_stdout.stop_within = 10ms;
        Log log(to_stdout, 1);
        const bool started = log.start().has_value();
        log.lane(0).append(line(1));
        log.lane(0).flush();
        said = started && heard_.wait_for("Broken pipe");
    }
    dup2(stdout_before, STDOUT_FILENO);
    close(stdout_before);
    EXPECT_TRUE(said);
}

// For the thread sanitizer: lanes, the writer, a scrape and rotation at once.
TEST_F(LogTest, everything_at_once) {
    constexpr std::size_t workers = 3, events = 3'000;
    Log log(options(path("log")), workers);
    ASSERT_TRUE(log.start());
    std::vector<std::thread> threads;
    std::atomic<std::uint64_t> refused{0};
    for (std::size_t worker = 0; worker < workers; ++worker)
        threads.emplace_back([&, worker] {
            EventIds ids;
            for (std::size_t i = 0; i < events; ++i) {
                Event event;
                event.id = ids.next(1);
                event.method = "GET";
                event.client_bytes = i;
                if (!log.lane(worker).write(event)) ++refused;
                if (i % 10 == 0) log.lane(worker).flush();
            }
        });
    for (int i = 0; i < 10; ++i) {
        EXPECT_TRUE(log.reopen());
        (void)log.counters();
    }
    for (std::thread& thread : threads) thread.join();
    log.stop();
    std::uint64_t got = 0, dropped = 0;
    for (const auto& json : lines(path("log"))) {
        if (json.contains("log.dropped")) dropped += json["log.dropped"].get<std::uint64_t>();
        else ++got;
    }
    EXPECT_EQ(got, workers * events - refused);
    EXPECT_EQ(dropped, refused);
}

}  // namespace
}  // namespace sluice::audit
