// SPDX-License-Identifier: Apache-2.0
#include "sessions/transaction/inspected.h"

#include <gmock/gmock.h>

#include "net/worker.h"
#include "unit/sessions/transaction/support.h"

namespace sluice::sessions {
namespace {

using namespace testing;
using policy::Direction;
using policy::Field;

// In pieces, so that no scanner takes this file for what it tests.
const std::string eicar = std::string(R"(X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR)") + "-STANDARD-ANTIVIRUS" + "-TEST-FILE!$H+H*";

class InspectedTest : public ::testing::Test {
protected:
    InspectedTest() {
        auto setup = std::make_shared<inspect::Setup>();
        Diagnostics faults;
        setup->patterns = inspect::PatternSet::compile({}, {}, setup->limits, faults);
        setup->engines = {policy::Engine::hash, policy::Engine::signatures};
        setup->max_size = 1'000'000;
        setup_ = std::move(setup);
        shared_.storage.memory.set_limit(1'000'000);
    }

    // As far as it may go: to the end, or to a denial.
    std::optional<Denial> pass(Court& court, std::string_view bytes, std::vector<std::string> names,
                               std::span<const Inspected::Number> of_whole = {}) {
        court.settings.inspect = setup_;
        download_.begin(worker_, bench_, shared_, court.settings, court.judgement, {});
        if (!download_.is_on) return std::nullopt;
        download_.set_names(std::move(names));
        std::optional<Denial> denial;
        worker_.run(pass(court, bytes, of_whole, denial));
        return denial;
    }
    net::Task<void> pass(Court& court, std::string_view bytes, std::span<const Inspected::Number> of_whole, std::optional<Denial>& denial) {
        inspect::Payload& payload = *download_.payload;
        std::vector<std::string_view>& out = download_.released;
        payload.push(bytes, true, out);
        payload.end(true);
        if ((denial = download_.judge_type(court.judgement, bytes.size()))) co_return;
        const auto options = download_.options(court.judgement);
        if (!options) {
            payload.skip(out);
            co_return;
        }
        payload.deliver({.mode = inspect::Mode::hold}, download_.examination(court.settings, *options), out);
        while (payload.has_work()) EXPECT_TRUE(co_await payload.work(out));
        EXPECT_TRUE(payload.has_news());
        if (!(denial = download_.judge_verdict(court.judgement, of_whole))) payload.accept_news(out);
    }

    net::Worker worker_;
    inspect::Shared shared_{Limits{}};
    inspect::Bench bench_{Limits{}};
    std::shared_ptr<const inspect::Setup> setup_;
    Inspected download_{Direction::download};
};

TEST_F(InspectedTest, what_is_found_is_said_with_the_threat_and_recorded) {
    Court court({});
    const auto denial = pass(court, eicar, {"a.txt"});
    ASSERT_TRUE(denial);
    EXPECT_EQ(denial->name, "malware");
    EXPECT_THAT(std::string(denial->reason), ::testing::HasSubstr(inspect::PatternSet::eicar_name));
    audit::Event event;
    download_.record(event, true);
    EXPECT_EQ(event.file_name, "a.txt");
    EXPECT_EQ(event.file_extension, "txt");
    EXPECT_EQ(event.file_size, eicar.size());
    EXPECT_EQ(event.scan_verdict, "infected");
    EXPECT_EQ(event.scan_threat, inspect::PatternSet::eicar_name);
}

TEST_F(InspectedTest, it_has_all_the_names_that_it_may_get) {
    Court court({rule("no-scr", "file.extension == \"scr\"", "block")});
    auto denial = pass(court, "text", {"a.scr", "b.txt"});
    EXPECT_EQ(Court::name_of(denial), "no-scr");
    EXPECT_EQ(denial->other_name, "");
    denial = pass(court, "text", {"b.txt", "a.scr"});
    EXPECT_EQ(Court::name_of(denial), "no-scr");
    EXPECT_EQ(denial->other_name, "a.scr");
    EXPECT_EQ(court.judgement.facts.text(Field::file_name), "b.txt") << "the other name was for the question alone";
    EXPECT_FALSE(pass(court, "text", {"b.txt"})) << "names of the former one are forgotten";
}

TEST_F(InspectedTest, a_trusted_transaction_has_none) {
    Court court({rule("own", "client.ip in 192.0.2.0/24", "trust")});
    EXPECT_FALSE(court.judgement.judge(policy::Phase::connect));
    EXPECT_FALSE(pass(court, eicar, {"a.txt"}));
    EXPECT_FALSE(download_.is_on);
}

// The rule is known to the record, which has no verdict to say instead.
TEST_F(InspectedTest, a_rule_that_trusts_the_type_leaves_it_out) {
    Court court({rule("texts", "file.extension == \"txt\"", "trust")});
    EXPECT_FALSE(pass(court, eicar, {"a.txt"}));
    audit::Event event;
    download_.record(event, false);
    EXPECT_EQ(event.scan_verdict, "skipped");
    EXPECT_EQ(event.scan_reason, "texts");
}

TEST_F(InspectedTest, what_the_protocol_knows_of_the_whole_is_known_in_verdict) {
    Court court({rule("much", "server.bytes > 100", "block")});
    const std::array<Inspected::Number, 1> much{{{Field::server_bytes, 101}}};
    EXPECT_EQ(Court::name_of(pass(court, "text", {"a.txt"}, much)), "much");
    court.begin();
    const std::array<Inspected::Number, 1> little{{{Field::server_bytes, 100}}};
    EXPECT_EQ(Court::name_of(pass(court, "text", {"a.txt"}, little)), "-");
}

TEST_F(InspectedTest, without_a_quarantine_it_is_said_why_there_is_no_copy) {
    Court court({});
    ASSERT_TRUE(pass(court, eicar, {"a.txt"}));
    std::string_view problem;
    const std::string event = "{}";
    const EventId id{};
    const auto keep = [&]() -> net::Task<void> { problem = co_await download_.keep_sample(worker_, shared_, id, event); };
    worker_.run(keep());
    EXPECT_EQ(problem, Inspected::no_quarantine);
}

}  // namespace
}  // namespace sluice::sessions
