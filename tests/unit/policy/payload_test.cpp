// SPDX-License-Identifier: Apache-2.0
// Phases `payload` and `verdict`: what rules say of payloads, and what is said where they say nothing.
#include <gmock/gmock.h>

#include "unit/policy/rules.h"

namespace sluice::policy::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::array<std::string_view, 2> phase_conditions{"file.size > 5", "scan.verdict == 'clean'"};

Phase phase_of_condition(std::string_view when) { return when.starts_with("scan") ? Phase::verdict : Phase::payload; }

// Facts of one payload, at its end.
void finish(Facts& facts, std::string_view direction, std::string_view verdict, std::string_view reason = {}) {
    facts.set(Field::payload_direction, direction);
    facts.set(Field::file_size, 6);
    facts.set(Field::scan_verdict, verdict);
    if (!reason.empty()) facts.set(Field::scan_reason, reason);
    else facts.clear(Field::scan_reason);
}

std::string verdict_of(const std::shared_ptr<const Policy>& policy, std::string_view verdict, std::string_view reason = {},
                       bool is_program = false) {
    Trial trial(policy);
    finish(trial.facts, "download", verdict, reason);
    trial.facts.set_program(is_program);
    return trial.decided(Phase::verdict);
}

std::shared_ptr<const Policy> without_builtins(std::vector<RuleSource> rules) {
    PolicySource source;
    source.rules = std::move(rules);
    source.malware = source.unscanned = false;
    Diagnostics diagnostics;
    return Policy::compile(source, diagnostics, nullptr);
}

TEST(Payload, actions_that_decide_do_so_in_both_phases) {
    for (const std::string_view when : phase_conditions)
        for (const auto& [name, action] : {std::pair("allow", Action::allow), std::pair("block", Action::block),
                                           std::pair("reset", Action::reset), std::pair("trust", Action::trust)}) {
            Trial trial(compile({rule("r", when, name)}));
            finish(trial.facts, "download", "clean");
            EXPECT_EQ(trial.judge(phase_of_condition(when)).action, action) << name << " " << when;
        }
}

TEST(Payload, limits_and_tags_hold_in_both_phases) {
    for (const std::string_view when : phase_conditions) {
        RuleSource limit = rule("limit", when, "limit");
        limit.rate = text("1/h");
        RuleSource tag = rule("tag", when, "tag");
        tag.tags = std::vector{text("seen")};
        RuleSource shadow = rule("shadow", when, "block");
        shadow.mode = text("shadow");
        Trial trial(compile({limit, tag, shadow, rule("after", std::string("tags == 'seen' and ") + std::string(when), "block")}));
        finish(trial.facts, "upload", "clean");
        EXPECT_EQ(trial.decided(phase_of_condition(when)), "after");
        EXPECT_THAT(trial.facts.tags(), ElementsAre("seen"));
        ASSERT_EQ(trial.effects.shadows.size(), 1U);
        EXPECT_EQ(trial.effects.shadows[0]->name, "shadow");
        EXPECT_EQ(trial.decided(phase_of_condition(when)), "limit");
    }
}

TEST(Payload, what_answers_or_edits_a_head_is_too_late) {
    for (const std::string_view when : phase_conditions) {
        RuleSource redirect = rule("r", when, "redirect");
        redirect.to = text("http://a.test/");
        EXPECT_THAT(faults({redirect}), HasSubstr("is too late: the response's head has gone"));
        RuleSource edit = rule("r", when, "set_response_header");
        edit.header = text("X-A");
        edit.value = text("b");
        EXPECT_THAT(faults({edit}), HasSubstr("too late"));
        edit.action = text("set_request_header");
        EXPECT_THAT(faults({edit}), HasSubstr("too late"));
    }
}

TEST(Payload, fields_of_both_phases_are_judged) {
    const std::array<std::string_view, 1> matches{"card-number"};
    const auto fill = [&](Facts& facts) {
        facts.set(Field::payload_direction, std::string_view("upload"));
        facts.set(Field::file_name, std::string_view("Report.PDF"));
        facts.set(Field::file_extension, std::string_view("pdf"));
        facts.set(Field::file_mime_type, std::string_view("application/pdf"));
        facts.set(Field::file_size, 10);
        facts.set(Field::file_sha256, std::string_view("ab01"));
        facts.set(Field::scan_verdict, std::string_view("infected"));
        facts.set(Field::scan_threat, std::string_view("Eicar"));
        facts.set(Field::scan_engine, std::string_view("signatures"));
        facts.set(Field::scan_reason, std::string_view("bomb"));
        facts.set_many(Field::scan_match, matches);
        facts.set(Field::request_body_bytes, 100);
        facts.set(Field::response_body_bytes, 200);
        facts.set(Field::client_bytes, 300);
        facts.set(Field::server_bytes, 400);
        facts.set(Field::timing_scan, std::int64_t{2'000'000'000});
    };
    for (const std::string_view when :
         {"payload.direction == 'upload'", "file.name ends_with '.PDF'", "file.extension == 'PDF'", "file.mime_type in {'application/pdf'}",
          "file.size == 10", "file.hash.sha256 == 'AB01'", "scan.verdict == 'infected'", "scan.threat == 'Eicar'",
          "scan.engine == 'signatures'", "scan.reason == 'bomb'", "scan.match == 'card-number'", "http.request.body.bytes == 100",
          "client.bytes == 300", "server.bytes > 300B", "timing.scan >= 2s"})
        EXPECT_TRUE(holds(when, fill)) << when;
    EXPECT_FALSE(holds("http.response.body.bytes == 200", fill)) << "that is of a download";
}

TEST(Payload, a_field_of_one_direction_pins_a_rule_in_verdict_too) {
    const auto policy = compile({rule("up", "http.request.body.bytes > 5", "block"), rule("down", "http.response.body.bytes > 5", "block"),
                                 rule("headers", "http.request.headers['x'] == 'y' and scan.verdict == 'clean'", "block")});
    Trial trial(policy);
    const std::array<NameValue, 1> headers{NameValue{"X", "y"}};
    trial.facts.set(Field::request_body_bytes, 6);
    trial.facts.set(Field::response_body_bytes, 6);
    finish(trial.facts, "upload", "clean");
    EXPECT_EQ(trial.decided(Phase::verdict), "up");
    finish(trial.facts, "download", "clean");
    EXPECT_EQ(trial.decided(Phase::verdict), "down");
    trial.facts.clear(Field::request_body_bytes);
    trial.facts.clear(Field::response_body_bytes);
    trial.facts.set_headers(Field::request_header, headers);
    for (const std::string_view direction : {"upload", "download"}) {
        finish(trial.facts, direction, "clean");
        EXPECT_EQ(trial.decided(Phase::verdict), "headers") << "the request is known of both";
    }
}

TEST(Quarantine, waits_for_the_whole_payload) {
    RuleSource source = rule("keep", "client.ip in 10.0.0.0/8", "quarantine");
    source.reason = text("Kept.");
    source.status = Number{451, {"rules.toml", 3, 10}, "status = 451"};
    source.accept = Flag{true, {"rules.toml", 4, 10}, "accept = true"};
    const auto policy = compile({source});
    EXPECT_EQ(describe_phases(policy->rules()[0]), "verdict");
    Trial trial(policy);
    trial.facts.set(Field::client_ip, *IpAddress::parse("10.0.0.1"));
    for (const Phase phase : {Phase::connect, Phase::request, Phase::response, Phase::payload}) EXPECT_EQ(trial.decided(phase), "");
    finish(trial.facts, "upload", "infected");
    const Decision decision = trial.judge(Phase::verdict);
    EXPECT_EQ(decision.action, Action::quarantine);
    EXPECT_EQ(decision.rule->reason, "Kept.");
    EXPECT_EQ(decision.rule->status, 451);
    EXPECT_TRUE(decision.rule->accept);

    source.phase = text("payload");
    EXPECT_THAT(faults({source}), HasSubstr("a rule cannot be moved before that, to `payload`"));
    source.phase.reset();
    source.status->value = 302;
    EXPECT_THAT(faults({source}), HasSubstr("from 400 to 599"));
    RuleSource block = rule("r", "", "block");
    block.accept = source.accept;
    EXPECT_THAT(faults({block}), HasSubstr("`accept` belongs to `quarantine`, not to `block`"));
}

RuleSource inspect(std::string_view name, std::string_view when, std::string_view deliver) {
    RuleSource source = rule(name, when, "inspect");
    source.deliver = text(deliver);
    return source;
}

TEST(Inspect, its_words_are_checked_and_the_nearest_is_told) {
    RuleSource source = rule("r", "", "inspect");
    EXPECT_THAT(faults({source}), HasSubstr("`inspect` needs at least one of `engines`"));
    source.engines = std::vector{text("hash"), text("yarra")};
    EXPECT_THAT(faults({source}), HasSubstr("unknown engine `yarra`; did you mean `yara`?"));
    source.engines = std::vector{text("zzzzzzzz")};
    EXPECT_THAT(faults({source}), HasSubstr("there are `hash`, `signatures`, `yara`, `clamav`, `icap`"));
    source.engines.reset();
    source.deliver = text("holt");
    EXPECT_THAT(faults({source}), HasSubstr("did you mean `hold`?"));
    source.deliver = text("hold");
    source.whole = text("al");
    EXPECT_THAT(faults({source}), HasSubstr("did you mean `all`?"));
    source.whole = text("all");
    source.ranges = text("blok");
    EXPECT_THAT(faults({source}), HasSubstr("did you mean `block`?"));
    source.ranges = text("block");
    for (const std::string_view bad : {"", "much", "10s", "0", "-1", "1.5MiB"}) {
        source.max_size = text(bad);
        EXPECT_THAT(faults({source}), HasSubstr("`max_size` is a size")) << bad;
    }
    source.max_size = text("1MiB");
    EXPECT_THAT(faults({source}), IsEmpty());
    source.reason = text("x");
    EXPECT_THAT(faults({source}), HasSubstr("`reason` belongs to rules that decide"));
    RuleSource block = rule("r", "", "block");
    block.trickle = Flag{true, {"rules.toml", 4, 10}, "trickle = true"};
    block.engines = std::vector<Text>{};
    EXPECT_THAT(faults({block}), HasSubstr("`trickle` belongs to `inspect`"));
    EXPECT_THAT(faults({block}), HasSubstr("`engines` belongs to `inspect`"));
}

TEST(Inspect, per_key_the_first_in_file_order_wins_over_all_phases) {
    RuleSource late = inspect("late", "file.extension == 'exe'", "hold");
    late.max_size = text("10MiB");
    RuleSource early = inspect("early", "client.port > 0", "stream");
    early.engines = std::vector<Text>{};
    early.trickle = Flag{true, {"rules.toml", 4, 10}, "trickle = true"};
    RuleSource last = inspect("last", "url.path == '/'", "tail");
    last.engines = std::vector{text("clamav"), text("hash")};
    last.whole = text("all");
    last.ranges = text("whole");
    last.max_size = text("1");
    Trial trial(compile({late, early, last, rule("end", "file.size > 0", "block")}));
    trial.facts.set(Field::client_port, 5);
    EXPECT_EQ(trial.decided(Phase::connect), "");
    trial.facts.set(Field::url_path, std::string_view("/"));
    EXPECT_EQ(trial.decided(Phase::request), "");
    InspectOptions options = inspect_options(trial.effects, Direction::download);
    EXPECT_EQ(options.deliver, Deliver::stream) << "`late` did not hold yet";
    EXPECT_EQ(options.ranges, Ranges::whole);

    finish(trial.facts, "download", "clean");
    trial.facts.set(Field::file_extension, std::string_view("exe"));
    EXPECT_EQ(trial.decided(Phase::payload), "end") << "`inspect` does not decide";
    EXPECT_EQ(trial.decided(Phase::payload), "end");
    EXPECT_EQ(trial.effects.inspections.size(), 3U) << "each once";
    options = inspect_options(trial.effects, Direction::download);
    EXPECT_EQ(options.deliver, Deliver::hold);
    EXPECT_EQ(options.max_size, 10U << 20);
    EXPECT_EQ(options.engines, EngineSet{});
    ASSERT_TRUE(options.engines_rule);
    EXPECT_EQ(options.engines_rule->name, "early");
    EXPECT_EQ(options.trickle, true);
    EXPECT_EQ(options.whole, Whole::all);
    trial.effects.clear();
    options = inspect_options(trial.effects, Direction::download);
    EXPECT_FALSE(options.engines || options.deliver || options.whole || options.ranges || options.max_size || options.trickle);
    EXPECT_EQ(options.engines_rule, nullptr);
    EXPECT_EQ(trial.policy->rules()[2].inspect.engines, (EngineSet{Engine::hash, Engine::clamav}));
}

TEST(Inspect, what_is_said_of_one_direction_is_not_said_of_the_other) {
    Trial trial(compile({inspect("by type", "http.request.content_type == 'a/b'", "hold"), inspect("by name", "file.name == 'x'", "tail"),
                         inspect("either", "client.port > 0", "stream")}));
    trial.facts.set(Field::client_port, 5);
    trial.facts.set(Field::request_content_type, std::string_view("a/b"));
    (void)trial.judge(Phase::connect);
    (void)trial.judge(Phase::request);
    EXPECT_EQ(inspect_options(trial.effects, Direction::upload).deliver, Deliver::hold);
    EXPECT_EQ(inspect_options(trial.effects, Direction::download).deliver, Deliver::stream);
    trial.facts.set(Field::payload_direction, std::string_view("upload"));
    trial.facts.set(Field::file_name, std::string_view("x"));
    (void)trial.judge(Phase::payload);
    EXPECT_EQ(inspect_options(trial.effects, Direction::download).deliver, Deliver::stream);
    trial.facts.set(Field::payload_direction, std::string_view("download"));
    (void)trial.judge(Phase::payload);
    EXPECT_EQ(inspect_options(trial.effects, Direction::download).deliver, Deliver::tail);
}

TEST(Inspect, comes_in_payload_at_the_latest) {
    EXPECT_THAT(faults({inspect("r", "file.mime_type == 'a/b'", "hold")}), IsEmpty());
    EXPECT_THAT(faults({inspect("r", "scan.verdict == 'clean'", "hold")}),
                HasSubstr("`inspect` in phase `verdict` (where `scan.verdict` is known) is too late: how a payload is inspected is fixed"));
    RuleSource moved = inspect("r", "client.port > 0", "hold");
    moved.phase = text("verdict");
    EXPECT_THAT(faults({moved}), HasSubstr("too late"));
    RuleSource shadow = inspect("r", "client.port > 0", "hold");
    shadow.mode = text("shadow");
    Trial trial(compile({shadow}));
    trial.facts.set(Field::client_port, 5);
    EXPECT_EQ(trial.decided(Phase::connect), "");
    EXPECT_THAT(trial.effects.inspections, IsEmpty());
    EXPECT_EQ(trial.effects.shadows.size(), 1U);
}

TEST(Inspect, ranges_that_come_too_late_are_warned_of) {
    RuleSource source = inspect("r", "http.response.content_type == 'a/b'", "hold");
    source.ranges = text("whole");
    EXPECT_THAT(faults({source}), HasSubstr("warning: `ranges` has no effect here: this rule is decided in phase `response`"));
    source.when = text("file.extension == 'exe'");
    EXPECT_THAT(faults({source}), HasSubstr("decided in phase `payload`"));
    source.when = text("url.extension == 'exe'");
    EXPECT_THAT(faults({source}), IsEmpty());
}

TEST(Builtin, malware_blocks_what_is_infected) {
    const auto policy = compile({});
    EXPECT_EQ(verdict_of(policy, "infected"), "malware");
    EXPECT_EQ(verdict_of(policy, "clean"), "");
    EXPECT_EQ(verdict_of(policy, "skipped", "tunnel"), "");
    Trial trial(policy);
    finish(trial.facts, "upload", "infected");
    const Decision decision = trial.judge(Phase::verdict);
    EXPECT_EQ(decision.action, Action::block);
    EXPECT_EQ(decision.rule->status, 403);
    EXPECT_EQ(decision.rule->reason, "Malware was found in this file.");
    for (const Phase phase : {Phase::request, Phase::response, Phase::payload}) EXPECT_EQ(trial.decided(phase), "") << "in `verdict` alone";
    for (const Protocol protocol : {Protocol::ftp, Protocol::smtp})
        EXPECT_EQ(trial.judge(Phase::verdict, 0, protocol).action, Action::block);
}

TEST(Builtin, unscanned_blocks_for_some_reasons_and_for_others_programs_alone) {
    const auto policy = compile({});
    for (const std::string_view reason : {"timeout", "crashed", "overloaded", "no-space", "engine-down", "bomb"}) {
        EXPECT_EQ(verdict_of(policy, "unscannable", reason), "unscanned") << reason;
        EXPECT_EQ(verdict_of(policy, "skipped", reason), "") << reason;
    }
    for (const std::string_view reason : {"encrypted", "corrupt", "undecodable", "truncated"}) {
        EXPECT_EQ(verdict_of(policy, "unscannable", reason), "") << reason;
        EXPECT_EQ(verdict_of(policy, "unscannable", reason, true), "unscanned") << reason;
    }
    for (const std::string_view reason : {"too-large", "too-deep", ""}) EXPECT_EQ(verdict_of(policy, "unscannable", reason, true), "");

    Trial trial(policy);
    const std::array<std::string_view, 2> reasons{"too-large", "bomb"};
    finish(trial.facts, "upload", "unscannable");
    trial.facts.set_many(Field::scan_reason, reasons);
    EXPECT_EQ(trial.decided(Phase::verdict), "unscanned") << "any of several";
    trial.facts.set_program(true);
    trial.facts.clear();
    EXPECT_FALSE(trial.facts.is_program());
}

TEST(Builtin, run_after_none_or_allow_but_not_after_trust_or_an_allow_that_reads_scan) {
    EXPECT_EQ(verdict_of(compile({rule("r", "file.size > 100", "trust")}), "infected"), "malware");
    EXPECT_EQ(verdict_of(compile({rule("r", "file.hash.sha256 == 'x' or client.bytes > 0 or not server.bytes > 0", "allow")}), "infected"),
              "malware");
    EXPECT_EQ(verdict_of(compile({rule("r", "scan.verdict == 'infected'", "allow")}), "infected"), "r");
    EXPECT_EQ(verdict_of(compile({rule("r", "not scan.threat == 'x'", "allow")}), "unscannable", "bomb"), "r");
    EXPECT_EQ(verdict_of(compile({rule("r", "not server.bytes > 0", "trust")}), "infected"), "r");
    EXPECT_EQ(verdict_of(compile({rule("r", "scan.verdict == 'infected'", "quarantine")}), "infected"), "r");
    RuleSource shadow = rule("r", "scan.verdict == 'infected'", "allow");
    shadow.mode = text("shadow");
    EXPECT_EQ(verdict_of(compile({shadow}), "infected"), "malware");
    Trial allowed(compile({rule("r", "not server.bytes > 0", "allow")}));
    finish(allowed.facts, "upload", "clean");
    EXPECT_EQ(allowed.decided(Phase::verdict), "r") << "where nothing is wrong, the rule's own decision stands";
}

TEST(Builtin, each_is_turned_off_by_its_name_alone) {
    PolicySource source;
    source.malware = false;
    Diagnostics diagnostics;
    auto policy = Policy::compile(source, diagnostics, nullptr);
    EXPECT_EQ(verdict_of(policy, "infected"), "");
    EXPECT_EQ(verdict_of(policy, "unscannable", "bomb"), "unscanned");
    EXPECT_EQ(policy->all_rules().size(), 1U);
    policy = without_builtins({});
    EXPECT_EQ(verdict_of(policy, "infected"), "");
    EXPECT_EQ(verdict_of(policy, "unscannable", "bomb"), "");
    EXPECT_FALSE(policy->has_rules(Phase::verdict, Protocol::http));
    EXPECT_FALSE(policy->reads(Field::scan_verdict));
}

TEST(Builtin, are_rules_that_are_shown_and_counted) {
    const auto policy = compile({rule("r", "url.path == '/'", "block")});
    EXPECT_EQ(policy->rules().size(), 1U);
    ASSERT_EQ(policy->all_rules().size(), 3U);
    EXPECT_EQ(policy->all_rules().data(), policy->rules().data()) << "a rule's index is the same in both";
    EXPECT_EQ(policy->all_rules()[1].name, "malware");
    EXPECT_EQ(policy->all_rules()[2].name, "unscanned");
    EXPECT_EQ(policy->builtins()[1].name, "malware");
    EXPECT_EQ(describe_phases(policy->all_rules()[1]), "verdict");
    EXPECT_TRUE(policy->has_rules(Phase::verdict, Protocol::http));
    EXPECT_FALSE(policy->has_rules(Phase::payload, Protocol::http));
    EXPECT_TRUE(policy->reads(Field::scan_verdict));
    EXPECT_FALSE(policy->reads(Field::file_sha256)) << "nobody asks for what is costly";
}

TEST(Builtin, are_traced_after_the_rules) {
    const auto said = [](const std::shared_ptr<const Policy>& policy, std::string_view verdict) {
        Trial trial(policy);
        if (!verdict.empty()) finish(trial.facts, "download", verdict, "bomb");
        std::vector<std::string> out;
        for (const RuleTrace& trace : policy->trace(Phase::verdict, Protocol::http, trial.facts))
            out.push_back(trace.rule->name + ": " + std::string(to_string(trace.outcome)) +
                          (trace.missing.empty() ? "" : " " + std::string(trace.missing)));
        return out;
    };
    const auto allowing = compile({rule("r", "not server.bytes > 0", "allow")});
    EXPECT_THAT(said(allowing, "infected"), ElementsAre("r: decided", "malware: decided", "unscanned: not reached"));
    EXPECT_THAT(said(allowing, "unscannable"), ElementsAre("r: decided", "malware: no match", "unscanned: decided"));
    EXPECT_THAT(said(allowing, ""), ElementsAre("r: decided", "malware: no match scan.verdict", "unscanned: no match scan.verdict"));
    EXPECT_THAT(said(compile({rule("r", "scan.verdict == 'infected'", "allow")}), "infected"),
                ElementsAre("r: decided", "malware: not reached", "unscanned: not reached"));
}

BodyPattern literal(std::string_view bytes, bool nocase = false) { return {std::string(bytes), false, nocase}; }
BodyPattern expression(std::string_view bytes, bool nocase = false) { return {std::string(bytes), true, nocase}; }

TEST(Body, patterns_are_listed_each_once_in_the_order_of_the_rules) {
    const auto policy = compile({rule("a", "body contains 'Secret' or lower(body) contains 'SECRET'", "block"),
                                 rule("b", "body matches '[0-9]{4}' and not body contains 'Secret'", "block"),
                                 rule("c", "lower(body) matches 'top.secret' or body contains '[0-9]{4}'", "block"),
                                 rule("d", "body matches '[0-9]{4}'", "block")});
    EXPECT_THAT(policy->body_patterns(), ElementsAre(literal("Secret"), literal("secret", true), expression("[0-9]{4}"),
                                                     expression("top.secret", true), literal("[0-9]{4}")));
    EXPECT_TRUE(policy->reads(Field::body));
    EXPECT_THAT(compile({})->body_patterns(), IsEmpty());
    EXPECT_EQ(describe_phases(policy->rules()[0]), "verdict");
}

TEST(Body, rules_ask_which_were_found) {
    std::vector<RuleSource> rules;
    for (int i = 0; i < 70; ++i) rules.push_back(rule("r" + std::to_string(i), "body contains 'n" + std::to_string(i) + "'", "block"));
    rules.push_back(rule("both", "body contains 'n3' and body contains 'n69'", "reset"));
    rules.push_back(rule("neither", "scan.verdict == 'clean' and not body contains 'n3'", "reset"));
    const auto policy = compile(rules);
    Trial trial(policy);
    finish(trial.facts, "upload", "clean");
    EXPECT_EQ(trial.decided(Phase::verdict), "neither") << "where nothing was looked at, nothing was found";
    std::array<std::uint64_t, 2> found{std::uint64_t{1} << 3, std::uint64_t{1} << 5};
    trial.facts.set_body_found(found);
    EXPECT_TRUE(trial.facts.has(Field::body));
    EXPECT_EQ(trial.decided(Phase::verdict), "r3");
    EXPECT_EQ(trial.decided(Phase::verdict, 4), "r69");
    EXPECT_EQ(trial.decided(Phase::verdict, 70), "both");
    found[1] = 0;
    EXPECT_EQ(trial.decided(Phase::verdict, 4), "");
    trial.facts.set_body_found({});
    EXPECT_EQ(trial.decided(Phase::verdict), "neither");
}

TEST(Body, other_uses_say_what_to_use_instead) {
    for (const auto& [when, instead] :
         {std::pair("body == 'x'", "`contains` or"), std::pair("body != 'x'", "`contains`"), std::pair("body in {'a'}", "file.hash.sha256"),
          std::pair("body in @l", "file.hash.sha256"), std::pair("body starts_with 'MZ'", "file.mime_type"),
          std::pair("body ends_with 'x'", "body matches"), std::pair("len(body) > 5", "file.size"),
          std::pair("exists(body)", "file.size > 0"), std::pair("body contains ''", "in every payload"),
          std::pair("body contains 5", "text in quotes, not for an integer")})
        EXPECT_THAT(faults(when, {list("l", "string", {"x"})}), ::testing::AnyOf(HasSubstr(instead), HasSubstr("`contains` and"))) << when;
    RuleSource limit = rule("r", "", "limit");
    limit.rate = text("1/s");
    limit.per = std::vector{text("body")};
    EXPECT_THAT(faults({limit}), HasSubstr("no rule sees `body` as a whole"));
    EXPECT_THAT(faults("body"), HasSubstr("no rule sees `body` as a whole"));
}

TEST(Body, the_subset_of_regular_expressions_is_checked) {
    for (const auto& [wrong, why] :
         {std::pair("(", "missing )"), std::pair("(?=a)b", "invalid"), std::pair("(a)\\1", "invalid escape"),
          std::pair("a*", "matches the empty text"), std::pair("a|", "matches the empty text"), std::pair("^$", "matches the empty text"),
          std::pair("\\b", "matches the empty text"), std::pair("\\B", "matches the empty text"),
          std::pair("\\z", "matches the empty text"), std::pair("(?m)$", "matches the empty text"), std::pair("\\pN+", "Unicode classes"),
          std::pair("[\\PL]", "Unicode classes"), std::pair("a\\Cb", "any byte"), std::pair("a\\vb", "vertical tab"),
          std::pair("\\x{100}a", "invalid escape"), std::pair("(?U)a+b", "(?U)"), std::pair("(?iU:a+)b", "(?U)")})
        EXPECT_THAT(faults(std::string("body matches '") + wrong + "'"), HasSubstr(why)) << wrong;
    EXPECT_THAT(faults("body matches '" + std::string(5000, 'a') + "'"), HasSubstr("at most 4096 bytes"));
    for (const std::string_view good :
         {"secret", "\\b[0-9]{4}\\b", "(?i)top.?secret", "^MZ", "\\A%PDF", "a\\z", "[]a]x", "[^]\\\\]x", "[[:alpha:]U]b", "\\Q(?U)\\pN\\E",
          "\\x{ff}\\xfe", "(?:ab|cd)+?", "(?P<name>a)U", "a\\\\vb", "(?s:a.b)"})
        EXPECT_THAT(faults(std::string("body matches '") + std::string(good) + "'"), IsEmpty()) << good;
    EXPECT_THAT(faults("lower(body) matches 'A'"), IsEmpty()) << "without case, both ways";
}

}  // namespace
}  // namespace sluice::policy::testing
