// SPDX-License-Identifier: Apache-2.0
// When a rule is judged.
#include <gmock/gmock.h>

#include <cstdio>
#include <fstream>

#include "unit/policy/rules.h"

namespace sluice::policy::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

RuleSource at_phase(RuleSource source, std::string_view phase) {
    source.phase = text(phase);
    return source;
}

RuleSource tagging(std::string_view name, std::string_view when, std::string_view tag) {
    RuleSource source = rule(name, when, "tag");
    source.tags = std::vector{text(tag)};
    return source;
}

std::string phases(std::string_view when, std::string_view action = "block") {
    RuleSource source = rule("r", when, action);
    const auto policy = compile({source});
    return policy ? describe_phases(policy->rules()[0]) : "";
}

TEST(Phase, is_the_earliest_in_which_all_fields_are_known) {
    EXPECT_EQ(phases("client.ip in 10.0.0.0/8"), "connect");
    EXPECT_EQ(phases("listener == 'x' and time.hour > 22:00"), "connect");
    EXPECT_EQ(phases("smtp.helo == 'x'"), "connect");
    EXPECT_EQ(phases("url.path == '/'"), "request");
    EXPECT_EQ(phases("client.ip == 10.0.0.1 and http.request.method == 'POST'"), "request");
    EXPECT_EQ(phases("server.ip in 10.0.0.0/8"), "dial");
    EXPECT_EQ(phases("http.response.status_code == 200 or client.ip == 10.0.0.1"), "response");
    EXPECT_EQ(phases("file.mime_type == 'x/y'"), "payload");
    EXPECT_EQ(phases("scan.verdict == 'infected'"), "verdict");
    EXPECT_EQ(phases("tls.client.server_name == 'x'"), "tls");
    EXPECT_EQ(phases("url.domain == 'x.y'"), "http: connect (CONNECT), request; ftp: connect");
    EXPECT_EQ(phases("url.domain == 'x.y' and http.version == '1.1'"), "request");
    EXPECT_EQ(phases(""), "connect");
}

TEST(Phase, a_rule_that_reads_a_field_a_protocol_never_has_does_not_apply_to_it) {
    const auto both =
        compile({rule("mail", "not smtp.mail_from == 'a@b'", "block"), rule("web", "not http.request.method == 'GET'", "block")});
    EXPECT_FALSE(both->rules()[0].phase(Protocol::http));
    EXPECT_EQ(describe_protocols(both->rules()[0]), "smtp");
    EXPECT_EQ(describe_protocols(both->rules()[1]), "http");
    Trial trial(both);
    trial.facts.set(Field::request_method, std::string_view("PUT"));
    EXPECT_EQ(trial.decided(Phase::request), "web") << "`not` of a field that is never there must not hold";
    EXPECT_THAT(faults("smtp.helo == 'x' and url.path == 'y'"), HasSubstr("applies to no protocol"));
}

TEST(Phase, what_this_version_does_is_taken_without_a_word) {
    EXPECT_THAT(faults("scan.verdict == 'infected'"), IsEmpty());
    EXPECT_THAT(faults("file.size > 5"), IsEmpty());
    EXPECT_THAT(faults("tls.client.server_name == 'a.b'"), IsEmpty());
    EXPECT_THAT(faults("ftp.command == 'STOR'"), IsEmpty());
    EXPECT_THAT(faults("smtp.helo == 'x'"), IsEmpty());
    EXPECT_THAT(faults("url.path == '/'"), IsEmpty());
}

TEST(Phase, what_this_version_never_knows_is_said) {
    EXPECT_THAT(faults("timing.upstream > 1s"), HasSubstr("`timing.upstream` is never known"));
    EXPECT_THAT(faults("client.geo.country_iso_code == 'DE'"), HasSubstr("there is no database of countries ([geo] country)"));
    RuleSource counting = rule("r", "url.path == '/'", "limit");
    counting.rate = text("1/s");
    counting.per = std::vector{text("client.geo.country_iso_code")};
    EXPECT_THAT(faults({counting}), HasSubstr("`client.geo.country_iso_code` is never known"));
    EXPECT_THAT(faults("ftp.reply == 230 and timing.upstream > 1s"), HasSubstr("never known")) << "of FTP alone as well";
    EXPECT_THAT(faults("smtp.reply == 250 and timing.upstream > 1s"), HasSubstr("never known"));
    // What is said already is not said twice.
    EXPECT_THAT(faults("scan.verdict == 'infected'"), Not(HasSubstr("never known")));

    PolicySource source;
    source.rules = {rule("r", "server.geo.country_iso_code == 'DE'", "block")};
    source.knows_countries = true;
    Diagnostics diagnostics;
    EXPECT_TRUE(Policy::compile(source, diagnostics, nullptr));
    EXPECT_EQ(said(diagnostics), "");
}

TEST(Phase, a_rule_may_be_moved_later_and_not_earlier) {
    Trial trial(compile({at_phase(rule("r", "client.ip in 0.0.0.0/0", "block"), "response")}));
    trial.facts.set(Field::client_ip, *IpAddress::parse("10.0.0.1"));
    EXPECT_EQ(trial.decided(Phase::connect), "");
    EXPECT_EQ(trial.decided(Phase::request), "");
    EXPECT_EQ(trial.decided(Phase::response), "r");
    EXPECT_THAT(faults({at_phase(rule("r", "server.ip == 10.0.0.1", "block"), "request")}),
                HasSubstr("`server.ip` is known only in phase `dial`"));
    EXPECT_THAT(faults({at_phase(rule("r", "client.ip == 10.0.0.1", "block"), "requst")}), HasSubstr("did you mean `request`?"));
    EXPECT_THAT(faults({at_phase(rule("r", "url.domain == 'x'", "block"), "connect")}), IsEmpty());
}

TEST(Phase, a_rule_on_the_domain_is_judged_at_a_connect_once_and_at_a_plain_request) {
    RuleSource client = tagging("client", "client.port > 0", "c");
    RuleSource limit = rule("domain", "url.domain == 'a.test'", "limit");
    limit.rate = text("1/h");
    const auto policy = compile({client, limit, rule("method", "http.request.method in {'CONNECT', 'GET'}", "block")});

    Trial plain(policy);
    plain.facts.set(Field::client_port, 1);
    EXPECT_EQ(plain.decided(Phase::connect), "");
    EXPECT_THAT(plain.effects.tags, ::testing::SizeIs(1));
    plain.facts.set(Field::url_domain, std::string_view("a.test"));
    plain.facts.set(Field::request_method, std::string_view("GET"));
    EXPECT_EQ(plain.decided(Phase::request), "method") << "takes the one token";
    EXPECT_EQ(plain.decided(Phase::request), "domain");

    Trial tunnel(policy);
    tunnel.facts.set(Field::client_port, 1);
    EXPECT_EQ(tunnel.decided(Phase::connect), "");
    tunnel.facts.set(Field::url_domain, std::string_view("a.test"));
    tunnel.facts.set(Field::request_method, std::string_view("CONNECT"));
    EXPECT_EQ(tunnel.decided(Phase::connect), "") << "takes the one token";
    EXPECT_THAT(tunnel.effects.tags, ::testing::SizeIs(1)) << "what reads the client alone is not asked again";
    EXPECT_EQ(tunnel.decided(Phase::request), "method") << "and what was asked at connect not a third time";
    EXPECT_EQ(tunnel.decided(Phase::connect), "domain");
}

TEST(Phase, each_request_is_an_occurrence) {
    Trial trial(compile({rule("r", "url.path == '/bad'", "block")}));
    trial.facts.set(Field::url_path, std::string_view("/bad"));
    EXPECT_EQ(trial.decided(Phase::request), "r");
    trial.facts.set(Field::url_path, std::string_view("/good"));
    EXPECT_EQ(trial.decided(Phase::request), "");
    trial.facts.set(Field::url_path, std::string_view("/bad"));
    EXPECT_EQ(trial.decided(Phase::request), "r");
}

TEST(Phase, each_address_is_judged_at_dial) {
    Trial trial(compile({rule("private", "server.ip in {10.0.0.0/8, fc00::/7}", "block")}));
    for (const auto& [address, decided] :
         {std::pair("10.1.2.3", "private"), std::pair("192.0.2.1", ""), std::pair("fd00::1", "private"), std::pair("2001:db8::1", "")}) {
        trial.facts.set(Field::server_ip, *IpAddress::parse(address));
        EXPECT_EQ(trial.decided(Phase::dial), decided) << address;
    }
}

TEST(Phase, inside_one_rules_run_in_file_order_and_the_first_that_decides_ends_it) {
    std::vector<RuleSource> rules;
    for (int i = 0; i < 200; ++i)
        rules.push_back(rule("r" + std::to_string(i), i % 2 == 0 ? "url.path contains 'abcd'" : "not url.path == ''", "block"));
    const auto policy = compile(rules);
    Trial trial(policy);
    trial.facts.set(Field::url_path, std::string_view("/abcd"));
    for (std::uint32_t i = 0; i < 200; ++i) EXPECT_EQ(trial.decided(Phase::request, i), "r" + std::to_string(i));
    trial.facts.set(Field::url_path, std::string_view("/"));
    EXPECT_EQ(trial.decided(Phase::request), "r1");
}

TEST(Phase, a_rule_that_reads_tags_is_not_judged_before_those_that_set_them) {
    const auto policy =
        compile({tagging("a", "http.response.status_code >= 500", "broken"), tagging("b", "tags == 'broken'", "chained"),
                 tagging("c", "client.port > 0", "early"), rule("d", "tags == 'chained'", "block"), rule("e", "tags == 'early'", "block"),
                 rule("f", "tags matches 'x'", "block"), rule("g", "tags == 'nobody'", "block")});
    const auto phase = [&](std::size_t i) { return *policy->rules()[i].phase(Protocol::http); };
    EXPECT_EQ(phase(1), Phase::response);
    EXPECT_EQ(phase(3), Phase::response);
    EXPECT_EQ(phase(4), Phase::connect);
    EXPECT_EQ(phase(5), Phase::response);
    EXPECT_EQ(phase(6), Phase::connect);

    Trial trial(policy);
    trial.facts.set(Field::response_status_code, 503);
    EXPECT_EQ(trial.decided(Phase::response), "d") << "tags set in a phase are seen by the rules below, in the same one";
}

TEST(Phase, tags_are_seen_by_every_kind_of_test) {
    for (const std::string_view when :
         {"tags == 'guest'", "tags contains 'ues'", "tags contains 'g'", "tags matches '^guest$'", "len(tags) == 5", "exists(tags)",
          "lower(tags) == 'guest'", "all(tags) == 'guest'", "not tags == 'x' and tags in {'guest', 'other'}"}) {
        Trial trial(compile({rule("above", std::string("http.version == '1.1' and ") + std::string(when), "block"),
                             tagging("t", "http.version == '1.1'", "guest"),
                             rule("below", std::string("http.version == '1.1' and ") + std::string(when), "block")}));
        trial.facts.set(Field::http_version, std::string_view("1.1"));
        EXPECT_EQ(trial.decided(Phase::request), "below") << when;
    }
    EXPECT_THAT(faults({rule("above", "tags == 'x'", "block"), tagging("t", "", "x")}), HasSubstr("written below it"));
    const auto late = [](std::string_view reads, std::string_view sets) {
        return faults({rule("above", std::string(reads) + " and tags == 'x'", "block"), tagging("t", sets, "x")});
    };
    EXPECT_THAT(late("ftp.command == 'STOR'", "ftp.argument == 'a'"), HasSubstr("written below it"));
    EXPECT_THAT(late("ftp.command == 'STOR'", "http.request.method == 'PUT'"), Not(HasSubstr("written below it"))) << "they never meet";
    EXPECT_THAT(late("smtp.helo == 'a'", "smtp.helo == 'b'"), HasSubstr("written below it"));
}

TEST(Phase, an_earlier_phase_that_overtakes_a_rule_above_is_warned_of) {
    EXPECT_THAT(
        faults({rule("late", "url.path == '/ok'", "allow"), rule("early", "client.ip in 10.0.0.0/8", "block")}),
        HasSubstr("warning: this rule is decided in phase `connect`, before `late`, which is written above it but decided in `request`"));
    EXPECT_THAT(faults({rule("late", "http.request.method == 'GET'", "trust"), rule("early", "url.domain == 'a.b'", "block")}),
                HasSubstr("for a CONNECT"));
    EXPECT_THAT(faults({rule("late", "url.path == '/'", "trust"), rule("early", "url.domain == 'a.b'", "block")}), IsEmpty())
        << "a CONNECT has no path";
    EXPECT_THAT(faults({rule("early", "client.ip in 10.0.0.0/8", "block"), rule("late", "url.path == '/ok'", "allow")}), IsEmpty());
    EXPECT_THAT(faults({rule("late", "url.path == '/ok'", "block"), rule("early", "client.ip in 10.0.0.0/8", "block")}), IsEmpty())
        << "two blocks come to the same";
    RuleSource shadow = rule("early", "client.ip in 10.0.0.0/8", "block");
    shadow.mode = text("shadow");
    EXPECT_THAT(faults({rule("late", "url.path == '/ok'", "allow"), shadow}), IsEmpty());
}

TEST(Phase, overtaking_is_warned_of_in_ftp_where_http_has_no_part_in_it) {
    EXPECT_THAT(
        faults({rule("late", "ftp.command == 'STOR'", "allow"), rule("early", "url.domain == 'a.b'", "block")}),
        HasSubstr("warning: in ftp this rule is decided in phase `connect`, before `late`, which is written above it but decided in "
                  "`request`"));
    EXPECT_THAT(faults({rule("late", "ftp.command == 'STOR'", "allow"), rule("early", "server.ip == 192.0.2.1", "block")}),
                HasSubstr("in ftp this rule is decided in phase `dial`, before `late`"));
    EXPECT_THAT(faults({rule("late", "ftp.reply == 226", "allow"), rule("early", "ftp.command == 'STOR'", "block")}),
                HasSubstr("in phase `request`, before `late`, which is written above it but decided in `response`"));
    EXPECT_THAT(faults({rule("early", "url.domain == 'a.b'", "block"), rule("late", "ftp.command == 'STOR'", "allow")}), IsEmpty());
    EXPECT_THAT(faults({rule("late", "ftp.command == 'STOR'", "block"), rule("early", "url.domain == 'a.b'", "block")}), IsEmpty())
        << "two blocks come to the same";
    EXPECT_THAT(faults({rule("late", "http.request.method == 'GET'", "allow"), rule("ftp", "ftp.command == 'STOR'", "block")}), IsEmpty())
        << "they never meet";
    const std::string once = faults({rule("web", "url.path == '/'", "allow"), rule("ftp", "ftp.command == 'STOR'", "allow"),
                                     rule("early", "client.ip == 10.0.0.1", "block")});
    EXPECT_THAT(once, HasSubstr("before `web`"));
    EXPECT_THAT(once, Not(HasSubstr("in ftp"))) << "one warning for each rule";
}

// FTP dials at USER: whatever a command brings is known after the server's address.
TEST(Phase, a_rule_on_the_server_s_address_and_a_command_is_judged_when_the_command_comes) {
    const auto policy = compile({rule("r", "server.ip in 192.0.2.0/24 and ftp.command == 'STOR'", "block"),
                                 rule("both", "server.ip in 198.51.100.0/24 and url.path == '/x'", "block")});
    EXPECT_EQ(policy->rules()[0].phase(Protocol::ftp), Phase::request);
    EXPECT_EQ(describe_phases(policy->rules()[1]), "http: dial; ftp: request");
    Facts facts;
    Scratch scratch;
    Effects effects;
    RateLimits limits;
    const auto decided = [&](Phase phase) { return policy->evaluate(phase, Protocol::ftp, facts, scratch, effects, limits, 0).action; };
    facts.set(Field::url_domain, std::string_view("a.test"));
    facts.set(Field::server_ip, *IpAddress::parse("192.0.2.1"));
    EXPECT_EQ(decided(Phase::dial), Action::none);
    facts.set(Field::ftp_command, std::string_view("STOR"));
    EXPECT_EQ(decided(Phase::request), Action::block);
    facts.set(Field::ftp_command, std::string_view("RETR"));
    EXPECT_EQ(decided(Phase::request), Action::none);

    EXPECT_THAT(faults({at_phase(rule("r", "url.path == '/x'", "block"), "dial")}), IsEmpty()) << "HTTP may move it; FTP knows paths later";
    EXPECT_THAT(faults({at_phase(rule("r", "ftp.command == 'STOR'", "block"), "dial")}),
                HasSubstr("`ftp.command` is known only in phase `request` of ftp"));
}

TEST(Phase, in_ftp_redirect_is_block_and_what_is_about_headers_is_nothing) {
    RuleSource redirect = rule("r", "ftp.command == 'RETR' and scan.verdict == 'infected'", "redirect");
    redirect.to = text("http://a.test/");
    EXPECT_THAT(faults({redirect}), IsEmpty());
    EXPECT_EQ(describe_phases(compile({redirect})->rules()[0]), "verdict");
    RuleSource edit = rule("r", "url.scheme == 'ftp'", "set_request_header");
    edit.header = text("X-A");
    edit.value = text("b");
    EXPECT_EQ(describe_protocols(compile({edit})->rules()[0]), "http");
    edit.when = text("ftp.command == 'RETR'");
    EXPECT_THAT(faults({edit}), HasSubstr("applies to no protocol: `set_request_header` does nothing in ftp"));
    EXPECT_EQ(describe_protocols(compile({rule("r", "url.domain == 'a.b'", "tunnel")})->rules()[0]), "http");
}

TEST(Phase, in_ftp_credentials_come_with_user) {
    const std::string users = ::testing::TempDir() + "policy_phase_users";
    std::ofstream(users) << "ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n";
    const auto asks = [&](std::string_view when) {
        RuleSource source = rule("who", when, "authenticate");
        source.realm = text("here");
        source.users = text(users);
        return source;
    };
    EXPECT_THAT(faults({asks("client.ip == 10.0.0.1")}), IsEmpty());
    const RuleSource moved = at_phase(asks("client.ip == 10.0.0.1"), "request");
    EXPECT_THAT(faults({moved}), IsEmpty());
    EXPECT_EQ(describe_phases(compile({moved})->rules()[0]), "http: request; ftp: connect; smtp: request");
    EXPECT_THAT(
        faults({asks("url.path == '/x'")}),
        HasSubstr("warning: `authenticate` in phase `request` of ftp (where `url.path` is known) is too late and refuses what it is "
                  "about: credentials come with USER"));
    EXPECT_THAT(faults({asks("ftp.command == 'STOR'")}),
                HasSubstr("`authenticate` in phase `request` (where `ftp.command` is known) is too late: credentials come with USER"));
    std::remove(users.c_str());
}

TEST(Phase, an_action_that_would_come_too_late_is_a_load_error) {
    RuleSource edit = rule("r", "http.response.status_code == 200", "set_request_header");
    edit.header = text("X-A");
    edit.value = text("b");
    EXPECT_THAT(faults({edit}), HasSubstr("too late"));
    edit.action = text("set_response_header");
    EXPECT_THAT(faults({edit}), IsEmpty());
    edit.when = text("file.size > 5");
    EXPECT_THAT(faults({edit}), HasSubstr("too late"));
}

TEST(Phase, what_answers_or_edits_a_request_waits_for_one) {
    RuleSource edit = rule("r", "client.ip in 10.0.0.0/8", "set_request_header");
    edit.header = text("X-A");
    edit.value = text("b");
    const auto policy = compile({edit});
    EXPECT_EQ(describe_phases(policy->rules()[0]), "http: connect (CONNECT), request; smtp: request");
}

TEST(Phase, what_per_names_must_be_known) {
    RuleSource limit = rule("r", "client.port > 0", "limit");
    limit.rate = text("10/s");
    limit.per = std::vector{text("http.request.headers['x-key']")};
    EXPECT_EQ(describe_phases(compile({limit})->rules()[0]), "request");
}

TEST(Phase, a_field_of_one_direction_pins_the_rule_to_it) {
    const auto policy =
        compile({rule("down", "http.response.status_code == 200 and file.size > 5", "block"),
                 rule("up", "http.request.content_type == 'a/b' and file.size > 5", "block"), rule("both", "file.size > 5", "block")});
    Trial trial(policy);
    trial.facts.set(Field::file_size, 6);
    trial.facts.set(Field::response_status_code, 200);
    trial.facts.set(Field::request_content_type, std::string_view("a/b"));
    trial.facts.set(Field::payload_direction, std::string_view("upload"));
    EXPECT_EQ(trial.decided(Phase::payload), "up");
    trial.facts.set(Field::payload_direction, std::string_view("download"));
    EXPECT_EQ(trial.decided(Phase::payload), "down");
}

TEST(Phase, names) {
    EXPECT_EQ(find_phase("dial"), Phase::dial);
    EXPECT_FALSE(find_phase("accept"));
    EXPECT_TRUE(comes_before(Protocol::http, Moment::request, Moment::dial));
    EXPECT_TRUE(comes_before(Protocol::smtp, Moment::dial, Moment::request));
    EXPECT_FALSE(comes_before(Protocol::smtp, Moment::dial, Moment::tls));
    EXPECT_TRUE(comes_before(Protocol::ftp, Moment::dial, Moment::request));
    EXPECT_TRUE(comes_before(Protocol::ftp, Moment::named, Moment::dial));
}

}  // namespace
}  // namespace sluice::policy::testing
