// SPDX-License-Identifier: Apache-2.0
#include "inspect/verdict_cache.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

namespace sluice::inspect {
namespace {

VerdictCache::Key key(std::uint8_t number, std::uint8_t part = 0) {
    VerdictCache::Key out;
    out.hash[0] = part;
    out.hash[8] = number;
    out.length = 1;
    return out;
}

std::shared_ptr<const Findings> found(Outcome outcome, std::size_t members = 0) {
    auto out = std::make_shared<Findings>();
    out->outcome = std::move(outcome);
    out->members.resize(members);
    return out;
}

class VerdictCacheTest : public testing::Test {
protected:
    // What is known of it; where nothing is, what a scan then finds, null for a scan that comes to nothing.
    std::shared_ptr<const Findings> ask(const VerdictCache::Key& of, std::shared_ptr<const Findings> finds,
                                        VerdictCache::Clock::time_point until = VerdictCache::Clock::time_point::max()) {
        std::shared_ptr<const Findings> known;
        worker_.run([](VerdictCache& cache, net::Worker& worker, VerdictCache::Key asked, std::shared_ptr<const Findings> scanned,
                       VerdictCache::Clock::time_point kept, std::shared_ptr<const Findings>& out) -> net::Task<void> {
            VerdictCache::Answer answer = co_await cache.ask(worker, asked);
            out = answer.findings;
            EXPECT_NE(bool(answer.turn), bool(answer.findings));
            if (answer.turn && scanned) answer.turn.finish(scanned, kept);
        }(cache_, worker_, of, std::move(finds), until, known));
        return known;
    }
    bool knows(const VerdictCache::Key& of) { return ask(of, nullptr) != nullptr; }

    VerdictCache cache_{16 * 16 * 1024};                     // 16 KiB a part
    net::Worker worker_;
};

TEST_F(VerdictCacheTest, what_was_found_is_known) {
    EXPECT_EQ(ask(key(1), found(Outcome::clean())), nullptr);
    const auto known = ask(key(1), nullptr);
    ASSERT_NE(known, nullptr);
    EXPECT_EQ(known->outcome.verdict, Verdict::clean);
    EXPECT_FALSE(knows(key(2)));
    VerdictCache::Key longer = key(1);
    longer.length = 2;
    EXPECT_FALSE(knows(longer));
}

TEST_F(VerdictCacheTest, what_could_not_be_scanned_is_scanned_again) {
    ask(key(1), found(Outcome::unscannable(Reason::crashed)));
    EXPECT_FALSE(knows(key(1)));
    ask(key(1), nullptr);
    EXPECT_FALSE(knows(key(1))) << "whose scan came to nothing leaves the next one its turn";
}

TEST_F(VerdictCacheTest, what_is_too_old_is_scanned_again) {
    ask(key(1), found(Outcome::clean()), VerdictCache::Clock::now());
    EXPECT_FALSE(knows(key(1)));
}

TEST_F(VerdictCacheTest, what_was_not_asked_for_longest_goes_first) {
    for (std::uint8_t number = 0; number < 3; ++number) ask(key(number), found(Outcome::clean(), 20));
    EXPECT_TRUE(knows(key(0)));
    for (std::uint8_t number = 3; number < 6; ++number) {
        ask(key(number), found(Outcome::clean(), 20));
        EXPECT_TRUE(knows(key(0))) << "it is asked for again and again";
    }
    EXPECT_FALSE(knows(key(1)));
    EXPECT_TRUE(knows(key(5)));
}

TEST_F(VerdictCacheTest, who_asks_meanwhile_gets_what_the_first_finds) {
    int scans = 0;
    int shared = 0;
    net::Gate go;
    worker_.run([](VerdictCache& cache, net::Worker& worker, net::Gate& gate, int& scanned, int& got) -> net::Task<void> {
        const auto asker = [](VerdictCache& of, net::Worker& on, net::Gate& until, int& turns, int& answers) -> net::Task<void> {
            VerdictCache::Answer answer = co_await of.ask(on, key(1));
            if (answer.findings) {
                EXPECT_TRUE(answer.is_shared);
                EXPECT_EQ(answer.findings->outcome.verdict, Verdict::infected);
                ++answers;
                co_return;
            }
            ++turns;
            co_await until.wait();
            answer.turn.finish(found(Outcome::infected("x", "yara")));
        };
        for (int i = 0; i < 5; ++i) net::spawn(worker, asker(cache, worker, gate, scanned, got));
        worker.post([&gate] { gate.open(); });
        while (scanned + got < 5) co_await worker.sleep(std::chrono::milliseconds(1));
    }(cache_, worker_, go, scans, shared));
    EXPECT_EQ(scans, 1);
    EXPECT_EQ(shared, 4);
}

TEST_F(VerdictCacheTest, of_those_who_wait_one_gets_the_turn_that_was_given_up) {
    int scans = 0;
    int shared = 0;
    worker_.run([](VerdictCache& cache, net::Worker& worker, int& scanned, int& got) -> net::Task<void> {
        auto first = std::make_unique<VerdictCache::Answer>(co_await cache.ask(worker, key(1)));
        EXPECT_TRUE(first->turn);
        const auto asker = [](VerdictCache& of, net::Worker& on, int& turns, int& answers) -> net::Task<void> {
            VerdictCache::Answer answer = co_await of.ask(on, key(1));
            ++(answer.findings ? answers : turns);
            if (answer.turn) answer.turn.finish(found(Outcome::clean()));
        };
        for (int i = 0; i < 3; ++i) net::spawn(worker, asker(cache, worker, scanned, got));
        worker.post([&first] { first.reset(); });
        while (scanned + got < 3) co_await worker.sleep(std::chrono::milliseconds(1));
    }(cache_, worker_, scans, shared));
    EXPECT_EQ(scans, 1);
    EXPECT_EQ(shared, 2);
}

}  // namespace
}  // namespace sluice::inspect
