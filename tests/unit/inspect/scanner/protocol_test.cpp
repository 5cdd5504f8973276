// SPDX-License-Identifier: Apache-2.0
#include "inspect/scanner/protocol.h"

#include <gtest/gtest.h>

#include <random>

namespace sluice::inspect::protocol {
namespace {

Job a_job() {
    return {.id = 7,
            .size = 1'000'000,
            .deadline = Clock::time_point(std::chrono::nanoseconds(12'345)),
            .engines = {.signatures = false, .yara = true, .archives = false},
            .fault = Fault::hang,
            .wants_members = true,
            .wants_digests = true,
            .limits = {.depth = 3, .members = 4, .member_bytes = 5, .total_bytes = 6, .ratio = 7, .ratio_floor = 8},
            .rules_generation = 77,
            .multipart = {mime::MultipartKind::other, std::string(70, 'b')},
            .name = "a.zip"};
}
BodyFound a_body() {
    BodyFound body;
    body.set(3);
    body.set(BodyFound::most - 1);
    return body;
}
Found a_member() {
    return {.job = 7,
            .member = {.depth = 2,
                       .is_encrypted = false,
                       .size = 99,
                       .sha256 = Digest{1, 2, 3},
                       .path = "dir/b.exe",
                       .first_bytes = std::string("MZ\0\1", 4),
                       .outcome = Outcome::unscannable(Reason::corrupt, "archive"),
                       .body = a_body()}};
}
Done an_end() { return {.job = 7, .outcome = Outcome::infected("YARA.bad", "yara"), .members = 3, .unpacked = 1'000}; }
Diagnosis a_fault() { return {{.place = {"rules.yar", 3, 0}, .message = "syntax error", .source_line = "rule {"}}; }

std::vector<Message> one_of_each() { return {a_job(), Hello{}, a_member(), an_end(), Ready{5, 6}, a_fault(), Born{42}}; }

template <class T>
T round_trip(const T& message) {
    const auto got = decode(encode(message));
    EXPECT_TRUE(got) << got.error().what;
    return got && std::holds_alternative<T>(*got) ? std::get<T>(*got) : T{};
}

TEST(ScannerProtocol, what_is_said_arrives) {
    EXPECT_EQ(round_trip(a_job()), a_job());
    EXPECT_EQ(round_trip(a_member()), a_member());
    EXPECT_EQ(round_trip(Ready{5, 6}), (Ready{5, 6}));
    EXPECT_EQ(round_trip(Born{42}), Born{42});
    Done end = an_end();
    end.outcome.matches = {"one", "two"};
    const Done got = round_trip(end);
    EXPECT_EQ(got.outcome.verdict, Verdict::infected);
    EXPECT_EQ(got.outcome.threat, "YARA.bad");
    EXPECT_EQ(got.outcome.engine, "yara");
    EXPECT_EQ(got.outcome.matches, end.outcome.matches);
    EXPECT_EQ(got.members, 3U);
    EXPECT_EQ(got.unpacked, 1'000U);
    const Diagnosis fault = round_trip(a_fault());
    EXPECT_EQ(to_string(fault.diagnostic), to_string(a_fault().diagnostic));
    EXPECT_TRUE(has_errors({fault.diagnostic}));
}

TEST(ScannerProtocol, a_message_cut_or_lengthened_anywhere_is_refused) {
    for (const Message& message : one_of_each()) {
        const std::string packet = encode(message);
        EXPECT_LE(packet.size(), message_size);
        for (std::size_t cut = 0; cut < packet.size(); ++cut)
            ASSERT_FALSE(decode(packet.substr(0, cut))) << message.index() << " cut at " << cut;
        EXPECT_FALSE(decode(packet + '\0'));
        EXPECT_FALSE(decode(packet + packet));
    }
}

// A scanner may say anything: whatever is taken is within its bounds, and means what it says.
TEST(ScannerProtocol, changed_bytes_are_refused_or_stay_within_the_bounds) {
    std::mt19937 random(1);
    for (const Message& message : one_of_each()) {
        const std::string packet = encode(message);
        for (std::size_t at = 0; at < packet.size(); ++at) {
            std::string changed = packet;
            changed[at] = static_cast<char>(random());
            const auto got = decode(changed);
            if (!got) continue;
            EXPECT_TRUE(encode(*got) == changed) << message.index() << " at " << at;
            if (const Done* end = std::get_if<Done>(&*got))
                EXPECT_EQ(end->outcome.verdict == Verdict::infected, !end->outcome.threat.empty());
        }
    }
}

TEST(ScannerProtocol, outcomes_that_contradict_themselves_are_refused) {
    const auto is_taken = [](Outcome outcome) { return decode(encode(Done{.job = 1, .outcome = std::move(outcome)})).has_value(); };
    EXPECT_TRUE(is_taken(Outcome::clean()));
    EXPECT_TRUE(is_taken(Outcome{}));
    EXPECT_TRUE(is_taken(Outcome::unscannable(Reason::bomb, "archive")));
    EXPECT_FALSE(is_taken(Outcome::unscannable(Reason::none)));
    EXPECT_FALSE(is_taken(Outcome::unscannable(Reason::tunnel)));
    EXPECT_FALSE(is_taken(Outcome::infected("", "yara")));
    Outcome clean = Outcome::clean();
    clean.threat = "no";
    EXPECT_FALSE(is_taken(clean));
}

TEST(ScannerProtocol, what_is_too_long_is_cut_by_who_says_it) {
    Job job = a_job();
    job.name = std::string(2'000, 'a') + ".exe";
    EXPECT_EQ(round_trip(job).name, job.name.substr(job.name.size() - name_size));
    Done end = an_end();
    end.outcome.threat = std::string(1'000, 't');
    end.outcome.matches.assign(100, std::string(1'000, 'm'));
    const Done got = round_trip(end);
    EXPECT_EQ(got.outcome.threat.size(), threat_size);
    ASSERT_EQ(got.outcome.matches.size(), matches_max);
    EXPECT_EQ(got.outcome.matches[0].size(), match_size);
}

}  // namespace
}  // namespace sluice::inspect::protocol
