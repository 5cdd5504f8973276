// SPDX-License-Identifier: Apache-2.0
#include "audit/line_queue.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <thread>

namespace sluice::audit {
namespace {

using namespace std::chrono_literals;

bool add(LineQueue& queue, std::string_view line) {
    char* room = queue.reserve(line.size());
    if (!room) return false;
    line.copy(room, line.size());
    queue.commit(line.size());
    return true;
}

std::string take(LineQueue& queue) {
    std::string out;
    for (Chunk* chunk = queue.front(); chunk; chunk = queue.front()) {
        out.append(chunk->unwritten(), chunk->left());
        queue.pop();
    }
    return out;
}

TEST(LineQueue, gives_what_was_flushed) {
    Signal signal;
    LineQueue queue(1024 * 1024, signal);
    EXPECT_TRUE(add(queue, "one\n"));
    EXPECT_TRUE(add(queue, "two\n"));
    EXPECT_EQ(queue.front(), nullptr);
    EXPECT_EQ(queue.queued(), 8U);
    queue.flush();
    ASSERT_NE(queue.front(), nullptr);
    EXPECT_EQ(queue.front()->lines, 2U);
    EXPECT_EQ(take(queue), "one\ntwo\n");
    EXPECT_EQ(queue.queued(), 0U);
    queue.flush();
    EXPECT_EQ(queue.front(), nullptr);
}

TEST(LineQueue, a_full_chunk_is_given_without_flush) {
    Signal signal;
    LineQueue queue(1024 * 1024, signal);
    const std::string line = std::string(999, 'x') + "\n";
    std::size_t lines = 0;
    while (!queue.front()) {
        ASSERT_TRUE(add(queue, line));
        ASSERT_LE(++lines, LineQueue::chunk_bytes / line.size() + 1);
    }
    EXPECT_EQ(queue.front()->lines, lines - 1);
}

TEST(LineQueue, while_the_writer_is_busy_flush_lets_a_chunk_fill_up) {
    Signal signal;
    LineQueue queue(1024 * 1024, signal);
    for (int i = 0; i < 100; ++i) {
        ASSERT_TRUE(add(queue, "line\n"));
        queue.flush();
    }
    std::size_t chunks = 0;
    std::string got;
    while (queue.front()) {
        ++chunks;
        got.append(queue.front()->unwritten(), queue.front()->left());
        queue.pop();
    }
    EXPECT_LE(chunks, 2U);
    queue.flush();
    got += take(queue);
    EXPECT_EQ(got.size(), 500U);
}

TEST(LineQueue, is_bounded_and_recovers) {
    Signal signal;
    const std::size_t capacity = 3 * LineQueue::chunk_bytes;
    LineQueue queue(capacity, signal);
    const std::string line = std::string(4095, 'x') + "\n";
    std::size_t accepted = 0;
    while (add(queue, line)) ++accepted;
    EXPECT_LE(queue.queued(), capacity);
    EXPECT_GE(queue.queued(), capacity - capacity / 8);
    EXPECT_FALSE(add(queue, line));
    queue.finish();
    EXPECT_EQ(take(queue).size(), accepted * line.size());
    EXPECT_TRUE(add(queue, line));
}

TEST(LineQueue, lines_longer_than_a_chunk_keep_their_order) {
    Signal signal;
    LineQueue queue(16 * LineQueue::chunk_bytes, signal);
    const std::string big = std::string(3 * LineQueue::chunk_bytes, 'b') + "\n";
    std::string all;
    for (const std::string& line : {std::string("first\n"), big, std::string("then\n"), big, big, std::string("last\n")}) {
        ASSERT_TRUE(add(queue, line));
        all += line;
    }
    queue.finish();
    EXPECT_EQ(take(queue), all);
    EXPECT_FALSE(add(queue, std::string(17 * LineQueue::chunk_bytes, 'x')));
    EXPECT_TRUE(add(queue, "after\n"));
}

TEST(LineQueue, two_threads_lose_and_mix_nothing) {
    Signal signal;
    LineQueue queue(4 * LineQueue::chunk_bytes, signal);
    constexpr std::size_t lines = 200'000;
    std::thread worker([&] {
        for (std::size_t i = 0; i < lines; ++i) {
            const std::string line = std::to_string(i) + (i % 1000 == 0 ? std::string(9000, '-') : std::string(i % 50, '-')) + "\n";
            while (!add(queue, line)) std::this_thread::yield();
            if (i % 777 == 0) queue.flush();
        }
        queue.finish();
    });
    std::size_t expected = 0;
    while (expected < lines) {
        signal.wait(100ms);
        std::string_view text;
        for (Chunk* chunk = queue.front(); chunk; chunk = queue.front()) {
            text = {chunk->unwritten(), chunk->left()};
            while (!text.empty()) {
                const std::size_t end = text.find('\n');
                ASSERT_NE(end, std::string_view::npos);
                ASSERT_EQ(text.substr(0, text.find_first_of("-\n")), std::to_string(expected));
                ++expected;
                text.remove_prefix(end + 1);
            }
            queue.pop();
        }
    }
    worker.join();
    EXPECT_EQ(queue.queued(), 0U);
}

TEST(Signal, raised_before_the_wait_is_not_lost) {
    Signal signal;
    signal.raise();
    signal.raise();
    const auto before = std::chrono::steady_clock::now();
    signal.wait(60s);
    EXPECT_LT(std::chrono::steady_clock::now() - before, 30s);
    signal.wait(0ms);
    signal.wait(1ms);                                               // runs out
}

}  // namespace
}  // namespace sluice::audit
