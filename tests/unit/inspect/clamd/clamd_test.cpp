// SPDX-License-Identifier: Apache-2.0
#include "inspect/clamd/clamd.h"

#include "unit/inspect/clamd/fake_clamd.h"

#include <fcntl.h>
#include <netdb.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>

namespace sluice::inspect {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

std::string meaning(const Outcome& outcome) {
    EXPECT_EQ(outcome.engine, "clamav");
    const std::string detail = outcome.threat.empty() ? std::string(to_string(outcome.reason)) : outcome.threat;
    return std::string(to_string(outcome.verdict)) + (detail.empty() ? "" : " ") + detail;
}

class ClamdOver : public ::testing::TestWithParam<Transport> {
protected:
    bool is_local() const { return GetParam() == Transport::local; }
    void start(FakeClamd::Handler handler) {
        fake_ = std::make_unique<FakeClamd>(listen_at(options_.socket, options_.port), std::move(handler));
    }
    // Answers each scan with that text, and keeps what came last.
    void start(std::string_view reply) {
        start([this, reply](Asker& asker, int) {
            EXPECT_TRUE(asker.hear());
            content_ = asker.content;
            chunks_ = asker.chunks;
            asker.say(reply);
        });
    }
    void stop() {
        fake_.reset();
        if (is_local()) ::unlink(options_.socket.c_str());
    }
    std::string scan(const Object& object, steady_clock::duration time = 10s) const {
        return meaning(Clamd(options_).scan(object, steady_clock::now() + time));
    }
    std::string scan(std::string_view content, steady_clock::duration time = 10s) const {
        const MemoryObject object(content);
        return scan(object.object(), time);
    }

    TemporaryFolder folder_;
    Clamd::Options options_{.socket = is_local() ? folder_.path() + "/clamd.ctl" : "", .host = "127.0.0.1"};
    std::string content_;
    std::vector<std::size_t> chunks_;
    std::unique_ptr<FakeClamd> fake_;
};
INSTANTIATE_TEST_SUITE_P(, ClamdOver, ::testing::Values(Transport::local, Transport::remote),
                         [](const auto& each) { return each.param == Transport::local ? "local" : "remote"; });

TEST_P(ClamdOver, tells_what_clamd_says) {
    std::string_view reply;
    start([&reply](Asker& asker, int) {
        EXPECT_TRUE(asker.hear());
        EXPECT_EQ(asker.content, "content");
        asker.say(reply);
    });
    const std::pair<std::string_view, std::string_view> cases[] = {
        {"stream: OK\0"sv, "clean"},
        {"fd[7]: Own.Threat FOUND\0"sv, "infected Own.Threat"},
        {"fd[7]: Heuristics.Limits.Exceeded.MaxScanSize FOUND\0"sv, "unscannable too-large"},
        {"fd[7]: Heuristics.Encrypted.PDF FOUND\0"sv, "unscannable encrypted"},
        {"INSTREAM size limit exceeded. ERROR\0"sv, "unscannable too-large"},
        {"fd[7]: Not a regular file ERROR\0"sv, "unscannable engine-down"},
        {"SSH-2.0-OpenSSH_9.2\r\n\0"sv, "unscannable engine-down"},
    };
    for (const auto& [said, means] : cases) {
        reply = said;
        EXPECT_EQ(scan("content"), means);
    }
    EXPECT_EQ(fake_->served(), std::ssize(cases));
}

TEST_P(ClamdOver, gives_the_object_exactly) {
    start("stream: OK\0"sv);
    for (const std::size_t size : {0UZ, 1UZ, 65'535UZ, 65'536UZ, 65'537UZ, 131'072UZ, 3'000'000UZ}) {
        std::string content(size, '\0');
        for (std::size_t at = 0; at < size; ++at) content[at] = static_cast<char>(at * 31 ^ at >> 9);
        EXPECT_EQ(scan(content), "clean");
        EXPECT_TRUE(content_ == content) << size;
        if (is_local()) continue;
        EXPECT_EQ(chunks_.size(), (size + 65'535) / 65'536);
        for (std::size_t i = 0; i + 1 < chunks_.size(); ++i) EXPECT_EQ(chunks_[i], 65'536U);
    }
}

TEST_P(ClamdOver, does_not_ask_about_what_is_too_large) {
    options_.max_size = 4;
    start("stream: OK\0"sv);
    EXPECT_EQ(scan("12345"), "unscannable too-large");
    EXPECT_EQ(fake_->served(), 0);
    EXPECT_EQ(scan("1234"), "clean");
}

TEST_P(ClamdOver, does_not_ask_about_what_cannot_be_read_whole) {
    start("stream: OK\0"sv);
    const MemoryObject memory("content");
    Object object = memory.object();
    object.size += 1;
    EXPECT_EQ(scan(object), "unscannable truncated");
    EXPECT_EQ(scan(Object{}), "unscannable truncated");
    const Descriptor write_only(::open(folder_.path().c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
    ASSERT_EQ(::write(write_only.get(), "content", 7), 7);
    EXPECT_EQ(scan(Object{.descriptor = write_only.get(), .size = 7, .name = {}}), "unscannable truncated");
    EXPECT_EQ(fake_->served(), 0);
}

TEST_P(ClamdOver, does_not_wait_beyond_the_deadline) {
    start([](Asker& asker, int) {
        EXPECT_TRUE(asker.hear());
        asker.say("stream: O");
        asker.wait_for_end();
    });
    const auto begin = steady_clock::now();
    EXPECT_EQ(scan("content", 100ms), "unscannable timeout");
    EXPECT_GE(steady_clock::now() - begin, 100ms);
    EXPECT_LT(steady_clock::now() - begin, 2s);
    EXPECT_EQ(scan("content", -1s), "unscannable timeout");
}

TEST_P(ClamdOver, asks_again_where_it_was_lost_or_short_of_memory) {
    start([](Asker& asker, int number) {
        if (number == 0) return;                             // closed at once
        EXPECT_TRUE(asker.hear());
        if (number == 1) return asker.say("fd[7]: O");
        if (number == 2) return asker.say("fd[7]: Can't allocate memory ERROR\0"sv);
        asker.say("stream: OK\0"sv);
    });
    EXPECT_EQ(scan("content"), "clean");
    EXPECT_EQ(fake_->served(), 4);
}

TEST_P(ClamdOver, waits_for_a_restart) {
    start("stream: OK\0"sv);
    EXPECT_EQ(scan("before"), "clean");
    stop();
    const std::jthread restart([this] {
        std::this_thread::sleep_for(200ms);                  // how long the restart takes: whatever it is, the answer is the same
        start("fd[7]: After.Restart FOUND\0"sv);
    });
    EXPECT_EQ(scan("after"), "infected After.Restart");
}

TEST_P(ClamdOver, is_down_where_nobody_listens) {
    start("stream: OK\0"sv);
    stop();
    auto begin = steady_clock::now();
    EXPECT_EQ(scan("content", 300ms), "unscannable engine-down");
    EXPECT_LT(steady_clock::now() - begin, 2s);
    if (!is_local()) return;                                 // the long wait is the same code
    begin = steady_clock::now();
    const Clamd clamd(options_);
    const MemoryObject object("content");
    const auto ask = [&] { return meaning(clamd.scan(object.object(), steady_clock::now() + 60s)); };
    EXPECT_EQ(ask(), "unscannable engine-down");
    EXPECT_GE(steady_clock::now() - begin, 4s);
    EXPECT_LT(steady_clock::now() - begin, 10s);

    // Once that is known nobody waits again, and it is noticed when it is back.
    begin = steady_clock::now();
    for (int i = 0; i < 20; ++i) EXPECT_EQ(ask(), "unscannable engine-down");
    EXPECT_LT(steady_clock::now() - begin, 2s);
    start("stream: OK\0"sv);
    begin = steady_clock::now();
    while (ask() != "clean" && steady_clock::now() - begin < 10s) std::this_thread::yield();
    EXPECT_LT(steady_clock::now() - begin, 4s);
    EXPECT_EQ(ask(), "clean");
    stop();
    const std::jthread restart([this] {
        std::this_thread::sleep_for(200ms);
        start("fd[7]: After.Restart FOUND\0"sv);
    });
    EXPECT_EQ(ask(), "infected After.Restart");
}

TEST_P(ClamdOver, many_threads_ask_at_once) {
    start([](Asker& asker, int) {
        EXPECT_TRUE(asker.hear());
        asker.say(asker.content == "bad" ? "stream: Bad FOUND\0"sv : "stream: OK\0"sv);
    });
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i)
        threads.emplace_back([this, i] {
            for (int round = 0; round < 5; ++round) EXPECT_EQ(scan(i % 2 ? "bad" : "good"), i % 2 ? "infected Bad" : "clean");
        });
    threads.clear();
    EXPECT_EQ(fake_->served(), 40);
}

class ClamdStream : public ClamdOver {};
INSTANTIATE_TEST_SUITE_P(, ClamdStream, ::testing::Values(Transport::remote), [](const auto&) { return "remote"; });

// As clamd does it: the answer comes in the middle, and with bytes unread the connection is reset.
TEST_P(ClamdStream, hears_of_a_limit_while_it_still_sends) {
    start([](Asker& asker, int) {
        EXPECT_TRUE(asker.hear_some(100'000));
        asker.say("INSTREAM size limit exceeded. ERROR\0"sv);
    });
    EXPECT_EQ(scan(std::string(30'000'000, 'x')), "unscannable too-large");
    EXPECT_EQ(fake_->served(), 1);
}

TEST_P(ClamdStream, hears_of_a_limit_from_one_that_does_not_close) {
    start([](Asker& asker, int) {
        EXPECT_TRUE(asker.hear_some(100));
        asker.say("INSTREAM size limit exceeded. ERROR\0"sv);
        asker.wait_for_end();
    });
    EXPECT_EQ(scan(std::string(30'000'000, 'x')), "unscannable too-large");
}

TEST_P(ClamdStream, an_early_find_counts_and_an_early_ok_does_not) {
    std::string_view reply = "stream: OK\0"sv;
    start([&reply](Asker& asker, int) {
        EXPECT_TRUE(asker.hear_some(100));
        asker.say(reply);
    });
    EXPECT_EQ(scan(std::string(30'000'000, 'x')), "unscannable engine-down");
    reply = "stream: Early FOUND\0"sv;
    EXPECT_EQ(scan(std::string(30'000'000, 'x')), "infected Early");
}

TEST_P(ClamdStream, a_clamd_that_does_not_read_is_a_timeout) {
    std::atomic<bool> is_over = false;
    start([&is_over](Asker&, int) { is_over.wait(false); });
    EXPECT_EQ(scan(std::string(30'000'000, 'x'), 200ms), "unscannable timeout");
    is_over = true;
    is_over.notify_all();
    stop();
}

TEST_P(ClamdStream, a_reply_has_an_end) {
    start([](Asker& asker, int) {
        EXPECT_TRUE(asker.hear());
        asker.say(std::string(100'000, 'x'));
        asker.wait_for_end();
    });
    EXPECT_EQ(scan("content"), "unscannable engine-down");
}

TEST_P(ClamdStream, resolves_names) {
    addrinfo* found = nullptr;
    if (::getaddrinfo("localhost", nullptr, nullptr, &found) != 0) GTEST_SKIP() << "this system does not know localhost (no /etc/hosts)";
    ::freeaddrinfo(found);
    options_.host = "localhost";
    start("stream: OK\0"sv);
    EXPECT_EQ(scan("content"), "clean");
}

TEST(Clamd, a_path_that_no_socket_can_have_is_down) {
    const Clamd clamd({.socket = std::string(200, 'x'), .host = {}});
    const MemoryObject object("content");
    EXPECT_EQ(meaning(clamd.scan(object.object(), steady_clock::now() + 100ms)), "unscannable engine-down");
}

}  // namespace
}  // namespace sluice::inspect
