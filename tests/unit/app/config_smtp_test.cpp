// SPDX-License-Identifier: Apache-2.0
// [smtp], and what it shares with the other listeners.
#include "app/config.h"
#include "app/loaded.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace sluice::app {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

using Upstream = SmtpConfig::Upstream;

Config good(const std::string& text) {
    Diagnostics faults;
    Config config = parse_config(text, "test.toml", faults);
    EXPECT_EQ(to_string(faults), "") << text;
    return config;
}

SmtpConfig good_smtp(const std::string& lines) { return good("[smtp]\n" + lines + "\n").smtp; }

std::string faults_of(const std::string& text) {
    Diagnostics faults;
    parse_config(text, "test.toml", faults);
    return to_string(faults);
}

std::string faults_of_key(const std::string& line) { return faults_of("[smtp]\n" + line + "\n"); }

TEST(ConfigSmtp, an_empty_file_takes_no_mail_and_has_the_contract_s_defaults) {
    const Config config = good("");
    EXPECT_EQ(config.smtp, SmtpConfig{});
    EXPECT_FALSE(config.smtp.is_on());
    EXPECT_THAT(config.smtp.listen, IsEmpty());
    EXPECT_THAT(config.smtp.upstreams, IsEmpty());
    EXPECT_THAT(config.smtp.domains, IsEmpty());
    EXPECT_THAT(config.smtp.relay_clients, ElementsAre(*IpNetwork::parse("127.0.0.0/8"), *IpNetwork::parse("::1")));
    EXPECT_EQ(config.smtp.max_message, 50U << 20);
    EXPECT_EQ(config.smtp.max_recipients, 100U);
    EXPECT_THAT(config.smtp.implicit_tls, IsEmpty());
    EXPECT_EQ(config.smtp.client_tls, ClientTls::allow);
    EXPECT_EQ(config.smtp.upstream_tls, UpstreamTls::prefer);
    EXPECT_FALSE(config.smtp.auth_without_tls);
    EXPECT_EQ(config.smtp.bare_newline, BareNewline::reject);
    EXPECT_THAT(config.smtp.bare_newline_clients, IsEmpty());
    EXPECT_TRUE(config.smtp.received);
    EXPECT_EQ(config.smtp.upstream_client, UpstreamClient::none);
    EXPECT_THAT(config.smtp.trusted, IsEmpty());
    EXPECT_EQ(config.limits.smtp_idle, 300s);
    EXPECT_EQ(config.limits.smtp_end_of_data, 600s);
}

TEST(ConfigSmtp, the_default_that_is_printed_says_every_key) {
    const std::string printed(default_config_text());
    EXPECT_EQ(good(printed).smtp, SmtpConfig{});
    const std::size_t begin = printed.find("\n[smtp]\n");
    ASSERT_NE(begin, std::string::npos);
    const std::string section = printed.substr(begin, printed.find("\n[", begin + 1) - begin);
    for (const char* key : {"domains", "relay_clients", "max_message", "max_recipients", "implicit_tls", "client_tls", "upstream_tls",
                            "auth_without_tls", "bare_newline", "bare_newline_clients", "received", "upstream_client", "trusted"})
        EXPECT_THAT(section, HasSubstr("\n" + std::string(key) + " = ")) << key;
    for (const char* key : {"listen", "upstream", "hostname"}) EXPECT_THAT(section, HasSubstr("\n# " + std::string(key) + " = ")) << key;
    const std::size_t limits = printed.find("\n[limits]\n");
    for (const char* key : {"ftp_idle", "smtp_idle", "smtp_end_of_data"})
        EXPECT_NE(printed.find("\n" + std::string(key) + " = ", limits), std::string::npos) << key;
}

TEST(ConfigSmtp, values) {
    const Config config = good(R"(
[smtp]
listen = ["0.0.0.0:25", "[::]:25"]
upstream = ["Mail.Example.org", "smtps://b.test"]
hostname = "GW.Example.org"
domains = ["Example.org", "bücher.example", "example.org."]
relay_clients = ["10.0.0.0/8"]
max_message = "10MiB"
max_recipients = 100000
implicit_tls = ["0.0.0.0:465"]
client_tls = "require"
upstream_tls = "require"
auth_without_tls = true
bare_newline = "normalize"
bare_newline_clients = ["192.0.2.7"]
received = false
upstream_client = "proxy2"
trusted = ["192.0.2.8"]
[limits]
smtp_idle = "10m"
smtp_end_of_data = "20m"
)");
    const SmtpConfig& smtp = config.smtp;
    EXPECT_THAT(smtp.listen, ElementsAre(*IpPort::parse("0.0.0.0:25"), *IpPort::parse("[::]:25")));
    EXPECT_THAT(smtp.upstreams,
                ElementsAre(Upstream{UpstreamKind::smtp, "mail.example.org", 25, ""}, Upstream{UpstreamKind::smtps, "b.test", 465, ""}));
    EXPECT_EQ(smtp.hostname, "gw.example.org");
    EXPECT_EQ(mail_hostname(smtp), "gw.example.org");
    EXPECT_THAT(smtp.domains, ElementsAre("example.org", "xn--bcher-kva.example")) << "each once";
    EXPECT_THAT(smtp.relay_clients, ElementsAre(*IpNetwork::parse("10.0.0.0/8")));
    EXPECT_EQ(smtp.max_message, 10U << 20);
    EXPECT_EQ(smtp.max_recipients, 100'000U);
    EXPECT_THAT(smtp.implicit_tls, ElementsAre(*IpPort::parse("0.0.0.0:465")));
    EXPECT_EQ(smtp.client_tls, ClientTls::require);
    EXPECT_EQ(smtp.upstream_tls, UpstreamTls::require);
    EXPECT_TRUE(smtp.auth_without_tls);
    EXPECT_EQ(smtp.bare_newline, BareNewline::normalize);
    EXPECT_THAT(smtp.bare_newline_clients, ElementsAre(*IpNetwork::parse("192.0.2.7")));
    EXPECT_FALSE(smtp.received);
    EXPECT_EQ(smtp.upstream_client, UpstreamClient::proxy2);
    EXPECT_THAT(smtp.trusted, ElementsAre(*IpNetwork::parse("192.0.2.8")));
    EXPECT_EQ(config.limits.smtp_idle, 10min);
    EXPECT_EQ(config.limits.smtp_end_of_data, 20min);
    for (const auto& [word, client] : {std::pair("none", UpstreamClient::none), std::pair("xclient", UpstreamClient::xclient),
                                       std::pair("xforward", UpstreamClient::xforward), std::pair("proxy1", UpstreamClient::proxy1)})
        EXPECT_EQ(good_smtp(std::string("upstream_client = '") + word + "'").upstream_client, client);
}

TEST(ConfigSmtp, where_mail_goes) {
    const auto one = [](const std::string& text) {
        const SmtpConfig smtp = good_smtp("upstream = '" + text + "'");
        EXPECT_EQ(smtp.upstreams.size(), 1U) << text;
        return smtp.upstreams.empty() ? Upstream{} : smtp.upstreams.front();
    };
    EXPECT_EQ(one("a.test"), (Upstream{UpstreamKind::smtp, "a.test", 25, ""}));
    EXPECT_EQ(one("a.test:587"), (Upstream{UpstreamKind::smtp, "a.test", 587, ""}));
    EXPECT_EQ(one("smtp://A.test"), (Upstream{UpstreamKind::smtp, "a.test", 25, ""}));
    EXPECT_EQ(one("smtps://a.test"), (Upstream{UpstreamKind::smtps, "a.test", 465, ""}));
    EXPECT_EQ(one("smtps://[2001:DB8::1]:4650"), (Upstream{UpstreamKind::smtps, "2001:db8::1", 4650, ""}));
    EXPECT_EQ(one("lmtp://a.test"), (Upstream{UpstreamKind::lmtp, "a.test", 24, ""}));
    EXPECT_EQ(one("lmtp://a.test:2424"), (Upstream{UpstreamKind::lmtp, "a.test", 2424, ""}));
    EXPECT_EQ(one("lmtp:/run/dovecot/lmtp"), (Upstream{UpstreamKind::lmtp, "", 0, "/run/dovecot/lmtp"}));
    EXPECT_EQ(one("mail_server:25").host, "mail_server") << "what a network of containers calls it";
    EXPECT_EQ(upstream_authority(one("127.1:26")).address, IpAddress::parse("127.0.0.1"));
    EXPECT_TRUE(upstream_authority(one("[2001:db8::1]")).is_ip_literal);
    EXPECT_THAT(good_smtp("upstream = ''").upstreams, IsEmpty());
    EXPECT_THAT(good_smtp("upstream = []").upstreams, IsEmpty());
    for (const char* bad :
         {"'a.test:0'", "'a.test:port'", "'2001:db8::1'", "'user@a.test:25'", "':25'", "'a b:25'", "'smtp://'", "'http://a.test'",
          "'lmtp:run/lmtp'", "'lmtp:'", "'lmtp:///run/lmtp'", "25", "['a.test', '']", "['a.test', 'A.test:25']"}) {
        EXPECT_THAT(faults_of_key(std::string("upstream = ") + bad), HasSubstr("test.toml:2:12: smtp.upstream: ")) << bad;
        EXPECT_THAT(faults_of_key(std::string("listen = ['127.0.0.1:26']\nupstream = ") + bad), Not(HasSubstr("is empty"))) << bad;
    }
    EXPECT_THAT(faults_of_key("upstream = 'lmtp:/" + std::string(108, 'x') + "'"), HasSubstr("at most 107 bytes"));
}

TEST(ConfigSmtp, mail_is_taken_only_with_an_upstream) {
    EXPECT_THAT(good_smtp("upstream = 'a.test'").listen, ElementsAre(*IpPort::parse("127.0.0.1:2525")));
    EXPECT_THAT(good_smtp("upstream = 'a.test'\nlisten = []").listen, IsEmpty());
    EXPECT_FALSE(good_smtp("upstream = 'a.test'\nlisten = []").is_on());
    EXPECT_TRUE(good_smtp("upstream = 'a.test'\nlisten = []\nimplicit_tls = ['127.0.0.1:465']").is_on());
    EXPECT_FALSE(good_smtp("listen = []\nimplicit_tls = []\nhostname = 'a.test'").is_on());
    EXPECT_THAT(faults_of_key("listen = ['127.0.0.1:2525']"),
                HasSubstr("test.toml:2:1: smtp.listen: mail is taken only with an upstream to hand it to: smtp.upstream is empty\n"
                          "    listen = ['127.0.0.1:2525']\n    ^\n"));
    EXPECT_THAT(faults_of_key("implicit_tls = ['127.0.0.1:465']\nupstream = ''"),
                HasSubstr("test.toml:2:1: smtp.implicit_tls: mail is taken only with an upstream"));
    EXPECT_THAT(faults_of("[http]\nlisten = []\n[ftp]\nlisten = []\n"), HasSubstr("nothing is served but the admin listener"));
    EXPECT_EQ(faults_of("[http]\nlisten = []\n[ftp]\nlisten = []\n[smtp]\nupstream = 'a.test'\n"), "") << "SMTP is served";
}

TEST(ConfigSmtp, mail_does_not_come_back) {
    EXPECT_THAT(faults_of_key("upstream = '127.0.0.1:2525'"), HasSubstr("smtp.upstream: 127.0.0.1:2525 is a listener of ours"));
    EXPECT_THAT(faults_of_key("upstream = '127.0.0.2:26'\nlisten = ['0.0.0.0:26']"), HasSubstr("0.0.0.0:26 is a listener of ours"));
    EXPECT_THAT(faults_of_key("upstream = 'smtps://[::1]'\nimplicit_tls = ['[::]:465']"), HasSubstr("[::]:465 is a listener of ours"));
    EXPECT_EQ(faults_of_key("upstream = '127.0.0.1:25'\nlisten = ['0.0.0.0:2525']"), "");
    EXPECT_EQ(faults_of_key("upstream = '192.0.2.1:25'\nlisten = ['0.0.0.0:25']"), "");
}

TEST(ConfigSmtp, our_name_is_the_system_s) {
    const std::string name = mail_hostname(good("").smtp);
    EXPECT_FALSE(name.empty());
    EXPECT_TRUE(name == "localhost" || mail_domain(name) == name);
    EXPECT_EQ(mail_domain("a.test"), "a.test");
    for (const char* bad : {"", "a..test", "-a.test", "a-.test", "a.test-", "a_b.test", "%61.test", "192.0.2.1", "[2001:db8::1]", "a test"})
        EXPECT_EQ(mail_domain(bad), "") << bad;
}

TEST(ConfigSmtp, what_is_wrong_is_said_with_its_place) {
    EXPECT_THAT(faults_of_key("hostname = 'gw example'"), HasSubstr("test.toml:2:12: smtp.hostname: \"gw example\" is not a name"));
    EXPECT_THAT(faults_of_key("hostname = '192.0.2.1'"), HasSubstr("is not a name"));
    EXPECT_THAT(faults_of_key("domains = ['ann@example.org']"), HasSubstr("test.toml:2:11: smtp.domains: \"ann@example.org\" is not"));
    EXPECT_THAT(faults_of_key("domains = ['*.example.org']"), HasSubstr("is not a domain"));
    EXPECT_THAT(faults_of_key("domains = ['']"), HasSubstr("is not a domain"));
    EXPECT_THAT(faults_of_key("relay_clients = ['all']"), HasSubstr("\"all\" is not a network"));
    EXPECT_THAT(faults_of_key("max_message = 10"), HasSubstr("at least 1024 bytes"));
    EXPECT_THAT(faults_of_key("max_message = '2TiB'"), HasSubstr("at most"));
    EXPECT_THAT(faults_of_key("max_recipients = 0"), HasSubstr("0 is not between 1 and 100000"));
    EXPECT_THAT(faults_of_key("max_recipients = 100001"), HasSubstr("is not between"));
    EXPECT_THAT(faults_of_key("client_tls = 'alow'"), HasSubstr("did you mean \"allow\"?"));
    EXPECT_THAT(faults_of_key("upstream_tls = 'match'"), HasSubstr("one of \"off\", \"prefer\", \"require\" is expected"));
    EXPECT_THAT(faults_of_key("auth_without_tls = 'no'"), HasSubstr("true or false is expected"));
    EXPECT_THAT(faults_of_key("bare_newline = 'normalise'"), HasSubstr("did you mean \"normalize\"?"));
    EXPECT_THAT(faults_of_key("upstream_client = 'proxy'"), HasSubstr("did you mean \"proxy1\"?"));
    EXPECT_THAT(faults_of_key("trusted = ['x']"), HasSubstr("\"x\" is not a network"));
    EXPECT_THAT(faults_of_key("listen = ['https://127.0.0.1:25']"), HasSubstr("only http.listen speaks https://"));
    EXPECT_THAT(faults_of_key("lsten = []"), HasSubstr("did you mean \"listen\"?"));
    EXPECT_THAT(faults_of("[limits]\nsmtp_idle = '0s'\n"), HasSubstr("not between"));
}

TEST(ConfigSmtp, half_of_a_pair_is_warned_of) {
    EXPECT_THAT(faults_of_key("bare_newline = 'normalize'"), HasSubstr("warning: smtp.bare_newline: \"normalize\" has no effect"));
    EXPECT_THAT(faults_of_key("bare_newline_clients = ['192.0.2.1']"),
                HasSubstr("warning: smtp.bare_newline_clients: these have no effect"));
}

TEST(ConfigSmtp, an_address_is_one_listener_s) {
    const std::string upstream = "upstream = 'a.test'\n";
    EXPECT_THAT(faults_of("[smtp]\nlisten = ['127.0.0.1:3128']\n" + upstream), HasSubstr("is both in http.listen and in smtp.listen"));
    EXPECT_THAT(faults_of("[smtp]\nlisten = ['127.0.0.1:2121']\n" + upstream), HasSubstr("is both in ftp.listen and in smtp.listen"));
    EXPECT_THAT(faults_of("[smtp]\nimplicit_tls = ['127.0.0.1:2525']\n" + upstream),
                HasSubstr("is both in smtp.listen and in smtp.implicit_tls"));
    EXPECT_THAT(faults_of("[smtp]\nlisten = ['127.0.0.1:9180']\n" + upstream), HasSubstr("is both in smtp.listen and in admin.listen"));
    EXPECT_THAT(faults_of("[http]\nlisten = ['127.0.0.1:2525']\n[smtp]\n" + upstream),
                HasSubstr("is both in http.listen and in smtp.listen"));
    const auto own = own_listeners(good("[smtp]\nupstream = 'a.test'\nimplicit_tls = ['127.0.0.1:465']\n"));
    for (const char* address : {"127.0.0.1:2525", "127.0.0.1:465"}) EXPECT_THAT(own, Contains(*IpPort::parse(address)));
}

TEST(ConfigSmtp, listeners_need_a_restart_and_nothing_else_does) {
    const Config running = good("[smtp]\nupstream = 'a.test'\n");
    const auto keys = [&](const std::string& lines) { return keys_needing_restart(running, good("[smtp]\n" + lines)); };
    EXPECT_THAT(keys("upstream = 'a.test'\nlisten = ['127.0.0.1:26']\n"), ElementsAre("smtp.listen"));
    EXPECT_THAT(keys("upstream = 'a.test'\nimplicit_tls = ['127.0.0.1:465']\n"), ElementsAre("smtp.implicit_tls"));
    EXPECT_THAT(keys(""), ElementsAre("smtp.upstream")) << "its listener goes";
    EXPECT_THAT(keys_needing_restart(good(""), running), ElementsAre("smtp.upstream")) << "its listener comes";
    EXPECT_THAT(keys("upstream = ['b.test', 'lmtp:/run/lmtp']\nhostname = 'gw.test'\ndomains = ['a.test']\nrelay_clients = []\n"
                     "max_message = 2000\nmax_recipients = 1\nclient_tls = 'off'\nupstream_tls = 'off'\nauth_without_tls = true\n"
                     "bare_newline = 'normalize'\nbare_newline_clients = ['192.0.2.1']\nreceived = false\nupstream_client = 'xclient'\n"
                     "trusted = ['192.0.2.1']\n[limits]\nsmtp_idle = '1s'\nsmtp_end_of_data = '1s'\n"),
                IsEmpty());
}

}  // namespace
}  // namespace sluice::app
