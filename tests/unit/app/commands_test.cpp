// SPDX-License-Identifier: Apache-2.0
#include "app/commands.h"

#include "app/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/json.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace sluice::app {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

struct Outcome {
    int code = -1;
    std::string out;
    std::string err;
};

Outcome parse(std::vector<const char*> words, CommandLine* line = nullptr) {
    words.insert(words.begin(), "sluice");
    std::ostringstream out, err;
    const auto parsed = parse_command_line(static_cast<int>(words.size()), words.data(), out, err);
    if (const int* code = std::get_if<int>(&parsed)) return {*code, out.str(), err.str()};
    if (line != nullptr) *line = std::get<CommandLine>(parsed);
    return {-1, out.str(), err.str()};
}

class TemporaryConfig {
public:
    explicit TemporaryConfig(const std::string& text) {
        std::string name = (fs::temp_directory_path() / "sluice-commands-XXXXXX").string();
        folder_ = mkdtemp(name.data());
        std::ofstream(folder_ / "sluice.toml") << text;
    }
    ~TemporaryConfig() {
        std::error_code ignored;
        fs::remove_all(folder_, ignored);
    }
    TemporaryConfig(const TemporaryConfig&) = delete;
    TemporaryConfig& operator=(const TemporaryConfig&) = delete;
    std::string file() const { return (folder_ / "sluice.toml").string(); }

private:
    fs::path folder_;
};

Outcome check(const std::string& text) {
    const TemporaryConfig config(text);
    CommandLine line;
    line.config = config.file();
    std::ostringstream out, err;
    const int code = run_check(line, out, err);
    return {code, out.str(), err.str()};
}

Outcome explain(const std::string& text, std::vector<const char*> words) {
    const TemporaryConfig config(text);
    CommandLine line;
    words.insert(words.begin(), "explain");
    const Outcome parsed = parse(words, &line);
    if (parsed.code != -1) return parsed;
    line.config = config.file();
    std::ostringstream out, err;
    const int code = run_explain(line, out, err);
    return {code, out.str(), err.str()};
}

constexpr const char* kRules = R"(
[lists]
ads = { type = "domain", values = ["ads.example"] }
[[rule]]
name = "staff"
when = 'client.ip == 192.168.0.9'
action = "allow"
[[rule]]
name = "no-ads"
when = 'url.domain in @ads'
action = "block"
reason = "Advertising."
[[rule]]
name = "no-net"
when = 'server.ip in 203.0.113.0/24'
action = "block"
)";

TEST(CommandLine, commands_and_their_options) {
    CommandLine line;
    EXPECT_EQ(parse({"run", "-c", "a.toml"}, &line).code, -1);
    EXPECT_EQ(line.command, Command::run);
    EXPECT_EQ(line.config, "a.toml");
    EXPECT_EQ(parse({"--config", "b.toml", "check"}, &line).code, -1);
    EXPECT_EQ(line.command, Command::check);
    EXPECT_EQ(line.config, "b.toml");
    EXPECT_EQ(parse({"status", "--json"}, &line).code, -1);
    EXPECT_EQ(line.command, Command::status);
    EXPECT_TRUE(line.json);
    EXPECT_EQ(parse({"quarantine", "release", "-c", "c.toml", "0J5XK3M9QZ0112VT", "out"}, &line).code, -1);
    EXPECT_EQ(line.command, Command::quarantine);
    EXPECT_EQ(line.quarantine.action, QuarantineAction::release);
    EXPECT_EQ(line.quarantine.id, "0J5XK3M9QZ0112VT");
    EXPECT_EQ(line.quarantine.file, "out");
    EXPECT_EQ(line.config, "c.toml");
    EXPECT_EQ(parse({"explain", "http://a/", "--client", "192.0.2.1", "--method", "POST", "--header", "A: 1", "--header", "B: 2",
                     "--server-ip", "192.0.2.2"},
                    &line)
                  .code,
              -1);
    EXPECT_EQ(line.explain.url, "http://a/");
    EXPECT_EQ(line.explain.client, "192.0.2.1");
    EXPECT_THAT(line.explain.headers, testing::ElementsAre("A: 1", "B: 2"));
    EXPECT_THAT(line.explain.server_ips, testing::ElementsAre("192.0.2.2"));
}

TEST(CommandLine, what_is_wrong_is_said_and_ends_with_2) {
    EXPECT_EQ(parse({}).code, 2);
    EXPECT_THAT(parse({}).err, HasSubstr("explain"));
    EXPECT_EQ(parse({"chek"}).code, 2);
    EXPECT_THAT(parse({"chek"}).err, HasSubstr("did you mean \"check\"?"));
    EXPECT_EQ(parse({"ca"}).code, 2);
    EXPECT_THAT(parse({"ca"}).err, HasSubstr("Commands: init, show, export"));
    EXPECT_THAT(parse({"ca", "int"}).err, HasSubstr("did you mean \"init\"?"));
    EXPECT_EQ(parse({"check", "--nonsense"}).code, 2);
    EXPECT_EQ(parse({"explain"}).code, 2);
    EXPECT_EQ(parse({"run", "-c"}).code, 2);
}

TEST(CommandLine, help_is_data) {
    EXPECT_EQ(parse({"--help"}).code, 0);
    EXPECT_THAT(parse({"--help"}).out, HasSubstr("explain"));
    EXPECT_THAT(parse({"explain", "--help"}).out, HasSubstr("--client"));
}

TEST(Check, lists_every_rule_with_its_phase_and_the_built_in_ones) {
    const Outcome outcome = check(kRules);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_THAT(outcome.out, testing::ContainsRegex("staff +connect"));
    EXPECT_THAT(outcome.out, testing::ContainsRegex("no-ads +.*request"));
    EXPECT_THAT(outcome.out, testing::ContainsRegex("no-net +dial"));
    EXPECT_THAT(outcome.out, HasSubstr("protect-host"));
    EXPECT_THAT(outcome.out, HasSubstr("malware"));
    EXPECT_THAT(outcome.out, testing::ContainsRegex("ads +domain +1 "));
    EXPECT_LT(outcome.out.find("protect-host"), outcome.out.find("staff"));
    EXPECT_GT(outcome.out.find("malware"), outcome.out.find("no-net"));
}

TEST(Check, every_fault_with_its_place_line_and_caret) {
    const Outcome outcome = check("wrkers = 1\n[[rule]]\nname = \"a\"\nwhen = 'url.prt == 1'\naction = \"blok\"\n");
    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(outcome.err, HasSubstr("sluice.toml:1:1: unknown key \"wrkers\""));
    EXPECT_THAT(outcome.err, HasSubstr("sluice.toml:4:9: "));
    EXPECT_THAT(outcome.err, HasSubstr("sluice.toml:5:11: "));
    EXPECT_THAT(outcome.err, HasSubstr("    when = 'url.prt == 1'\n            ^\n"));
    EXPECT_EQ(outcome.out, "");
}

TEST(Check, the_default_configuration_passes) {
    const Outcome outcome = check(std::string(default_config_text()));
    EXPECT_EQ(outcome.code, 0);
    EXPECT_EQ(outcome.err, "");
}

TEST(Explain, says_which_rule_decides) {
    const Outcome outcome = explain(kRules, {"http://www.ads.example/x"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("decision: block, by rule \"no-ads\" in phase request"));
    EXPECT_THAT(outcome.out, HasSubstr("Advertising."));
    EXPECT_THAT(explain(kRules, {"http://other.example/"}).out, HasSubstr("decision: allow, by [policy] default"));
    EXPECT_THAT(explain(kRules, {"http://other.example/"}).out, HasSubstr("addresses are not known"));
}

TEST(Explain, a_tunnel_is_judged_by_its_name) {
    EXPECT_THAT(explain(kRules, {"https://ads.example/x"}).out, HasSubstr("by rule \"no-ads\" in phase connect"));
    EXPECT_THAT(explain(kRules, {"https://other.example:22/"}).out, HasSubstr("refused, by http.connect_ports"));
}

TEST(Explain, addresses_are_judged_each_on_its_own) {
    EXPECT_THAT(explain(kRules, {"http://203.0.113.7/"}).out, HasSubstr("by rule \"no-net\" in phase dial"));
    EXPECT_THAT(explain(kRules, {"http://x.example/", "--server-ip", "203.0.113.7", "--server-ip", "198.51.100.1"}).out,
                HasSubstr("decision: allow"));
    EXPECT_THAT(explain(kRules, {"http://x.example/", "--client", "10.0.0.1", "--server-ip", "169.254.169.254"}).out,
                HasSubstr("by protect-host"));
}

TEST(Explain, clients_from_elsewhere_are_refused) {
    EXPECT_THAT(explain(kRules, {"http://x.example/", "--client", "8.8.8.8"}).out, HasSubstr("refused, by http.clients"));
}

constexpr const char* kPayloadRules = R"(
[[rule]]
name = "by-size"
when = 'file.size > 3'
action = "allow"
[[rule]]
name = "look"
when = 'file.extension == "exe"'
action = "inspect"
deliver = "hold"
[[rule]]
name = "keep"
when = 'scan.verdict == "infected"'
action = "block"
)";

TEST(Check, shows_what_is_judged_of_payloads) {
    const Outcome outcome = check(kPayloadRules);
    EXPECT_EQ(outcome.err, "");
    EXPECT_THAT(outcome.out, testing::ContainsRegex("look +payload .*inspect"));
    EXPECT_THAT(outcome.out, testing::ContainsRegex("keep +verdict .*block"));
    EXPECT_THAT(outcome.out, testing::ContainsRegex("unscanned +verdict, after your rules +block"));
    EXPECT_THAT(check("[builtin]\nmalware = false\n").out, testing::ContainsRegex("malware +verdict, after your rules +off"));
}

TEST(Explain, payloads_are_judged_as_far_as_they_are_known) {
    const Outcome outcome = explain(kPayloadRules, {"http://192.0.2.1/x"});
    EXPECT_THAT(outcome.out, HasSubstr("payload (download)\n"));
    EXPECT_THAT(outcome.out, HasSubstr("verdict (download)\n"));
    EXPECT_THAT(outcome.out, testing::ContainsRegex("by-size +allow +no match .file.size is not known"));
    EXPECT_THAT(outcome.out, testing::ContainsRegex("malware +block +no match .scan.verdict is not known"));
    EXPECT_THAT(explain(kPayloadRules, {"http://192.0.2.1/x", "--method", "PUT"}).out, HasSubstr("payload (upload)\n"));

    const TemporaryConfig file(kPayloadRules);
    const Outcome with_file = explain(kPayloadRules, {"http://192.0.2.1/x", "--file", file.file().c_str()});
    EXPECT_THAT(with_file.out, HasSubstr("decision: allow, by rule \"by-size\" in phase payload"));
    EXPECT_THAT(with_file.err, HasSubstr("it is not scanned here"));
    EXPECT_EQ(explain("", {"http://x/", "--file", "/none/there"}).code, 2);
}

constexpr const char* kFtpRules = R"(
[[rule]]
name = "no-server"
when = 'url.domain == "bad.test"'
action = "block"
[[rule]]
name = "no-upload"
when = 'ftp.command == "STOR" and server.ip in 198.51.100.0/24'
action = "block"
[[rule]]
name = "no-exe"
when = 'url.extension == "exe"'
action = "block"
)";

TEST(Check, rules_of_ftp_have_an_effect) {
    const Outcome outcome = check(kFtpRules);
    EXPECT_EQ(outcome.err, "");
    EXPECT_THAT(outcome.out, testing::ContainsRegex("no-upload +request +ftp +block"));
    EXPECT_EQ(check("[[rule]]\nname = \"mail\"\nwhen = 'smtp.helo == \"x\"'\naction = \"block\"\n").err, "");
}

constexpr const char* kHeaderRules = R"(
[[rule]]
name = "odd"
when = 'email.ambiguous == true'
action = "tag"
tags = ["odd"]
header = true
[[rule]]
name = "quiet"
when = 'email.subject == "x"'
action = "tag"
tags = ["quiet"]
[[rule]]
name = "every"
action = "set_request_header"
header = "X-Seen"
value = "yes"
[[rule]]
name = "tried"
when = 'email.subject == "x"'
action = "remove_request_header"
header = "X-Seen"
mode = "shadow"
)";

TEST(Check, says_which_rules_make_mail_wait) {
    const std::string upstream = "[smtp]\nupstream = \"mail.test\"\n";
    const std::string held = "mail is held until its verdict, because of rules that may edit its header: ";
    EXPECT_THAT(check(upstream + kHeaderRules).out, HasSubstr(held + "odd, every\n"));
    EXPECT_THAT(check(kHeaderRules).out, HasSubstr(held + "odd\n")) << "without mail what HTTP does is not told of";
    EXPECT_THAT(check(upstream).out, Not(HasSubstr("mail is held")));
    EXPECT_THAT(check("[[rule]]\nname = \"r\"\naction = \"tag\"\ntags = [\"a\"]\n" + upstream).out, Not(HasSubstr("mail is held")));
}

TEST(Explain, ftp_goes_as_a_session_does) {
    const auto ftp = [](const char* url, std::vector<const char*> words = {}) {
        words.insert(words.begin(), {url, "--server-ip", "198.51.100.7"});
        return explain(kFtpRules, words);
    };
    const Outcome fine = ftp("ftp://a.test/x.txt");
    EXPECT_EQ(fine.err, "");
    EXPECT_THAT(fine.out, HasSubstr("decision: allow, by [policy] default"));
    for (std::size_t from = 0; const char* step : {"connect\n", "connect (USER)\n", "dial 198.51.100.7\n", "request (PASS)\n",
                                                   "request (RETR)\n", "verdict (download)\n"}) {
        from = fine.out.find(step, from);
        ASSERT_NE(from, std::string::npos) << step << " in\n" << fine.out;
    }
    EXPECT_THAT(ftp("ftp://bad.test/x.txt").out, HasSubstr("by rule \"no-server\" in phase connect"));
    EXPECT_THAT(ftp("ftp://a.test/x.exe").out, HasSubstr("by rule \"no-exe\" in phase request"));
    EXPECT_THAT(ftp("ftp://a.test/x.txt", {"--method", "PUT"}).out, HasSubstr("by rule \"no-upload\" in phase request"));
    EXPECT_THAT(ftp("ftp://a.test/x.txt", {"--method", "STOR"}).out, HasSubstr("by rule \"no-upload\" in phase request"));
    EXPECT_THAT(ftp("ftp://a.test:2121/x.txt").out, HasSubstr("refused, by ftp.ports"));
    EXPECT_THAT(ftp("ftp://a.test/", {"--client", "8.8.8.8"}).out, HasSubstr("refused, by http.clients"));
    EXPECT_THAT(explain("", {"ftp://127.0.0.1/", "--client", "10.0.0.1"}).out, HasSubstr("by protect-host"));
}

constexpr const char* kMailRules = R"(
[smtp]
upstream = "mail.test"
domains = ["a.test", "b.test"]
relay_clients = ["10.1.0.0/16"]
max_message = 4000
[[rule]]
name = "no-name"
when = 'smtp.helo == "bad.test"'
action = "block"
[[rule]]
name = "no-server"
when = 'server.ip in 198.51.100.0/24'
action = "block"
[[rule]]
name = "no-sender"
when = 'smtp.mail_from == "spam@x.test"'
action = "block"
[[rule]]
name = "no-list"
when = 'smtp.rcpt_to == "list@a.test"'
action = "block"
[[rule]]
name = "boss"
when = 'smtp.rcpt_to == "boss@a.test"'
action = "tag"
tags = ["boss"]
[[rule]]
name = "no-toml"
when = 'file.extension == "toml" and tags == "boss"'
action = "block"
[[rule]]
name = "no-subject"
when = 'email.subject contains "lottery" and email.from.address == "eve@x.test"'
action = "block"
)";

TEST(Explain, mail_goes_as_a_session_does) {
    const auto mail = [](const char* url, std::vector<const char*> words = {}) {
        words.insert(words.begin(), {url, "--client", "10.0.0.1"});
        return explain(kMailRules, words);
    };
    const TemporaryConfig file("");
    const Outcome fine = mail("mailto:Ann@a.test", {"--sender", "<Eve@x.test>", "--file", file.file().c_str(), "--helo", "GW.x.test",
                                                    "--server-ip", "192.0.2.1"});
    EXPECT_THAT(fine.err, Not(HasSubstr("no mail is taken")));
    EXPECT_THAT(fine.out, HasSubstr("decision: allow, by [policy] default"));
    for (std::size_t from = 0;
         const char* step : {"connect\n", "connect (HELO)\n", "dial 192.0.2.1\n", "request (sender)\n", "request (recipient ann@a.test)\n",
                             "payload (message)\n", "payload (attachment)\n", "verdict (attachment)\n", "verdict (message)\n"}) {
        from = fine.out.find(step, from);
        ASSERT_NE(from, std::string::npos) << step << " in\n" << fine.out;
    }
    EXPECT_THAT(mail("mailto:ann@a.test").out, HasSubstr("say it with --helo"));
    EXPECT_THAT(mail("mailto:ann@a.test").out, HasSubstr("name them with --server-ip"));
    EXPECT_THAT(mail("mailto:ann@a.test").out, Not(HasSubstr("attachment")));
    EXPECT_THAT(mail("mailto:ann@a.test", {"--helo", "bad.test"}).out, HasSubstr("by rule \"no-name\" in phase connect"));
    EXPECT_THAT(mail("mailto:ann@a.test", {"--server-ip", "198.51.100.1"}).out, HasSubstr("by rule \"no-server\" in phase dial"));
    EXPECT_THAT(mail("mailto:ann@a.test", {"--sender", "SPAM@X.test"}).out, HasSubstr("by rule \"no-sender\" in phase request"));
    EXPECT_THAT(mail("mailto:list@a.test").out, HasSubstr("by rule \"no-list\" in phase request"));
    EXPECT_THAT(mail("mailto:boss@a.test", {"--file", file.file().c_str()}).out, HasSubstr("by rule \"no-toml\" in phase payload"));
    EXPECT_THAT(mail("mailto:ann@a.test", {"--header", "Subject: a lottery", "--header", "From: Eve <EVE@x.test>"}).out,
                HasSubstr("by rule \"no-subject\" in phase payload"));
    EXPECT_THAT(mail("mailto:ann@a.test", {"--client", "8.8.8.8"}).code, 2) << "said twice";
    EXPECT_THAT(explain(kMailRules, {"mailto:ann@a.test", "--client", "8.8.8.8"}).out, HasSubstr("refused, by http.clients"));
    const TemporaryConfig large(std::string(5000, '#'));
    EXPECT_THAT(mail("mailto:ann@a.test", {"--file", large.file().c_str()}).out, HasSubstr("refused, by smtp.max_message: 552 5.3.4"));
}

TEST(Explain, each_recipient_is_taken_or_not) {
    const auto mail = [](const char* url) { return explain(kMailRules, {url, "--client", "10.0.0.1"}); };
    const Outcome some = mail("mailto:list@a.test,ann@b.test,eve@c.test?subject=x");
    EXPECT_THAT(some.out, HasSubstr("request (recipient list@a.test)\n"));
    EXPECT_THAT(some.out, HasSubstr("request (recipient eve@c.test)\n  550 5.7.1 Relaying denied: c.test is not among them"));
    EXPECT_THAT(some.out, HasSubstr("payload (message)\n")) << "one was taken";
    EXPECT_THAT(some.out, HasSubstr("decision: allow"));
    const Outcome none = mail("mailto:list@a.test,eve@c.test");
    EXPECT_THAT(none.out, HasSubstr("decision: refused, by smtp.domains: 550 5.7.1 Relaying denied"));
    EXPECT_THAT(none.out, Not(HasSubstr("payload")));
    EXPECT_THAT(mail("mailto:ann%40a.test").out, HasSubstr("(recipient ann@a.test)"));
    for (const char* bad : {"mailto:", "mailto:@a.test", "mailto:ann@", "mailto:ann@a.test,", "mailto:ann%4"}) {
        EXPECT_EQ(mail(bad).code, 2) << bad;
        EXPECT_THAT(mail(bad).err, HasSubstr("names no recipient")) << bad;
    }
    EXPECT_THAT(mail("mailto:postmaster").out, HasSubstr("decision: allow")) << "RFC 5321 4.5.1";
    EXPECT_THAT(mail("mailto:ann").out, HasSubstr("Relaying denied: ann is not among them"));
    EXPECT_THAT(mail("mailto:a%25b@a.test").out, HasSubstr("some server could take a%b@a.test for another's"));
    const TemporaryConfig file("");
    const Outcome of_any = explain(kMailRules, {"mailto:boss@a.test,ann@a.test", "--file", file.file().c_str()});
    EXPECT_THAT(of_any.out, HasSubstr("by rule \"no-toml\"")) << "what is said of any recipient is said of the message";
}

TEST(Explain, nobody_relays_but_those_who_may) {
    const auto relayed = [](const std::string& rules, std::vector<const char*> words) {
        words.insert(words.begin(), "mailto:eve@c.test");
        return explain(rules, words).out;
    };
    EXPECT_THAT(relayed(kMailRules, {"--client", "10.1.2.3"}), HasSubstr("decision: allow"));
    EXPECT_THAT(relayed(kMailRules, {"--client", "10.2.2.3"}), HasSubstr("refused, by smtp.domains"));
    EXPECT_THAT(relayed(kMailRules, {"--client", "10.2.2.3", "--user", "ann"}), HasSubstr("decision: allow")) << "the upstream's AUTH";
    const std::string allowing = std::string(kMailRules) + "[[rule]]\nname = \"all\"\naction = \"allow\"\n";
    EXPECT_THAT(relayed(allowing, {"--client", "10.2.2.3"}), HasSubstr("refused, by smtp.domains")) << "no rule opens a relay";
    EXPECT_THAT(explain("", {"mailto:ann@a.test"}).err, HasSubstr("there is no smtp.upstream: no mail is taken"));
    EXPECT_THAT(explain("[smtp]\nupstream = 'a.test'\nlisten = []\n", {"mailto:ann@a.test"}).err, HasSubstr("smtp.listen is empty"));
    EXPECT_THAT(explain("[smtp]\nupstream = 'lmtp:/run/lmtp'\n", {"mailto:ann@a.test"}).out, HasSubstr("/run/lmtp is a local socket"));
    EXPECT_THAT(explain("[smtp]\nupstream = '127.0.0.1'\n", {"mailto:ann@a.test"}).out, HasSubstr("decision: allow"))
        << "protect-host is not asked of what the configuration names";
}

TEST(Explain, an_allow_of_a_recipient_is_for_that_recipient) {
    const std::string rules =
        "[policy]\ndefault = \"block\"\n[smtp]\nupstream = 'mail.test'\n[[rule]]\nname = \"ann\"\n"
        "when = 'smtp.rcpt_to == \"ann@a.test\"'\naction = \"allow\"\n";
    EXPECT_THAT(explain(rules, {"mailto:ann@a.test"}).out, HasSubstr("decision: allow, by rule \"ann\""));
    EXPECT_THAT(explain(rules, {"mailto:bo@a.test"}).out, HasSubstr("decision: block, by [policy] default"));
    EXPECT_THAT(explain(rules, {"mailto:bo@a.test,ann@a.test"}).out, HasSubstr("decision: allow, by rule \"ann\""));
    EXPECT_THAT(explain(rules, {"mailto:ann@a.test,bo@a.test"}).out, HasSubstr("decision: allow, by rule \"ann\""));
}

TEST(Explain, an_allow_is_for_the_command_that_it_is_about) {
    const std::string rules =
        "[policy]\ndefault = \"block\"\n[[rule]]\nname = \"in\"\nwhen = 'ftp.command == \"PASS\"'\naction = \"allow\"\n";
    EXPECT_THAT(explain(rules, {"ftp://a.test/x"}).out, HasSubstr("decision: block, by [policy] default"));
    const std::string pub = "[[rule]]\nname = \"pub\"\nwhen = 'url.path starts_with \"/pub/\"'\naction = \"allow\"\n";
    EXPECT_THAT(explain(rules + pub, {"ftp://a.test/pub/x"}).out, HasSubstr("decision: allow, by rule \"pub\""));
    EXPECT_THAT(explain("[policy]\ndefault = \"block\"\n" + pub, {"ftp://a.test/pub/x"}).out,
                HasSubstr("decision: block, by [policy] default"))
        << "nobody can log in";
}

TEST(Explain, the_server_of_all_clients_stands_in_for_the_url_s) {
    const Outcome outcome = explain("[ftp]\nupstream = \"127.0.0.1:2100\"\n", {"ftp://a.test/x", "--client", "10.0.0.1"});
    EXPECT_THAT(outcome.err, HasSubstr("ftp.upstream, 127.0.0.1"));
    EXPECT_THAT(outcome.out, HasSubstr("dial 127.0.0.1\n"));
    EXPECT_THAT(outcome.out, HasSubstr("decision: allow")) << "protect-host is not asked of what the configuration names";
    EXPECT_THAT(explain("[ftp]\nlisten = []\n", {"ftp://a.test/x"}).err, HasSubstr("ftp.listen is empty"));
}

TEST(Explain, as_json) {
    const Outcome outcome = explain(kRules, {"http://www.ads.example/x", "--json"});
    boost::system::error_code error;
    const boost::json::value value = boost::json::parse(outcome.out, error);
    ASSERT_FALSE(error) << outcome.out;
    EXPECT_EQ(value.at("decision").at("action").as_string(), "block");
    EXPECT_EQ(value.at("decision").at("rule").as_string(), "no-ads");
    EXPECT_EQ(value.at("url").as_string(), "http://www.ads.example/x");
    EXPECT_GT(value.at("phases").as_array().size(), 1U);
}

TEST(Explain, what_is_no_request_ends_with_2) {
    EXPECT_EQ(explain("", {"gopher://x/"}).code, 2);
    EXPECT_EQ(explain("", {"http://x/", "--client", "me"}).code, 2);
    EXPECT_EQ(explain("", {"http://x/", "--header", "nothing"}).code, 2);
    EXPECT_EQ(explain("workers = 0\n", {"http://x/"}).code, 1);
}

TEST(Commands, config_and_version) {
    std::ostringstream config, version_text;
    EXPECT_EQ(run_config(config), 0);
    EXPECT_EQ(config.str(), default_config_text());
    EXPECT_EQ(run_version(version_text), 0);
    EXPECT_THAT(version_text.str(), HasSubstr("sluice "));
    EXPECT_THAT(version_text.str(), HasSubstr("openssl"));
}

}  // namespace
}  // namespace sluice::app
