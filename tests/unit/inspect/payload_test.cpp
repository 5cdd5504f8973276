// SPDX-License-Identifier: Apache-2.0
#include "inspect/payload.h"

#include <gtest/gtest.h>

#include <zlib.h>

#include <memory>
#include <string>
#include <vector>

namespace sluice::inspect {
namespace {

// In pieces, so that no scanner takes this file for what it tests.
const std::string eicar = std::string(R"(X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR)") + "-STANDARD-ANTIVIRUS" + "-TEST-FILE!$H+H*";

std::string gzipped(const std::string& text) {
    z_stream stream{};
    EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    std::string out(deflateBound(&stream, text.size()) + 64, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<uInt>(text.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return out;
}

class PayloadTest : public testing::Test {
protected:
    PayloadTest() {
        Diagnostics faults;
        setup_.patterns = PatternSet::compile({}, {}, setup_.limits, faults);
        setup_.max_size = 100'000'000;
        setup_.wants_sha256 = true;
    }

    // What a session would do; what came out before the verdict, and what with it.
    struct Passed {
        std::string before;
        std::string after;
        Outcome outcome;
        std::string sha256;
        bool judged_before_end = false;
    };
    Passed pass(const std::string& bytes, std::size_t piece, policy::Deliver deliver, const Declared& declared = {}, std::string_view type = {}) {
        Passed passed;
        payload_.begin(setup_, declared, budget_);
        Payload::Views out;
        bool judged = false;
        const auto collect = [&](std::string& to) {
            for (const std::string_view view : out) to += view;
            out.clear();
        };
        const auto plan_and_judge = [&](bool at_end) {
            if (!payload_.is_planned() && (payload_.is_identified() || payload_.has_news()))
                payload_.deliver(choose_delivery(deliver, payload_.type(), type, 0), out);
            collect(judged ? passed.after : passed.before);
            if (!payload_.has_news()) return;
            passed.judged_before_end = !at_end;
            passed.outcome = payload_.outcome();
            payload_.release(out);
            judged = true;
            collect(passed.after);
        };
        for (std::size_t at = 0; at < bytes.size(); at += piece) {
            payload_.step();
            payload_.push(std::string_view(bytes).substr(at, piece), at + piece >= bytes.size(), out);
            plan_and_judge(false);
        }
        payload_.end(true);
        plan_and_judge(true);
        if (!judged) ADD_FAILURE() << "not judged";
        passed.sha256 = payload_.inspection().sha256();
        EXPECT_EQ(passed.before + passed.after, bytes);
        EXPECT_EQ(payload_.released(), bytes.size());
        payload_.clear();
        EXPECT_EQ(budget_.used(), 0U);
        return passed;
    }

    inspect::Setup setup_;
    Budget budget_{200'000'000};
    Bench bench_{setup_.limits};
    Payload payload_{bench_};
};

TEST_F(PayloadTest, hold_lets_nothing_out_before_the_verdict) {
    const std::string bytes(300'000, 'a');
    for (const std::size_t piece : {1'000U, 65'536U, 300'000U}) {
        const Passed passed = pass(bytes, piece, policy::Deliver::hold);
        EXPECT_EQ(passed.before, "");
        EXPECT_EQ(passed.outcome.verdict, Verdict::clean);
    }
}

TEST_F(PayloadTest, tail_keeps_the_last_64_KiB) {
    const std::string bytes(300'000, 'a');
    for (const std::size_t piece : {1'000U, 65'536U, 300'000U}) EXPECT_EQ(pass(bytes, piece, policy::Deliver::tail).after.size(), tail_size);
    EXPECT_EQ(pass("small", 2, policy::Deliver::tail).before, "");
}

TEST_F(PayloadTest, stream_keeps_nothing_once_it_is_known_what_it_is) {
    const std::string bytes(300'000, 'a');
    EXPECT_EQ(pass(bytes, 1'000, policy::Deliver::stream).after, "");
}

TEST_F(PayloadTest, auto_holds_what_is_risky_and_streams_what_is_media) {
    std::string program = "MZ" + std::string(58, '\0') + std::string("\x80\0\0\0", 4) + std::string(64, '\0') + "PE" + std::string(200'000, '\0');
    EXPECT_EQ(pass(program, 1'000, policy::Deliver::automatic).before, "");
    std::string sound = "ID3" + std::string("\x04\0\0\0\0\0\0", 7) + std::string(200'000, 'm');
    EXPECT_EQ(pass(sound, 1'000, policy::Deliver::automatic, {}, "audio/mpeg").after, "");
    EXPECT_EQ(pass(std::string(200'000, 'a'), 1'000, policy::Deliver::automatic, {}, "text/plain").after.size(), tail_size);
}

TEST_F(PayloadTest, what_is_found_keeps_back_all_that_has_not_gone) {
    const std::string filler(200'000, 'x');
    for (const std::size_t at : {0U, 100'000U, 200'000U}) {
        std::string bytes = filler;
        bytes.insert(at, eicar);
        for (const std::size_t piece : {10U, 4'096U, 65'536U}) {
            const Passed passed = pass(bytes, piece, policy::Deliver::stream);
            EXPECT_EQ(passed.outcome.verdict, Verdict::infected);
            EXPECT_EQ(passed.outcome.threat, PatternSet::eicar_name);
            EXPECT_LT(passed.before.size(), at + eicar.size()) << "the last byte of it goes to nobody";
        }
    }
}

TEST_F(PayloadTest, what_is_coded_is_looked_at_decoded_and_goes_on_as_it_came) {
    const std::string bytes = gzipped(std::string(100'000, 'y') + eicar + std::string(100'000, 'z'));
    const Passed passed = pass(bytes, 7, policy::Deliver::tail, {.coding = "gzip"});
    EXPECT_EQ(passed.outcome.verdict, Verdict::infected);
    const std::string clean = gzipped(std::string(1'000, 'y'));
    EXPECT_EQ(pass(clean, 7, policy::Deliver::tail, {.coding = "gzip"}).outcome.verdict, Verdict::clean);
}

TEST_F(PayloadTest, what_cannot_be_decoded_is_not_clean) {
    EXPECT_EQ(pass("whatever", 3, policy::Deliver::hold, {.coding = "zstd-but-not-really"}).outcome.reason, Reason::undecodable);
    EXPECT_EQ(pass("no gzip at all", 3, policy::Deliver::hold, {.coding = "gzip"}).outcome.reason, Reason::corrupt);
    const std::string whole = gzipped("a text that ends too early");
    EXPECT_EQ(pass(whole.substr(0, whole.size() - 3), 3, policy::Deliver::hold, {.coding = "gzip"}).outcome.reason, Reason::truncated);
}

TEST_F(PayloadTest, a_part_is_truncated) {
    const Passed passed = pass("some bytes of a file", 5, policy::Deliver::tail, {.coding = {}, .partial = true});
    EXPECT_EQ(passed.outcome.verdict, Verdict::unscannable);
    EXPECT_EQ(passed.outcome.reason, Reason::truncated);
}

TEST_F(PayloadTest, beyond_max_size_it_is_too_large) {
    setup_.max_size = 10'000;
    const Passed passed = pass(std::string(20'000, 'a'), 1'000, policy::Deliver::tail);
    EXPECT_EQ(passed.outcome.reason, Reason::too_large);
    EXPECT_TRUE(passed.judged_before_end);
}

TEST_F(PayloadTest, without_memory_to_hold_it_is_overloaded_and_nothing_is_lost) {
    budget_.set_limit(100'000);
    const Passed passed = pass(std::string(300'000, 'a'), 1'000, policy::Deliver::hold);
    EXPECT_EQ(passed.outcome.reason, Reason::overloaded);
}

TEST_F(PayloadTest, sha256_is_of_the_content) {
    EXPECT_EQ(pass("abc", 1, policy::Deliver::hold).sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(pass(gzipped("abc"), 1, policy::Deliver::hold, {.coding = "gzip"}).sha256,
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_F(PayloadTest, in_a_pause_what_is_not_risky_goes_on) {
    payload_.begin(setup_, {}, budget_);
    Payload::Views out;
    payload_.push("data: 1\n\ndata: 2\n\n", false, out);
    EXPECT_FALSE(payload_.is_identified());
    ASSERT_TRUE(payload_.is_identified_by_pause());
    payload_.deliver(choose_delivery(policy::Deliver::automatic, payload_.type(), "text/plain", 0), out);
    EXPECT_TRUE(out.empty());
    payload_.pause(out);
    ASSERT_EQ(out.size(), 1U);
    EXPECT_EQ(out[0], "data: 1\n\ndata: 2\n\n");
    payload_.clear();
}

}  // namespace
}  // namespace sluice::inspect
