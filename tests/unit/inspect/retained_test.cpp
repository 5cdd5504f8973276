// SPDX-License-Identifier: Apache-2.0
#include "inspect/retained.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::inspect {
namespace {

std::string joined(const std::vector<std::string_view>& views) {
    std::string out;
    for (const std::string_view view : views) out += view;
    return out;
}

std::string numbered(std::size_t size) {
    std::string out;
    for (std::size_t i = 0; out.size() < size; ++i) out += std::to_string(i) + ' ';
    out.resize(size);
    return out;
}

TEST(Retained, gives_back_in_order_what_came_in_pieces) {
    const std::string bytes = numbered(700'000);
    for (const std::size_t piece : {1'000U, 4'096U, 65'537U, 700'000U}) {
        Budget budget(10'000'000);
        Retained retained;
        retained.begin(budget);
        for (std::size_t at = 0; at < bytes.size(); at += piece) {
            const std::string_view part = std::string_view(bytes).substr(at, piece);
            ASSERT_EQ(retained.append(part), part.size());
        }
        std::string out;
        while (retained.size() > 0) {
            std::vector<std::string_view> views;
            retained.take(std::min<std::size_t>(12'345, retained.size()), views);
            out += joined(views);
            retained.forget_taken();
        }
        EXPECT_EQ(out, bytes);
        retained.clear();
        EXPECT_EQ(budget.used(), 0U);
    }
}

TEST(Retained, views_live_until_they_are_forgotten) {
    Budget budget(1'000'000);
    Retained retained;
    retained.begin(budget);
    const std::string bytes = numbered(100'000);
    retained.append(bytes);
    std::vector<std::string_view> views;
    retained.take(60'000, views);
    retained.append("more");
    retained.take(40'000, views);
    EXPECT_EQ(joined(views), bytes);
    EXPECT_EQ(retained.size(), 4U);
}

TEST(Retained, takes_no_more_than_the_budget_pays_for_and_says_how_much) {
    Budget budget(8 * 1024);
    Retained retained;
    retained.begin(budget);
    const std::string bytes = numbered(4 * 1024);
    EXPECT_EQ(retained.append(bytes), bytes.size());
    EXPECT_EQ(retained.append(numbered(1'000'000)), 0U);     // a chunk for it would be too large
    EXPECT_EQ(retained.size(), bytes.size());
    retained.clear();
    EXPECT_EQ(budget.used(), 0U);
}

TEST(Retained, gives_its_memory_back_when_it_goes) {
    Budget budget(1'000'000);
    {
        Retained retained;
        retained.begin(budget);
        retained.append(numbered(100'000));
        EXPECT_GE(budget.used(), 100'000U);
    }
    EXPECT_EQ(budget.used(), 0U);
}

}  // namespace
}  // namespace sluice::inspect
