// SPDX-License-Identifier: Apache-2.0
// What rules do, and which keys they take.
#include <gmock/gmock.h>

#include <cstdio>
#include <fstream>

#include "policy/users.h"
#include "unit/policy/rules.h"

namespace sluice::policy::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

RuleSource shadowed(RuleSource source) {
    source.mode = text("shadow");
    return source;
}

std::vector<std::string> names(const std::vector<const Rule*>& rules) {
    std::vector<std::string> out;
    for (const Rule* rule : rules) out.push_back(rule->name);
    return out;
}

Trial request(std::vector<RuleSource> rules, std::string_view path = "/x") { return Trial(compile(std::move(rules)), path); }

TEST(Action, a_forgotten_decision_blocks) { EXPECT_EQ(Decision{}.action, Action::block); }

TEST(Action, without_a_rule_nothing_is_decided_and_the_default_is_the_callers_to_apply) {
    PolicySource source;
    Diagnostics diagnostics;
    EXPECT_EQ(Policy::compile(source, diagnostics, nullptr)->default_action(), Action::allow);
    source.default_action = text("block");
    auto policy = Policy::compile(source, diagnostics, nullptr);
    EXPECT_EQ(policy->default_action(), Action::block);
    Trial trial(policy);
    EXPECT_EQ(trial.judge(Phase::request).action, Action::none);
    source.default_action = text("reset");
    EXPECT_FALSE(Policy::compile(source, diagnostics, nullptr));
}

TEST(Action, allow_ends_its_phase_only) {
    Trial trial = request({rule("first", "url.path == '/x'", "allow"), rule("second", "url.path == '/x'", "block"),
                           rule("third", "url.path == '/x' and http.response.status_code == 200", "block")});
    EXPECT_EQ(trial.judge(Phase::request).action, Action::allow);
    trial.facts.set(Field::response_status_code, 200);
    EXPECT_EQ(trial.decided(Phase::response), "third");
}

TEST(Action, allow_that_reads_scan_is_known_as_such) {
    const auto policy = compile({rule("a", "scan.threat == 'x'", "allow"), rule("b", "url.path == '/'", "allow")});
    EXPECT_TRUE(policy->rules()[0].reads_scan);
    EXPECT_FALSE(policy->rules()[1].reads_scan);
}

TEST(Action, every_deciding_action_is_returned_as_it_is) {
    for (const auto& [name, action] : {std::pair("allow", Action::allow), std::pair("block", Action::block),
                                       std::pair("reset", Action::reset), std::pair("trust", Action::trust)})
        EXPECT_EQ(request({rule("r", "url.path == '/x'", name)}).judge(Phase::request).action, action);
}

TEST(Action, block_takes_a_reason_and_a_status) {
    RuleSource source = rule("r", "url.path == '/x'", "block");
    source.reason = text("Not here.");
    source.status = Number{451, {"rules.toml", 3, 10}, "status = 451"};
    Trial trial = request({source});
    const Decision decision = trial.judge(Phase::request);
    EXPECT_EQ(decision.rule->reason, "Not here.");
    EXPECT_EQ(decision.rule->status, 451);
    source.status->value = 200;
    EXPECT_THAT(faults({source}), HasSubstr("rules.toml:3:10: `status` of a refusal is from 400 to 599"));
    source.status.reset();
    EXPECT_EQ(request({source}).policy->rules()[0].status, 403);
}

TEST(Action, redirect_needs_a_url) {
    RuleSource source = rule("r", "url.path == '/x'", "redirect");
    EXPECT_THAT(faults({source}), HasSubstr("`redirect` needs `to`"));
    for (const std::string_view bad : {"example.com", "ftp://x/", "http://", "http:///x", "javascript:alert(1)", "http://a b/",
                                       "http://a/\r\nX: y", "http://a/\xc3\xbc"}) {
        source.to = text(bad);
        EXPECT_THAT(faults({source}), HasSubstr("URL")) << bad;
    }
    source.to = text("https://example.com/why?a=b#c");
    EXPECT_EQ(request({source}).judge(Phase::request).rule->redirect_to, "https://example.com/why?a=b#c");
}

TEST(Action, authenticate_is_resumed_after_it) {
    const std::string path = ::testing::TempDir() + "policy_action_users";
    std::ofstream(path) << "ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n";
    RuleSource source = rule("who", "url.path == '/x'", "authenticate");
    EXPECT_THAT(faults({source}), HasSubstr("needs `users`"));
    source.users = text(path);
    source.realm = text("Office");
    Trial trial = request({rule("before", "user.name == 'ann'", "block"), source, rule("after", "user.name == 'ann'", "reset")});
    const Decision asked = trial.judge(Phase::request);
    ASSERT_EQ(asked.action, Action::authenticate);
    EXPECT_EQ(asked.rule->realm, "Office");
    EXPECT_TRUE(asked.rule->users->verify("ann", "password"));
    trial.facts.set(Field::user_name, "ann");
    EXPECT_EQ(trial.decided(Phase::request, asked.next), "after");
    source.users = text(path + "-none");
    EXPECT_THAT(faults({source}), HasSubstr("cannot be read"));
    std::remove(path.c_str());
}

TEST(Action, limit_does_not_decide_until_it_is_exceeded) {
    RuleSource source = rule("slow", "url.path == '/x'", "limit");
    source.rate = text("2/s");
    source.per = std::vector{text("client.ip")};
    Trial trial = request({source, rule("next", "url.path == '/x'", "allow")});
    trial.facts.set(Field::client_ip, *IpAddress::parse("10.0.0.1"));
    EXPECT_EQ(trial.decided(Phase::request), "next");
    EXPECT_EQ(trial.decided(Phase::request), "next");
    const Decision decision = trial.judge(Phase::request);
    EXPECT_EQ(decision.action, Action::limit);
    EXPECT_EQ(decision.retry_after_seconds, 1);
    trial.facts.set(Field::client_ip, *IpAddress::parse("10.0.0.2"));
    EXPECT_EQ(trial.decided(Phase::request), "next") << "each client has its own";
    trial.facts.set(Field::client_ip, *IpAddress::parse("10.0.0.1"));
    trial.now += 500'000'000;
    EXPECT_EQ(trial.decided(Phase::request), "next");
    EXPECT_EQ(trial.decided(Phase::request), "slow");
}

TEST(Action, rates) {
    const auto limit = [](std::string_view rate) {
        RuleSource source = rule("r", "", "limit");
        source.rate = text(rate);
        return source;
    };
    for (const std::string_view bad : {"", "10", "/s", "0/s", "x/s", "10/", "10/y", "10/0s", "-1/s", "10/s/s"})
        EXPECT_THAT(faults({limit(bad)}), HasSubstr("is no rate")) << bad;
    EXPECT_EQ(compile({limit("10/s")})->rules()[0].limit.period_ns, 1'000'000'000);
    EXPECT_EQ(compile({limit("5/10s")})->rules()[0].limit.period_ns, 10'000'000'000);
    EXPECT_EQ(compile({limit("5/min")})->rules()[0].limit.period_ns, 60'000'000'000);
    EXPECT_EQ(compile({limit("5/h")})->rules()[0].limit.burst, 5);
    RuleSource source = limit("5/h");
    source.per = std::vector{text("client.up")};
    EXPECT_THAT(faults({source}), HasSubstr("did you mean `client.ip`?"));
    source.per = std::vector{text("client.ip == 10.0.0.1")};
    EXPECT_NE(faults({source}), "");
}

TEST(Action, tags_go_to_later_rules_and_to_the_record) {
    RuleSource source = rule("t", "url.path == '/x'", "tag");
    EXPECT_THAT(faults({source}), HasSubstr("`tag` needs `tags`"));
    source.tags = std::vector{text("guest"), text("slow"), text("guest")};
    Trial trial = request({source, rule("r", "tags == 'slow' and url.path == '/x'", "block")});
    EXPECT_EQ(trial.decided(Phase::request), "r");
    EXPECT_THAT(trial.facts.tags(), ElementsAre("guest", "slow"));
    EXPECT_THAT(names(trial.effects.tags), ElementsAre("t"));
    source.tags = std::vector{text("a b")};
    EXPECT_THAT(faults({source}), HasSubstr("a tag is a word"));
}

TEST(Action, header_edits_are_collected_in_file_order) {
    const auto edit = [](std::string_view name, std::string_view action, std::string_view header, std::optional<std::string_view> value) {
        RuleSource source = rule(name, "url.path == '/x'", action);
        source.header = text(header);
        if (value) source.value = text(*value);
        return source;
    };
    Trial trial = request({edit("b", "set_request_header", "X-A", "1"), edit("a", "remove_request_header", "X-A", {}),
                           edit("d", "set_response_header", "X-B", ""), edit("c", "remove_response_header", "Server", {}),
                           rule("end", "url.path == '/x'", "allow")});
    EXPECT_EQ(trial.decided(Phase::request), "end");
    EXPECT_THAT(names(trial.effects.header_edits), ElementsAre("b", "a", "d", "c"));
    EXPECT_EQ(trial.effects.header_edits[0]->edit.value, "1");

    for (const std::string_view name : {"Content-Length", "transfer-encoding", "HOST", "Connection", "Keep-Alive", "Proxy-Connection", "TE",
                                        "Trailer", "Upgrade", "Proxy-Authorization", "Proxy-Authenticate"})
        EXPECT_THAT(faults({edit("r", "set_request_header", name, "x")}), HasSubstr("no rule may touch it")) << name;
    EXPECT_THAT(faults({edit("r", "remove_response_header", "content-length", {})}), HasSubstr("no rule may touch it"));
    for (const std::string_view name : {"", "a b", "a:", "x\r\ny"})
        EXPECT_THAT(faults({edit("r", "set_request_header", name, "x")}), HasSubstr("is not a header's name"));
    for (const std::string_view value : {std::string_view("a\r\nb"), std::string_view("a\nb"), std::string_view("a\0b", 3)})
        EXPECT_THAT(faults({edit("r", "set_request_header", "x", value)}), HasSubstr("no control characters"));
    EXPECT_THAT(faults({edit("r", "set_request_header", "x", {})}), HasSubstr("needs `value`"));
    EXPECT_THAT(faults({edit("r", "remove_request_header", "x", "y")}), HasSubstr("`value` belongs to"));
    EXPECT_THAT(faults({rule("r", "url.path == '/x'", "set_request_header")}), HasSubstr("needs `header`"));
}

TEST(Action, shadow_mode_only_records) {
    RuleSource tag = rule("tag", "url.path == '/x'", "tag");
    tag.tags = std::vector{text("t")};
    RuleSource edit = rule("edit", "url.path == '/x'", "set_request_header");
    edit.header = text("a");
    edit.value = text("b");
    RuleSource limit = rule("limit", "url.path == '/x'", "limit");
    limit.rate = text("1/h");
    Trial trial = request({shadowed(rule("block", "url.path == '/x'", "block")), shadowed(rule("no", "url.path == '/y'", "block")),
                           shadowed(tag), shadowed(edit), shadowed(limit), rule("end", "url.path == '/x'", "allow")});
    EXPECT_EQ(trial.decided(Phase::request), "end");
    EXPECT_THAT(names(trial.effects.shadows), ElementsAre("block", "tag", "edit"));
    EXPECT_THAT(trial.facts.tags(), IsEmpty());
    EXPECT_THAT(trial.effects.header_edits, IsEmpty());
    trial.effects.clear();
    EXPECT_EQ(trial.decided(Phase::request), "end");
    EXPECT_THAT(names(trial.effects.shadows), ElementsAre("block", "tag", "edit", "limit"));
    RuleSource wrong = rule("r", "url.path == '/x'", "block");
    wrong.mode = text("shadwo");
    EXPECT_THAT(faults({wrong}), HasSubstr("unknown mode"));
}

TEST(Action, whether_tls_is_decrypted_is_decided_before_there_is_a_path) {
    for (const std::string_view name : {"intercept", "tunnel"}) {
        EXPECT_THAT(faults({rule("r", "url.path == '/x'", name)}), HasSubstr("is too late: whether TLS is decrypted is decided when"));
        for (const std::string_view when :
             {"url.domain == 'a.b'", "client.ip == 192.0.2.1", "tls.client.server_name == 'a.b'", "tls.client.ja4 == 'x'"})
            EXPECT_THAT(faults({rule("r", when, name)}), IsEmpty()) << when;
    }
}

TEST(Action, what_decides_on_tls_ends_its_phase) {
    const auto policy = compile({rule("left", "url.domain == 'a.b'", "tunnel"), rule("no", "url.domain == 'a.b'", "block"),
                                 rule("seen", "tls.client.server_name == 'c.d'", "intercept")});
    Trial trial(policy);
    trial.facts.set(Field::request_method, std::string_view("CONNECT"));
    trial.facts.set(Field::url_domain, std::string_view("a.b"));
    EXPECT_EQ(trial.decided(Phase::connect), "left");
    trial.facts.set(Field::tls_server_name, std::string_view("c.d"));
    EXPECT_EQ(trial.decided(Phase::tls), "seen");
}

TEST(Action, unknown_ones_are_said) {
    EXPECT_THAT(faults({rule("r", "url.path == '/x'", "blck")}), HasSubstr("did you mean `block`?"));
    EXPECT_THAT(faults({rule("r", "url.path == '/x'", "none")}), HasSubstr("unknown action"));
}

TEST(Action, keys_of_another_action_are_refused) {
    RuleSource source = rule("r", "url.path == '/x'", "allow");
    source.to = text("http://x/");
    source.rate = text("1/s");
    source.per = std::vector{text("client.ip")};
    const std::string said = faults({source});
    EXPECT_THAT(said, HasSubstr("`to` belongs to `redirect`, not to `allow`"));
    EXPECT_THAT(said, HasSubstr("`rate` belongs to `limit`"));
    EXPECT_THAT(said, HasSubstr("`per` belongs to `limit`"));
}

TEST(Action, names_are_there_and_unlike) {
    RuleSource source = rule("", "true", "block");
    EXPECT_THAT(faults({source}), HasSubstr("a name has 1 to 128 bytes"));
    source.name.reset();
    EXPECT_THAT(faults({source}), HasSubstr("rules.toml:1:1: this rule has no `name`"));
    source = rule("r", "true", "block");
    source.action.reset();
    EXPECT_THAT(faults({source}), HasSubstr("this rule has no `action`"));
    EXPECT_THAT(faults({rule("r", "true", "block"), rule("r", "true", "block")}), HasSubstr("there is a rule of the name `r` above"));
    EXPECT_THAT(faults({rule("malware", "true", "block")}), HasSubstr("built-in"));
}

TEST(Action, faults_of_lists) {
    EXPECT_THAT(faults({rule("r", "url.domain in @a", "block")}, {list("a", "domian", {"x.y"})}), HasSubstr("did you mean `domain`?"));
    EXPECT_THAT(faults(std::vector<RuleSource>{}, {list("a", "domain", {"x.y"}), list("a", "ip", {"10.0.0.1"})}),
                HasSubstr("two lists of the name"));
}

TEST(Policy, says_what_it_needs_to_know) {
    const auto policy = compile({rule("r", "url.registered_domain == 'x.y' and time.hour > 5", "block")});
    EXPECT_TRUE(policy->reads(Field::url_registered_domain));
    EXPECT_FALSE(policy->reads(Field::url_path));
    EXPECT_TRUE(policy->has_rules(Phase::connect, Protocol::http));
    EXPECT_TRUE(policy->has_rules(Phase::request, Protocol::http));
    EXPECT_FALSE(policy->has_rules(Phase::response, Protocol::http));
    EXPECT_FALSE(policy->has_rules(Phase::request, Protocol::smtp));
    Facts facts;
    Scratch scratch;
    policy->set_time(facts, scratch, 1'700'000'000);
    EXPECT_TRUE(facts.has(Field::time_hour));
    EXPECT_TRUE(facts.number(Field::time_weekday) >= 1 && facts.number(Field::time_weekday) <= 7);
    EXPECT_TRUE(policy->protect_host());
    EXPECT_EQ(policy->builtins().size(), 3U);
}

TEST(Policy, unchanged_lists_are_shared_over_a_reload) {
    PolicySource source;
    source.lists = {list("ads", "domain", {"ads.example"})};
    Diagnostics diagnostics;
    const auto first = Policy::compile(source, diagnostics, nullptr);
    const auto second = Policy::compile(source, diagnostics, first.get());
    EXPECT_EQ(&first->lists().domains(), &second->lists().domains());
}

TEST(Policy, scratch_serves_one_policy_after_another) {
    Scratch scratch;
    Facts facts;
    Effects effects;
    RateLimits limits;
    facts.set(Field::client_ip, *IpAddress::parse("10.0.0.1"));
    for (int i = 0; i < 10; ++i) {
        std::vector<RuleSource> rules(static_cast<std::size_t>(i) * 30, RuleSource{});
        for (std::size_t k = 0; k < rules.size(); ++k)
            rules[k] = rule("f" + std::to_string(k), "client.port == " + std::to_string(k), "block");
        rules.push_back(rule("r", i % 2 == 0 ? "client.ip == 10.0.0.1" : "client.ip == 10.0.0.2", "block"));
        const auto policy = compile(rules);
        EXPECT_EQ(policy->evaluate(Phase::connect, Protocol::http, facts, scratch, effects, limits, 0).action,
                  i % 2 == 0 ? Action::block : Action::none);
    }
}

TEST(Trace, tells_every_rule_of_the_phase) {
    RuleSource tag = rule("tag", "url.path == '/x'", "tag");
    tag.tags = std::vector{text("t")};
    Trial trial = request({rule("mail", "smtp.helo == 'x'", "block"), rule("no", "url.path == '/y'", "block"),
                           rule("missing", "user.name == 'x' and url.path == '/x'", "block"), tag,
                           shadowed(rule("shadow", "url.path == '/x'", "block")), rule("yes", "tags == 't' and url.path == '/x'", "reset"),
                           rule("late", "url.path == '/x'", "block"), rule("other", "http.response.status_code == 5", "block")});
    std::vector<std::string> said;
    for (const RuleTrace& trace : trial.policy->trace(Phase::request, Protocol::http, trial.facts))
        said.push_back(trace.rule->name + ": " + std::string(to_string(trace.outcome)) +
                       (trace.missing.empty() ? "" : " " + std::string(trace.missing)));
    EXPECT_THAT(said, ElementsAre("mail: other protocol", "no: no match", "missing: no match user.name", "tag: effect", "shadow: shadow",
                                  "yes: decided", "late: not reached"));
}

}  // namespace
}  // namespace sluice::policy::testing
