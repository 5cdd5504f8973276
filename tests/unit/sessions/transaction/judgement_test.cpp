// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "unit/sessions/transaction/support.h"

namespace sluice::sessions {
namespace {

using namespace testing;
using policy::Action;
using policy::Field;
using policy::Phase;
using ::testing::ElementsAre;

policy::RuleSource tag(std::string_view name, std::string_view when) {
    policy::RuleSource source = rule(name, when, "tag");
    source.tags = std::vector<policy::Text>{text(name)};
    return source;
}

// One token an hour, for what `per` names.
policy::RuleSource once(std::string_view per) {
    policy::RuleSource source = rule("once", "server.ip in 192.0.2.0/24", "limit");
    source.rate = text("1/h");
    source.per = std::vector<policy::Text>{text(per)};
    return source;
}

TEST(Judgement, says_which_rule_and_in_its_words) {
    policy::RuleSource blocking = rule("no-exe", "url.path == \"/x.exe\"", "block");
    blocking.reason = text("No programs.");
    Court court({blocking});
    court.judgement.facts.set(Field::url_path, std::string_view("/x.exe"));
    const auto denial = court.judgement.judge(Phase::request);
    ASSERT_TRUE(denial);
    EXPECT_EQ(denial->action, Action::block);
    EXPECT_EQ(denial->name, "no-exe");
    EXPECT_EQ(denial->reason, "No programs.");
    EXPECT_EQ(court.judgement.rule, "no-exe");
    EXPECT_EQ(court.matches("no-exe"), 1U);
}

TEST(Judgement, the_default_holds_at_the_end_of_request_alone) {
    Court court({rule("in", "ftp.command == \"RETR\"", "allow")}, "block");
    EXPECT_EQ(Court::name_of(court.judgement.judge(Phase::connect)), "-");
    EXPECT_EQ(Court::name_of(court.judgement.judge(Phase::response)), "-");
    const auto denial = court.judgement.judge(Phase::request);
    ASSERT_TRUE(denial);
    EXPECT_EQ(denial->rule, nullptr);
    EXPECT_EQ(denial->name, "");
    EXPECT_EQ(denial->reason, no_rule_allows);

    court.judgement.facts.set(Field::ftp_command, std::string_view("RETR"));
    EXPECT_EQ(Court::name_of(court.judgement.judge(Phase::request)), "-");
    EXPECT_TRUE(court.judgement.allowed);
}

// What is allowed before the request is known needs no rule there.
TEST(Judgement, an_allow_of_connect_lifts_the_default) {
    Court court({rule("ours", "client.ip in 192.0.2.0/24", "allow")}, "block");
    EXPECT_EQ(Court::name_of(court.judgement.judge(Phase::connect)), "-");
    EXPECT_EQ(Court::name_of(court.judgement.judge(Phase::request)), "-");
}

TEST(Judgement, an_allow_of_response_allows_nothing_before) {
    Court court({rule("late", "ftp.reply == 150", "allow")}, "block");
    court.judgement.facts.set(Field::ftp_reply, 150);
    EXPECT_EQ(Court::name_of(court.judgement.judge(Phase::response)), "-");
    EXPECT_FALSE(court.judgement.allowed);
}

TEST(Judgement, trust_ends_all_later_rules) {
    Court court({rule("own", "client.ip in 192.0.2.0/24", "trust"), rule("all", "ftp.command == \"RETR\"", "block")}, "block");
    court.judgement.facts.set(Field::ftp_command, std::string_view("RETR"));
    EXPECT_EQ(Court::name_of(court.judgement.judge(Phase::connect)), "-");
    EXPECT_TRUE(court.judgement.trusted);
    EXPECT_EQ(Court::name_of(court.judgement.judge(Phase::request)), "-");
    EXPECT_EQ(court.matches("all"), 0U);
    court.begin();
    EXPECT_FALSE(court.judgement.trusted);
    court.judgement.facts.set(Field::ftp_command, std::string_view("RETR"));
    EXPECT_EQ(Court::name_of(court.judgement.judge(Phase::request)), "all") << "trust is of one transaction";
}

// Rules that are HTTP's do not overtake those below them, nor does who cannot be asked for a password pass.
TEST(Judgement, what_only_http_can_do_opens_nothing) {
    Court court({rule("decrypt", "client.ip in 192.0.2.0/24", "intercept"), rule("no", "url.domain == \"server.test\"", "block")});
    court.judgement.facts.set(Field::url_domain, std::string_view("server.test"));
    EXPECT_EQ(Court::name_of(court.judgement.judge(Phase::connect)), "no");
    EXPECT_EQ(court.matches("decrypt"), 0U);
    policy::Decision login;
    login.action = Action::authenticate;
    login.rule = court.rules.policy->rules().data();
    const auto denial = court.judgement.settle(login, Phase::request);
    ASSERT_TRUE(denial);
    EXPECT_EQ(denial->action, Action::authenticate);
}

TEST(Judgement, a_forgotten_decision_denies) {
    Court court({});
    EXPECT_TRUE(court.judgement.settle(policy::Decision{}, Phase::request));
}

TEST(Judgement, protect_host_comes_before_all_rules) {
    Court court({rule("own", "server.ip == 127.0.0.1", "trust")});
    court.settings.protect_host = std::make_shared<const policy::ProtectHost>(policy::ProtectHost::Self{});
    court.judgement.begin_dial();
    EXPECT_FALSE(court.may_dial("127.0.0.1"));
    ASSERT_TRUE(court.judgement.dial_denial());
    EXPECT_EQ(court.judgement.dial_denial()->name, protect_host_name);
    EXPECT_EQ(court.judgement.dial_denial()->reason, "loopback");
    EXPECT_EQ(court.matches("own"), 0U);
}

TEST(JudgementDial, only_what_is_said_of_the_address_connected_to_holds) {
    policy::RuleSource shadow = rule("shadow", "server.ip == 192.0.2.12", "block");
    shadow.mode = text("shadow");
    Court court({tag("early", "client.ip in 192.0.2.0/24"), tag("one", "server.ip == 192.0.2.11"), tag("two", "server.ip == 192.0.2.12"),
                 shadow, rule("own", "server.ip == 192.0.2.12", "trust"),
                 rule("no", "tags == \"one\" and server.ip == 192.0.2.12", "block")});
    Judgement& judgement = court.judgement;
    EXPECT_EQ(Court::name_of(judgement.judge(Phase::connect)), "-");
    judgement.begin_dial();
    const auto first = court.may_dial("192.0.2.11");
    const auto second = court.may_dial("192.0.2.12");
    ASSERT_TRUE(first && second);
    EXPECT_THAT(court.tags(), ElementsAre("early")) << "before one is taken";
    EXPECT_FALSE(judgement.facts.has(Field::server_ip));

    judgement.take(*second);
    EXPECT_THAT(court.tags(), ElementsAre("early", "two"));
    EXPECT_EQ(judgement.effects.tags.size(), 2U);
    EXPECT_EQ(judgement.effects.shadows.size(), 1U);
    EXPECT_TRUE(judgement.trusted);
    EXPECT_FALSE(judgement.was_trusted_before_dial());
    EXPECT_EQ(judgement.rule, "own");
    EXPECT_EQ(judgement.facts.ip(Field::server_ip), address("192.0.2.12"));

    // Another connection of the same transaction.
    judgement.begin_dial();
    EXPECT_FALSE(judgement.trusted);
    judgement.take(court.may_dial("192.0.2.11").value());
    EXPECT_THAT(court.tags(), ElementsAre("early", "one"));
    EXPECT_TRUE(judgement.effects.shadows.empty());
    EXPECT_EQ(judgement.rule, "");
}

TEST(JudgementDial, where_none_may_be_dialled_the_last_one_is_recorded) {
    Court court(
        {tag("one", "server.ip == 192.0.2.11"), tag("two", "server.ip == 192.0.2.12"), rule("no", "server.ip in 192.0.2.0/24", "block")});
    court.judgement.begin_dial();
    EXPECT_FALSE(court.may_dial("192.0.2.11"));
    EXPECT_FALSE(court.may_dial("192.0.2.12"));
    court.judgement.keep_effects_of_denied();
    EXPECT_THAT(court.tags(), ElementsAre("two"));
    EXPECT_EQ(court.matches("no"), 2U);
}

TEST(JudgementDial, several_addresses_cost_one_token) {
    Court court({once("client.ip")});
    court.judgement.begin_dial();
    EXPECT_TRUE(court.may_dial("192.0.2.11"));
    EXPECT_TRUE(court.may_dial("192.0.2.12"));
    court.begin();
    court.judgement.begin_dial();
    EXPECT_FALSE(court.may_dial("192.0.2.11"));
    EXPECT_EQ(court.judgement.dial_denial()->action, Action::limit);
    EXPECT_GT(court.judgement.dial_denial()->retry_after_seconds, 0);
}

TEST(JudgementDial, tokens_of_addresses_that_are_not_connected_to_go_back) {
    Court court({once("server.ip")});
    court.judgement.begin_dial();
    EXPECT_TRUE(court.may_dial("192.0.2.11"));
    const auto taken = court.may_dial("192.0.2.12");
    ASSERT_TRUE(taken);
    court.judgement.take(*taken);
    court.begin();
    court.judgement.begin_dial();
    EXPECT_TRUE(court.may_dial("192.0.2.11")) << "given back";
    EXPECT_FALSE(court.may_dial("192.0.2.12")) << "spent";
    // Nothing was connected to: what was asked for is spent.
    court.begin();
    court.judgement.begin_dial();
    EXPECT_FALSE(court.may_dial("192.0.2.11"));
}

}  // namespace
}  // namespace sluice::sessions
