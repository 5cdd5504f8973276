// SPDX-License-Identifier: Apache-2.0
#include "inspect/holding.h"

#include "net/worker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>

#include <unistd.h>

namespace sluice::inspect {
namespace {

std::string noise(std::size_t size) {
    std::string out(size, '\0');
    std::uint32_t state = 7;
    for (char& c : out) {
        state = state * 1664525 + 1013904223;
        c = static_cast<char>(state >> 24);
    }
    return out;
}

class HoldingTest : public testing::Test {
protected:
    HoldingTest() {
        storage_.memory.set_limit(100'000'000);
        storage_.disk.set_limit(100'000'000);
        storage_.folder = testing::TempDir();
    }
    ~HoldingTest() override {
        holding_.clear();
        EXPECT_EQ(storage_.memory.used(), 0U);
        EXPECT_EQ(storage_.disk.used(), 0U);
    }

    Reason spill() {
        Reason reason = Reason::none;
        worker_.run([&]() -> net::Task<void> { reason = co_await holding_.spill(); }());
        return reason;
    }
    // All that waits, taken in its order.
    std::string take_all() {
        std::string out;
        worker_.run([&]() -> net::Task<void> {
            while (holding_.stored() > 0) {
                const auto piece = co_await holding_.take_stored(holding_.size());
                EXPECT_TRUE(piece && !piece->empty());
                if (!piece || piece->empty()) co_return;
                out += *piece;
            }
        }());
        Holding::Views views;
        holding_.take(static_cast<std::size_t>(holding_.size()), views);
        for (const std::string_view view : views) out += view;
        holding_.forget_taken();
        return out;
    }
    std::string look_at(std::uint64_t offset) {
        std::string out;
        worker_.run([&]() -> net::Task<void> {
            const auto found = co_await holding_.look_at(offset);
            EXPECT_TRUE(found);
            if (found) out = *found;
        }());
        return out;
    }
    std::string object() {
        std::string out;
        worker_.run([&]() -> net::Task<void> {
            const auto made = co_await holding_.to_object();
            EXPECT_TRUE(made);
            if (!made) co_return;
            std::array<char, 65536> piece;
            for (ssize_t got = 0; (got = ::pread(made->get(), piece.data(), piece.size(), static_cast<off_t>(out.size()))) > 0;)
                out.append(piece.data(), static_cast<std::size_t>(got));
        }());
        return out;
    }

    net::Worker worker_;
    Storage storage_;
    net::Aside aside_{1, 16};
    Holding holding_{worker_, storage_, aside_};
    const std::string bytes_ = noise(1'000'000);
};

TEST_F(HoldingTest, gives_back_what_it_was_given_through_memory_and_file) {
    for (const bool spills : {false, true}) {
        for (std::size_t at = 0; at < bytes_.size(); at += 70'000) {
            holding_.append(std::string_view(bytes_).substr(at, 70'000));
            if (spills && at % 210'000 == 0) EXPECT_EQ(spill(), Reason::none);
        }
        EXPECT_EQ(holding_.size(), bytes_.size());
        EXPECT_EQ(holding_.stored() > 0, spills);
        for (const std::uint64_t offset : {0U, 1U, 300'000U, 999'999U}) EXPECT_TRUE(bytes_.substr(offset).starts_with(look_at(offset)));
        EXPECT_EQ(look_at(1'000'000), "");
        EXPECT_TRUE(object() == bytes_);
        EXPECT_TRUE(take_all() == bytes_);
        EXPECT_EQ(holding_.size(), 0U);
        holding_.clear();
    }
}

TEST_F(HoldingTest, what_was_read_in_place_stands_behind_the_rest) {
    holding_.append("front ");
    const std::span<char> room = holding_.room();
    ASSERT_GE(room.size(), 6U);
    std::ranges::copy(std::string_view("behind"), room.begin());
    holding_.commit(6);
    EXPECT_EQ(take_all(), "front behind");
}

TEST_F(HoldingTest, views_live_until_they_are_forgotten) {
    holding_.append(bytes_);
    Holding::Views views;
    holding_.take(600'000, views);
    holding_.take(100'000, views);
    std::string got;
    for (const std::string_view view : views) got += view;
    EXPECT_TRUE(got == bytes_.substr(0, 700'000));
    const std::uint64_t before = storage_.memory.used();
    holding_.forget_taken();
    EXPECT_LT(storage_.memory.used(), before);
    EXPECT_TRUE(take_all() == bytes_.substr(700'000));
}

TEST_F(HoldingTest, memory_and_disk_are_bounded) {
    storage_.memory.set_limit(600'000);
    holding_.append(std::string_view(bytes_).substr(0, 100'000));
    EXPECT_FALSE(holding_.is_too_much());
    holding_.append(bytes_);
    EXPECT_TRUE(holding_.is_too_much());
    storage_.disk.set_limit(500'000);
    EXPECT_EQ(spill(), Reason::no_space);
    EXPECT_EQ(holding_.stored(), 0U) << "nothing is lost";
    storage_.disk.set_limit(5'000'000);
    EXPECT_EQ(spill(), Reason::none);
    EXPECT_EQ(storage_.memory.used(), 0U);
    storage_.is_disk_full = true;
    holding_.append(bytes_);
    EXPECT_EQ(spill(), Reason::no_space);
    storage_.is_disk_full = false;
    EXPECT_TRUE(take_all() == bytes_.substr(0, 100'000) + bytes_ + bytes_);
}

}  // namespace
}  // namespace sluice::inspect
