// SPDX-License-Identifier: Apache-2.0
#include "inspect/payload.h"

#include <gtest/gtest.h>

#include "inspect/clamd/clamd.h"
#include "unit/inspect/content/encoders.h"

#include <unistd.h>

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace sluice::inspect {
namespace {

// In pieces, so that no scanner takes this file for what it tests.
const std::string eicar = std::string(R"(X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR)") + "-STANDARD-ANTIVIRUS" + "-TEST-FILE!$H+H*";

// Bytes of which no two pieces are alike.
std::string noise(std::size_t size) {
    std::string out(size, '\0');
    std::uint32_t state = 1;
    for (char& c : out) {
        state = state * 1664525 + 1013904223;
        c = static_cast<char>(state >> 24);
    }
    return out;
}

std::string program(std::size_t size) {
    return "MZ" + std::string(58, '\0') + std::string("\x80\0\0\0", 4) + std::string(64, '\0') + "PE" + noise(size);
}

class PayloadTest : public testing::Test {
protected:
    PayloadTest() {
        Diagnostics faults;
        setup_->patterns = PatternSet::compile({}, {}, setup_->limits, faults);
        setup_->engines = {policy::Engine::hash, policy::Engine::signatures};
        setup_->max_size = 1'000'000'000;
        setup_->wants_sha256 = true;
        shared_.storage.memory.set_limit(200'000'000);
        shared_.storage.disk.set_limit(200'000'000);
        shared_.storage.folder = "/tmp";
    }
    ~PayloadTest() override {
        payload_.clear();
        EXPECT_EQ(shared_.storage.memory.used(), 0U);
        EXPECT_EQ(shared_.storage.disk.used(), 0U);
    }

    Examination examination() const {
        Examination out;
        out.engines = setup_->engines;
        out.keeps_content = keeps_content_;
        return out;
    }
    bool keeps_content_ = false;

    // What a session would do; what came out before the verdict, and what with it.
    struct Passed {
        std::string before;
        std::string after;
        Outcome outcome;
        std::string sha256;
        bool judged_before_end = false;
    };
    net::Task<void> pass(const std::string& bytes, std::size_t piece, policy::Deliver deliver, const Declared& declared,
                         std::string_view type, Passed& passed) {
        payload_.begin(setup_, declared);
        Payload::Views out;
        bool judged = false;
        bool ended = false;
        const auto collect = [&] {
            for (const std::string_view view : out) (judged ? passed.after : passed.before) += view;
            out.clear();
        };
        const auto follow_up = [&] {
            if (!payload_.is_planned() && (payload_.is_identified() || payload_.has_news()))
                payload_.deliver(choose_delivery(deliver, payload_.type(), type, 0), examination(), out);
            collect();
            if (!payload_.has_news()) return;
            passed.judged_before_end = passed.judged_before_end || !ended;
            passed.outcome = payload_.outcome();
            passed.sha256 = payload_.sha256();
            judged = true;
            payload_.accept_news(out);
            collect();
        };
        const auto work = [&]() -> net::Task<void> {
            while (payload_.has_work()) {
                const auto worked = co_await payload_.work(out);
                EXPECT_TRUE(worked);
                if (!worked) co_return;
                follow_up();
            }
        };
        for (std::size_t at = 0; at < bytes.size(); at += piece) {
            payload_.step();
            payload_.push(std::string_view(bytes).substr(at, piece), at + piece >= bytes.size(), out);
            if (at + piece < bytes.size()) {
                follow_up();
                co_await work();
            }
        }
        ended = true;
        payload_.end(true);
        follow_up();
        co_await work();
        EXPECT_TRUE(judged);
        EXPECT_TRUE(payload_.is_over());
        EXPECT_TRUE(passed.before + passed.after == bytes)
            << passed.before.size() << " + " << passed.after.size() << " of " << bytes.size();
    }
    Passed pass(const std::string& bytes, std::size_t piece, policy::Deliver deliver, const Declared& declared = {},
                std::string_view type = {}) {
        Passed passed;
        worker_.run(pass(bytes, piece, deliver, declared, type, passed));
        return passed;
    }

    net::Task<void> one_work(Payload::Views& out) { EXPECT_TRUE(co_await payload_.work(out)); }
    net::Task<void> work(Payload::Views& out) {
        while (payload_.has_work()) co_await one_work(out);
    }

    std::shared_ptr<inspect::Setup> setup_ = std::make_shared<inspect::Setup>();
    net::Worker worker_;
    Shared shared_{Limits{}};
    Bench bench_{Limits{}};
    Payload payload_{worker_, bench_, shared_};
};

TEST_F(PayloadTest, hold_lets_nothing_out_before_the_verdict) {
    const std::string bytes = noise(300'000);
    for (const std::size_t piece : {1'000U, 65'536U, 300'000U}) {
        const Passed passed = pass(bytes, piece, policy::Deliver::hold);
        EXPECT_TRUE(passed.before.empty());
        EXPECT_EQ(passed.outcome.verdict, Verdict::clean);
    }
}

TEST_F(PayloadTest, what_was_held_and_found_clean_is_not_examined_again) {
    const std::string bytes = noise(300'000);
    const Passed first = pass(bytes, 50'000, policy::Deliver::hold);
    EXPECT_TRUE(payload_.asked_cache());
    EXPECT_FALSE(payload_.was_cached());
    const Passed again = pass(bytes, 1'000, policy::Deliver::hold);
    EXPECT_TRUE(payload_.was_cached());
    EXPECT_EQ(again.sha256, first.sha256);
    EXPECT_EQ(again.sha256.size(), 64U);
    // But not under other conditions.
    setup_->wants_members = true;
    pass(bytes, 50'000, policy::Deliver::hold);
    EXPECT_FALSE(payload_.was_cached());
}

TEST_F(PayloadTest, tail_keeps_the_last_64_KiB) {
    const std::string bytes = noise(300'000);
    for (const std::size_t piece : {1'000U, 65'536U}) EXPECT_EQ(pass(bytes, piece, policy::Deliver::tail).after.size(), tail_size);
    EXPECT_TRUE(pass("small", 2, policy::Deliver::tail).before.empty());
}

TEST_F(PayloadTest, stream_keeps_nothing_once_it_is_known_what_it_is) {
    const std::string bytes = noise(300'000);
    EXPECT_TRUE(pass(bytes, 1'000, policy::Deliver::stream).after.empty());
}

TEST_F(PayloadTest, auto_holds_what_is_risky_and_streams_what_is_media) {
    EXPECT_TRUE(pass(program(200'000), 1'000, policy::Deliver::automatic).before.empty());
    const std::string sound = "ID3" + std::string("\x04\0\0\0\0\0\0", 7) + std::string(200'000, 'm');
    EXPECT_GT(pass(sound, 1'000, policy::Deliver::automatic, {}, "audio/mpeg").before.size(), 199'000U);
    EXPECT_EQ(pass(std::string(200'000, 'a'), 1'000, policy::Deliver::automatic, {}, "text/plain").after.size(), tail_size);
}

TEST_F(PayloadTest, what_is_found_keeps_back_all_that_has_not_gone) {
    const std::string filler(200'000, 'x');
    for (const std::size_t at : {0U, 100'000U, 200'000U}) {
        std::string bytes = filler;
        bytes.insert(at, eicar);
        for (const std::size_t piece : {10U, 4'096U, 65'536U}) {
            for (const auto deliver : {policy::Deliver::hold, policy::Deliver::tail, policy::Deliver::stream}) {
                const Passed passed = pass(bytes, piece, deliver);
                EXPECT_EQ(passed.outcome.verdict, Verdict::infected);
                EXPECT_EQ(passed.outcome.threat, PatternSet::eicar_name);
                EXPECT_LT(passed.before.size(), at + eicar.size()) << "the last byte of it goes to nobody";
            }
        }
    }
}

TEST_F(PayloadTest, what_is_coded_is_looked_at_decoded_and_goes_on_as_it_came) {
    const std::string bytes = test::gzip(noise(100'000) + eicar + noise(100'000));
    for (const auto deliver : {policy::Deliver::hold, policy::Deliver::tail}) {
        for (const std::size_t piece : {7U, 10'000U, 1'000'000U}) {
            EXPECT_EQ(pass(bytes, piece, deliver, {.coding = "gzip"}).outcome.verdict, Verdict::infected);
            EXPECT_EQ(pass(test::gzip(noise(50'000)), piece, deliver, {.coding = "gzip"}).outcome.verdict, Verdict::clean);
        }
    }
}

TEST_F(PayloadTest, what_cannot_be_decoded_is_not_clean_and_still_searched) {
    EXPECT_EQ(pass("whatever", 3, policy::Deliver::hold, {.coding = "zstd-but-not-really"}).outcome.reason, Reason::undecodable);
    EXPECT_EQ(pass("no gzip at all", 3, policy::Deliver::hold, {.coding = "gzip"}).outcome.reason, Reason::corrupt);
    const std::string whole = test::gzip("a text that ends too early");
    EXPECT_EQ(pass(whole.substr(0, whole.size() - 3), 3, policy::Deliver::hold, {.coding = "gzip"}).outcome.reason, Reason::truncated);
    const Passed passed = pass(std::string(5'000, 'x') + eicar, 1'000, policy::Deliver::tail, {.coding = "no-coding"});
    EXPECT_EQ(passed.outcome.verdict, Verdict::infected) << "though it had been let pass as undecodable before";
}

TEST_F(PayloadTest, a_part_is_truncated) {
    const Passed passed = pass("some bytes of a file", 5, policy::Deliver::tail, {.coding = {}, .partial = true});
    EXPECT_EQ(passed.outcome.verdict, Verdict::unscannable);
    EXPECT_EQ(passed.outcome.reason, Reason::truncated);
}

TEST_F(PayloadTest, beyond_max_size_it_is_too_large) {
    setup_->max_size = 10'000;
    for (const auto deliver : {policy::Deliver::hold, policy::Deliver::tail}) {
        const Passed passed = pass(noise(20'000), 1'000, deliver);
        EXPECT_EQ(passed.outcome.reason, Reason::too_large);
        EXPECT_TRUE(passed.judged_before_end);
    }
}

TEST_F(PayloadTest, what_does_not_fit_into_memory_waits_in_a_file) {
    const std::string bytes = noise(30'000'000);
    const Passed passed = pass(bytes, 250'000, policy::Deliver::hold);
    EXPECT_TRUE(passed.before.empty());
    EXPECT_EQ(passed.outcome.verdict, Verdict::clean);
    std::string infected = bytes;
    infected.insert(20'000'000, eicar);
    EXPECT_EQ(pass(infected, 250'000, policy::Deliver::hold).outcome.verdict, Verdict::infected);
    shared_.storage.memory.set_limit(0);
    EXPECT_EQ(pass(bytes.substr(0, 1'000'000), 100'000, policy::Deliver::hold).outcome.verdict, Verdict::clean);
    EXPECT_EQ(pass(test::gzip(infected), 250'000, policy::Deliver::hold, {.coding = "gzip"}).outcome.verdict, Verdict::infected);
}

// In memory, read in place, and through a file: what went ahead does not come again.
TEST_F(PayloadTest, a_trickle_is_a_little_of_the_first_bytes) {
    enum class How : std::uint8_t { memory, in_place, file };
    const std::string bytes = noise(300'000);
    for (const How how : {How::memory, How::in_place, How::file}) {
        shared_.storage.memory.set_limit(how == How::file ? 0 : 200'000'000);
        payload_.begin(setup_, {});
        Payload::Views out;
        std::string trickled;
        const auto trickle = [&] {
            for (std::string_view piece = payload_.trickle(); !piece.empty(); piece = payload_.trickle()) trickled += piece;
        };
        std::size_t at = 0;
        const auto push = [&](std::size_t size) {
            payload_.step();
            payload_.push(std::string_view(bytes).substr(at, size), false, out);
            at += size;
        };
        push(600);
        EXPECT_TRUE(payload_.trickle().empty());  // nobody has said that it may
        payload_.deliver({.mode = Mode::hold, .trickles = true}, examination(), out);
        trickle();
        EXPECT_EQ(trickled.size(), 600U / 64);
        while (at < bytes.size()) {
            if (how == How::in_place) {
                const std::span<char> room = payload_.room();
                const std::size_t size = std::min(room.size(), bytes.size() - at);
                std::ranges::copy(std::string_view(bytes).substr(at, size), room.begin());
                at += size;
                payload_.push_in_place(size);
            } else {
                push(std::min<std::size_t>(20'000, bytes.size() - at));
            }
            worker_.run(work(out));
            trickle();
        }
        EXPECT_TRUE(out.empty());
        EXPECT_EQ(trickled.size(), 1024U);
        payload_.end(true);
        worker_.run(work(out));
        ASSERT_TRUE(payload_.has_news());
        EXPECT_TRUE(payload_.trickle().empty());  // a rule is to say first
        payload_.accept_news(out);
        std::string all = trickled;
        for (const std::string_view view : out) all += view;
        while (payload_.has_work()) {
            out.clear();
            worker_.run(one_work(out));
            for (const std::string_view view : out) all += view;
        }
        EXPECT_TRUE(payload_.is_over());
        EXPECT_TRUE(payload_.has_trickled());
        EXPECT_TRUE(all == bytes) << all.size();
        payload_.clear();
    }
}

TEST_F(PayloadTest, of_what_is_infected_nothing_trickles) {
    payload_.begin(setup_, {});
    Payload::Views out;
    const std::string bytes = noise(60'000) + eicar + noise(10'000);
    payload_.push(bytes, false, out);
    payload_.deliver({.mode = Mode::hold, .trickles = true}, examination(), out);
    EXPECT_TRUE(payload_.has_news());
    EXPECT_TRUE(payload_.trickle().empty());
}

TEST_F(PayloadTest, without_room_on_disk_it_is_no_space_and_nothing_is_lost) {
    shared_.storage.disk.set_limit(5'000'000);
    EXPECT_EQ(pass(noise(30'000'000), 250'000, policy::Deliver::hold).outcome.reason, Reason::no_space);
    shared_.storage.disk.set_limit(200'000'000);
    shared_.storage.is_disk_full = true;
    EXPECT_EQ(pass(noise(30'000'000), 250'000, policy::Deliver::hold).outcome.reason, Reason::no_space);
    // Judged before for another reason, and let pass then: it is judged again, as nobody looks at it any more.
    EXPECT_EQ(pass(noise(30'000'000), 250'000, policy::Deliver::hold, {.coding = "unheard-of"}).outcome.reason, Reason::no_space);
}

TEST_F(PayloadTest, what_is_larger_than_auto_holds_goes_on_but_for_its_end) {
    const std::string bytes = program(automatic_hold + 1'000'000);
    const Passed passed = pass(bytes, 250'000, policy::Deliver::automatic);
    EXPECT_EQ(passed.outcome.verdict, Verdict::clean);
    EXPECT_EQ(passed.after.size(), tail_size);
    std::string infected = bytes;
    infected.insert(50'000'000, eicar);
    const Passed found = pass(infected, 250'000, policy::Deliver::automatic);
    EXPECT_EQ(found.outcome.verdict, Verdict::infected);
    EXPECT_TRUE(found.before.empty()) << "it is examined before any of it goes";
}

// A source that pauses gets its first bytes through before they say what the whole is.
TEST_F(PayloadTest, what_turns_out_to_be_risky_after_a_pause_is_still_searched_to_its_end) {
    constexpr std::size_t gone = 3'000;
    for (const std::size_t piece : {1'000U, 100'000U}) {
        std::string bytes = std::string(gone, 'a') + "<?php " + std::string(300'000, 'b') + eicar;   // its end is where it was missed
        payload_.begin(setup_, {});
        Payload::Views out;
        payload_.push(std::string_view(bytes).substr(0, gone), false, out);
        payload_.deliver(choose_delivery(policy::Deliver::automatic, payload_.type(), {}, 0), examination(), out);
        payload_.pause(out);
        ASSERT_EQ(out.size(), 1U) << "its first bytes are gone";
        for (std::size_t at = gone; at < bytes.size(); at += piece) {
            payload_.step();
            payload_.push(std::string_view(bytes).substr(at, piece), at + piece >= bytes.size(), out);
        }
        EXPECT_EQ(out.size(), 1U);
        payload_.end(true);
        worker_.run([](Payload& payload, Payload::Views& views) -> net::Task<void> {
            while (payload.has_work()) EXPECT_TRUE(co_await payload.work(views));
        }(payload_, out));
        EXPECT_TRUE(payload_.has_news());
        EXPECT_EQ(payload_.outcome().verdict, Verdict::infected);
    }
}

// A copy is kept while it flows, then it turns out to be what is held: the copy goes on where it is.
TEST_F(PayloadTest, a_copy_that_was_begun_is_gone_on_with) {
    keeps_content_ = true;
    const std::string member(
        "PK\x03\x04\x14\0\0\0\x08\0\x21\x41\x21\x41\x01\x02\x03\x04\x20\0\0\0\x40\0\0\0\x05\0\0\0"
        "a.txt",
        35);
    std::string disc = noise(40'000);
    disc.replace(32'769, 5, "CD001");
    const std::string film = std::string(
                                 "\0\0\0\x18"
                                 "ftypmp42\0\0\0\0mp42isom",
                                 24) +
                             noise(200'000) + member + noise(50'000);
    const std::string text = std::string(200'000, 'a') + member + noise(100'000);
    for (const std::string* bytes : std::initializer_list<const std::string*>{&disc, &film, &text}) {
        for (const std::size_t piece : {10'000U, 16'384U, 150'000U}) {
            for (const bool is_coded : {false, true}) {
                const std::string sent = is_coded ? test::gzip(*bytes) : *bytes;
                const Declared declared{.coding = is_coded ? std::string_view("gzip") : std::string_view()};
                const Passed passed = pass(sent, piece, policy::Deliver::automatic, declared, bytes == &film ? "video/mp4" : "");
                EXPECT_NE(passed.outcome.verdict, Verdict::infected);
            }
        }
    }
    // What the copy is, before the verdict is accepted.
    for (const std::string* bytes : std::initializer_list<const std::string*>{&disc, &film, &text}) {
        payload_.begin(setup_, {});
        Payload::Views out;
        constexpr std::size_t piece = 16'384;
        for (std::size_t at = 0; at < bytes->size(); at += piece) {
            payload_.step();
            payload_.push(std::string_view(*bytes).substr(at, piece), at + piece >= bytes->size(), out);
            if (!payload_.is_planned())
                payload_.deliver(choose_delivery(policy::Deliver::automatic, payload_.type(), bytes == &film ? "video/mp4" : "", 0),
                                 examination(), out);
        }
        payload_.end(true);
        worker_.run(work(out));
        worker_.run([](Payload& payload, const std::string& whole) -> net::Task<void> {
            const auto content = co_await payload.content();
            EXPECT_TRUE(content);
            if (!content) co_return;
            EXPECT_EQ(content->size, whole.size());
            std::string got(whole.size(), '\0');
            EXPECT_EQ(::pread(content->descriptor.get(), got.data(), got.size(), 0), static_cast<ssize_t>(got.size()));
            EXPECT_TRUE(got == whole);
        }(payload_, *bytes));
    }
}

// Held as a rule wants it, and a few bytes that say nothing yet: what it is shows at the end, and then engines have it.
TEST_F(PayloadTest, what_turns_out_to_be_risky_where_it_was_held_is_for_engines) {
    setup_->engines = {policy::Engine::signatures, policy::Engine::clamav};
    const std::string bytes = program(100'000);
    payload_.begin(setup_, {});
    Payload::Views out;
    payload_.push(std::string_view(bytes).substr(0, 1), false, out);
    ASSERT_TRUE(payload_.is_identified_by_pause());
    payload_.deliver({.mode = Mode::hold, .automatic = false}, examination(), out);
    payload_.push(std::string_view(bytes).substr(1), true, out);
    payload_.end(true);
    Clamd::Options options;
    options.socket = "/nowhere/at/all";
    setup_->clamd = std::make_shared<Clamd>(options);
    shared_.faults.clamd_down = true;
    worker_.run(work(out));
    EXPECT_EQ(payload_.outcome().reason, Reason::engine_down) << "clamd was asked";
    EXPECT_TRUE(out.empty());
    payload_.accept_news(out);
}

TEST_F(PayloadTest, what_is_read_in_place_is_as_if_it_were_pushed) {
    std::string bytes = program(3'000'000);
    const std::string clean = bytes;
    bytes.insert(2'000'000, eicar);
    for (const std::string& whole : {clean, bytes}) {
        payload_.begin(setup_, {});
        Payload::Views out;
        payload_.push(std::string_view(whole).substr(0, 1'000), false, out);
        payload_.deliver(choose_delivery(policy::Deliver::automatic, payload_.type(), {}, 0), examination(), out);
        for (std::size_t at = 1'000; at < whole.size();) {
            const std::span<char> room = payload_.room();
            ASSERT_FALSE(room.empty());
            const std::size_t size = std::min({room.size(), whole.size() - at, std::size_t{100'000}});
            std::copy_n(whole.data() + at, size, room.data());
            payload_.push_in_place(size);
            at += size;
        }
        payload_.end(true);
        worker_.run([](Payload& payload, Payload::Views& views) -> net::Task<void> {
            while (payload.has_work()) EXPECT_TRUE(co_await payload.work(views));
        }(payload_, out));
        ASSERT_TRUE(payload_.has_news());
        EXPECT_EQ(payload_.outcome().verdict, whole == clean ? Verdict::clean : Verdict::infected);
        EXPECT_TRUE(out.empty());
        payload_.accept_news(out);
        std::string got;
        for (const std::string_view view : out) got += view;
        EXPECT_TRUE(got == whole);
    }
}

TEST_F(PayloadTest, sha256_is_of_the_content) {
    for (const auto deliver : {policy::Deliver::hold, policy::Deliver::tail}) {
        EXPECT_EQ(pass("abc", 1, deliver).sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        EXPECT_EQ(pass(test::gzip("abc"), 1, deliver, {.coding = "gzip"}).sha256,
                  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}

TEST_F(PayloadTest, in_a_pause_what_is_not_risky_goes_on) {
    payload_.begin(setup_, {});
    Payload::Views out;
    payload_.push("data: 1\n\ndata: 2\n\n", false, out);
    EXPECT_FALSE(payload_.is_identified());
    ASSERT_TRUE(payload_.is_identified_by_pause());
    payload_.deliver(choose_delivery(policy::Deliver::automatic, payload_.type(), "text/plain", 0), examination(), out);
    EXPECT_TRUE(out.empty());
    payload_.pause(out);
    ASSERT_EQ(out.size(), 1U);
    EXPECT_EQ(out[0], "data: 1\n\ndata: 2\n\n");
}

}  // namespace
}  // namespace sluice::inspect
