// SPDX-License-Identifier: Apache-2.0
#include "inspect/clamd/clamd_reply.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace sluice::inspect {
namespace {

using std::string_view_literals::operator""sv;

std::string meaning(std::string_view reply) {
    const auto outcome = outcome_of_clamd_reply(reply);
    if (!outcome) return "again";
    EXPECT_EQ(outcome->engine, "clamav");
    const std::string detail = outcome->threat.empty() ? std::string(to_string(outcome->reason)) : outcome->threat;
    return std::string(to_string(outcome->verdict)) + (detail.empty() ? "" : " ") + detail;
}

TEST(ClamdReply, means) {
    struct Case {
        std::string_view reply, meaning;
    };
    constexpr std::string_view down = "unscannable engine-down";
    const Case cases[] = {
        {"stream: OK\0"sv, "clean"},
        {"fd[11]: OK\0"sv, "clean"},
        {"stream: Win.Test.EICAR_HDB-1 FOUND\0"sv, "infected Win.Test.EICAR_HDB-1"},
        {"fd[9]: Own.Marker.UNOFFICIAL FOUND\0"sv, "infected Own.Marker.UNOFFICIAL"},
        {"fd[9]: First FOUND\0fd[9]: OK\0"sv, "infected First"},
        {"stream: two words FOUND\0"sv, "infected two words"},
        {"stream: a\x01\xff\nb FOUND\0"sv, "infected a???b"},
        {"stream: OK FOUND\0"sv, "infected OK"},
        {"stream: Heuristics.Phishing.Email FOUND\0"sv, "infected Heuristics.Phishing.Email"},
        {"fd[4]: Heuristics.Limits.Exceeded.MaxFileSize FOUND\0"sv, "unscannable too-large"},
        {"fd[4]: Heuristics.Limits.Exceeded FOUND\0"sv, "unscannable too-large"},
        {"stream: Heuristics.Encrypted.Zip FOUND\0"sv, "unscannable encrypted"},
        {"INSTREAM size limit exceeded. ERROR\0"sv, "unscannable too-large"},
        {"Can't allocate memory ERROR\0"sv, "again"},
        {"fd[4]: Can't allocate memory ERROR\0"sv, "again"},
        {"PROTOCOL ERROR: ancillary data sent without FILDES. ERROR\0Error processing command. ERROR\0"sv, "again"},
        {"Error processing command. ERROR\0"sv, "again"},
        {"fd[4]: Not a regular file ERROR\0"sv, down},
        {"fd[4]: Time limit reached ERROR\0"sv, down},
        {"stream: Error writing to temporary file ERROR\0"sv, down},
        {"No file descriptor received. ERROR\0"sv, down},
        {"UNKNOWN COMMAND\0"sv, down},
        // no reply of the grammar, and above all never clean
        {""sv, down},
        {"\0"sv, down},
        {"OK\0"sv, down},
        {"stream: OK"sv, down},
        {"stream: OK\n\0"sv, down},
        {"stream: OK \0"sv, down},
        {"stream:  OK\0"sv, down},
        {"stream: ok\0"sv, down},
        {" stream: OK\0"sv, down},
        {"stream: OK\0stream: OK\0"sv, down},
        {"stream: OK\0x"sv, down},
        {"fd[]: OK\0"sv, down},
        {"fd[-1]: OK\0"sv, down},
        {"fd[1: OK\0"sv, down},
        {"fd[1]: stream: OK\0"sv, down},
        {"fd[1"sv, down},
        {"1: stream: OK\0"sv, down},
        {"/tmp/file: OK\0"sv, down},
        {"stream: FOUND\0"sv, down},
        {"stream:  FOUND\0"sv, down},
        {"Name FOUND\0"sv, down},
        {"ERROR\0"sv, down},
        {"HTTP/1.1 400 Bad Request\r\n\r\n"sv, down},
    };
    for (const Case& each : cases) EXPECT_EQ(meaning(each.reply), each.meaning) << each.reply;
}

TEST(ClamdReply, a_name_is_cut_off_and_a_reply_is_bounded) {
    const std::string name(clamd_threat_bytes + 1, 'n');
    EXPECT_EQ(meaning("stream: " + name + " FOUND" + '\0'), "infected " + name.substr(1));
    EXPECT_EQ(meaning("stream: " + std::string(clamd_reply_bytes, 'n') + " FOUND" + '\0'), "unscannable engine-down");
}

// Whatever a reply is broken off or changed to, it does not become clean.
TEST(ClamdReply, no_prefix_and_no_changed_byte_is_clean) {
    const std::string_view reply = "fd[11]: OK\0"sv;
    for (std::size_t length = 0; length < reply.size(); ++length) EXPECT_NE(meaning(reply.substr(0, length)), "clean");
    for (std::size_t at = 0; at < reply.size(); ++at)
        for (int value = 0; value < 256; ++value) {
            std::string changed(reply);
            changed[at] = static_cast<char>(value);
            const bool is_digit = (at == 3 || at == 4) && value >= '0' && value <= '9';
            if (changed != reply && !is_digit) EXPECT_NE(meaning(changed), "clean") << at << ' ' << value;
        }
}

}  // namespace
}  // namespace sluice::inspect
