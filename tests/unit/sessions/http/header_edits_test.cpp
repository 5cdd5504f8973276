// SPDX-License-Identifier: Apache-2.0
#include "sessions/http/header_edits.h"

#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <vector>

namespace sluice::http {
namespace {

using policy::Action;

class HeaderEditsTest : public ::testing::Test {
protected:
    void edit(Action action, std::string_view name, std::string_view value = {}) {
        policy::Rule& rule = kept_.emplace_back();
        rule.action = action;
        rule.edit = {std::string(name), std::string(value)};
        rules_.push_back(&rule);
    }
    HeaderEdits of_request() const { return {rules_, Action::set_request_header, Action::remove_request_header}; }
    std::string written() const {
        std::string out;
        http1::HeadWriter writer(out);
        of_request().write(writer);
        return out;
    }

private:
    std::deque<policy::Rule> kept_;
    std::vector<const policy::Rule*> rules_;
};

TEST_F(HeaderEditsTest, nothing_is_touched_without_rules) {
    EXPECT_FALSE(of_request().touches("Accept"));
    EXPECT_EQ(written(), "");
}

TEST_F(HeaderEditsTest, what_is_set_replaces_in_any_case) {
    edit(Action::set_request_header, "X-One", "1");
    EXPECT_TRUE(of_request().touches("x-one"));
    EXPECT_FALSE(of_request().touches("X-On"));
    EXPECT_EQ(written(), "X-One: 1\r\n");
}

TEST_F(HeaderEditsTest, the_last_word_on_a_name_counts) {
    edit(Action::set_request_header, "X-One", "1");
    edit(Action::set_request_header, "X-Two", "2");
    edit(Action::set_request_header, "x-one", "3");
    edit(Action::remove_request_header, "X-TWO");
    EXPECT_EQ(written(), "x-one: 3\r\n");
    EXPECT_TRUE(of_request().touches("X-Two"));
}

TEST_F(HeaderEditsTest, a_name_that_was_removed_may_be_set_again) {
    edit(Action::remove_request_header, "X-One");
    edit(Action::set_request_header, "X-One", "1");
    EXPECT_EQ(written(), "X-One: 1\r\n");
}

TEST_F(HeaderEditsTest, the_other_direction_and_other_actions_do_not_count) {
    edit(Action::set_request_header, "X-One", "1");
    edit(Action::set_response_header, "X-One", "2");
    edit(Action::remove_response_header, "X-One");
    edit(Action::tag, "X-One");
    EXPECT_EQ(written(), "X-One: 1\r\n");
    edit(Action::remove_response_header, "X-Other");
    EXPECT_FALSE(of_request().touches("X-Other"));
}

}  // namespace
}  // namespace sluice::http
