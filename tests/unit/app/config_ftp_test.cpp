// SPDX-License-Identifier: Apache-2.0
// [ftp], and what it shares with the other listeners.
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

Config good(const std::string& text) {
    Diagnostics faults;
    Config config = parse_config(text, "test.toml", faults);
    EXPECT_EQ(to_string(faults), "") << text;
    return config;
}

std::string faults_of(const std::string& text) {
    Diagnostics faults;
    parse_config(text, "test.toml", faults);
    return to_string(faults);
}

std::string faults_of_key(const std::string& line) { return faults_of("[ftp]\n" + line + "\n"); }

TEST(ConfigFtp, an_empty_file_means_the_contract_s_defaults) {
    const Config config = good("");
    EXPECT_EQ(config.ftp, FtpConfig{});
    EXPECT_THAT(config.ftp.listen, ElementsAre(*IpPort::parse("127.0.0.1:2121")));
    EXPECT_EQ(config.ftp.upstream.host, "");
    EXPECT_THAT(config.ftp.ports, ElementsAre(PortRange{21, 21}, PortRange{990, 990}));
    EXPECT_EQ(config.ftp.passive_ports, (PortRange{30000, 30999}));
    EXPECT_FALSE(config.ftp.passive_address);
    EXPECT_FALSE(config.ftp.is_active);
    EXPECT_THAT(config.ftp.implicit_tls, IsEmpty());
    EXPECT_EQ(config.ftp.client_tls, ClientTls::allow);
    EXPECT_EQ(config.ftp.upstream_tls, UpstreamTls::match);
    EXPECT_FALSE(config.ftp.require_tls_resumption);
    EXPECT_THAT(config.ftp.site, IsEmpty());
    EXPECT_EQ(config.ftp.sessions_per_client, 64U);
    EXPECT_EQ(config.limits.ftp_line, 4096U);
    EXPECT_EQ(config.limits.ftp_path, 2048U);
    EXPECT_EQ(config.limits.ftp_idle, 300s);
}

TEST(ConfigFtp, the_default_that_is_printed_says_every_key) {
    const std::string printed(default_config_text());
    EXPECT_EQ(good(printed).ftp, FtpConfig{});
    const std::size_t begin = printed.find("\n[ftp]\n");
    ASSERT_NE(begin, std::string::npos);
    const std::string section = printed.substr(begin, printed.find("\n[", begin + 1) - begin);
    for (const char* key : {"listen", "upstream", "ports", "passive_ports", "passive_address", "upstream_mode", "implicit_tls",
                            "client_tls", "upstream_tls", "require_tls_resumption", "site", "sessions_per_client", "line", "path"})
        EXPECT_THAT(section, HasSubstr("\n" + std::string(key) + " = ")) << key;
}

TEST(ConfigFtp, values) {
    const Config config = good(R"(
[ftp]
listen = ["0.0.0.0:21", "[::]:21"]
upstream = "FTP.Example.org:2100"
ports = [21, "2000-2010"]
passive_ports = "40000-40099"
passive_address = "192.0.2.7"
upstream_mode = "active"
implicit_tls = ["0.0.0.0:990"]
client_tls = "require"
upstream_tls = "prefer"
require_tls_resumption = true
site = ["chmod", "UTIME"]
sessions_per_client = 3
line = "8KiB"
path = 1024
[limits]
ftp_idle = "10m"
)");
    const FtpConfig& ftp = config.ftp;
    EXPECT_THAT(ftp.listen, ElementsAre(*IpPort::parse("0.0.0.0:21"), *IpPort::parse("[::]:21")));
    EXPECT_EQ(ftp.upstream, (FtpConfig::Upstream{"ftp.example.org", 2100}));
    EXPECT_THAT(ftp.ports, ElementsAre(PortRange{21, 21}, PortRange{2000, 2010}));
    EXPECT_EQ(ftp.passive_ports, (PortRange{40000, 40099}));
    EXPECT_EQ(ftp.passive_address, IpAddress::parse("192.0.2.7"));
    EXPECT_TRUE(ftp.is_active);
    EXPECT_THAT(ftp.implicit_tls, ElementsAre(*IpPort::parse("0.0.0.0:990")));
    EXPECT_EQ(ftp.client_tls, ClientTls::require);
    EXPECT_EQ(ftp.upstream_tls, UpstreamTls::prefer);
    EXPECT_TRUE(ftp.require_tls_resumption);
    EXPECT_THAT(ftp.site, ElementsAre("CHMOD", "UTIME"));
    EXPECT_EQ(ftp.sessions_per_client, 3U);
    EXPECT_EQ(config.limits.ftp_line, 8192U);
    EXPECT_EQ(config.limits.ftp_path, 1024U);
    EXPECT_EQ(config.limits.ftp_idle, 10min);
}

TEST(ConfigFtp, what_may_be_empty) {
    const FtpConfig ftp = good("[ftp]\nlisten = []\nupstream = ''\npassive_address = ''\nsite = []\n").ftp;
    EXPECT_FALSE(ftp.is_on());
    EXPECT_EQ(ftp.upstream.host, "");
    EXPECT_FALSE(ftp.passive_address);
    EXPECT_TRUE(good("[ftp]\nlisten = []\nimplicit_tls = ['127.0.0.1:990']\n").ftp.is_on());
    EXPECT_EQ(faults_of("[http]\nlisten = []\n"), "") << "FTP is served";
    EXPECT_THAT(faults_of("[http]\nlisten = []\n[ftp]\nlisten = []\n"), HasSubstr("nothing is served but the admin listener"));
}

TEST(ConfigFtp, the_server_of_all_clients) {
    EXPECT_EQ(good("[ftp]\nupstream = 'a.test'\n").ftp.upstream, (FtpConfig::Upstream{"a.test", 21}));
    const FtpConfig literal = good("[ftp]\nupstream = '[2001:DB8::1]:2121'\n").ftp;
    EXPECT_EQ(literal.upstream, (FtpConfig::Upstream{"2001:db8::1", 2121}));
    std::string written;
    upstream_authority(literal).append_to(written, literal.upstream.port);
    EXPECT_EQ(written, "[2001:db8::1]:2121");
    EXPECT_EQ(upstream_authority(literal).address, IpAddress::parse("2001:db8::1"));
    EXPECT_EQ(upstream_authority(good("[ftp]\nupstream = '127.1'\n").ftp).address, IpAddress::parse("127.0.0.1"));
    for (const char* bad :
         {"'a.test:0'", "'a.test:port'", "'2001:db8::1'", "'user@a.test:21'", "':21'", "'a b:21'", "'ftp://a.test'", "21"})
        EXPECT_THAT(faults_of_key(std::string("upstream = ") + bad), HasSubstr("test.toml:2:12: ftp.upstream: ")) << bad;
}

TEST(ConfigFtp, what_is_wrong_is_said_with_its_place) {
    EXPECT_THAT(faults_of_key("passive_ports = '1000-2000'"),
                HasSubstr("test.toml:2:17: ftp.passive_ports: data connections use ports from 1024"));
    EXPECT_THAT(faults_of_key("passive_ports = ['30000-30009', '31000-31009']"), HasSubstr("one range is expected"));
    EXPECT_THAT(faults_of_key("passive_ports = []"), HasSubstr("one range is expected"));
    EXPECT_THAT(faults_of_key("passive_ports = '30999-30000'"), HasSubstr("a port is expected"));
    EXPECT_THAT(faults_of_key("passive_address = '2001:db8::1'"), HasSubstr("ftp.passive_address: an IPv4 address is expected"));
    EXPECT_THAT(faults_of_key("passive_address = 'gw.example'"), HasSubstr("ftp.passive_address: an IPv4 address is expected"));
    EXPECT_THAT(faults_of_key("upstream_mode = 'pasive'"), HasSubstr("did you mean \"passive\"?"));
    EXPECT_THAT(faults_of_key("client_tls = 'alow'"), HasSubstr("did you mean \"allow\"?"));
    EXPECT_THAT(faults_of_key("upstream_tls = 'on'"), HasSubstr("one of \"off\", \"prefer\", \"require\", \"match\" is expected"));
    EXPECT_THAT(faults_of_key("site = ['CHMOD 777']"), HasSubstr("is no SITE subcommand"));
    EXPECT_THAT(faults_of_key("site = ['']"), HasSubstr("is no SITE subcommand"));
    EXPECT_THAT(faults_of_key("sessions_per_client = 0"), HasSubstr("0 is not between 1 and"));
    EXPECT_THAT(faults_of_key("line = 100"), HasSubstr("at least 512 bytes"));
    EXPECT_THAT(faults_of_key("path = '1MiB'"), HasSubstr("at most 65536 bytes"));
    EXPECT_THAT(faults_of_key("listen = ['https://127.0.0.1:2121']"), HasSubstr("only http.listen speaks https://"));
    EXPECT_THAT(faults_of_key("lsten = []"), HasSubstr("did you mean \"listen\"?"));
}

TEST(ConfigFtp, an_address_is_one_listener_s) {
    EXPECT_THAT(faults_of("[ftp]\nlisten = ['127.0.0.1:3128']\n"), HasSubstr("127.0.0.1:3128 is both in http.listen and in ftp.listen"));
    EXPECT_THAT(faults_of("[ftp]\nlisten = ['127.0.0.1:9180']\n"), HasSubstr("127.0.0.1:9180 is both in ftp.listen and in admin.listen"));
    EXPECT_THAT(faults_of("[ftp]\nimplicit_tls = ['127.0.0.1:2121']\n"), HasSubstr("is both in ftp.listen and in ftp.implicit_tls"));
    EXPECT_THAT(faults_of("[http]\nlisten = ['https://127.0.0.1:2121']\n"), HasSubstr("is both in http.listen and in ftp.listen"));
}

TEST(ConfigFtp, listeners_need_a_restart_and_nothing_else_does) {
    const Config running = good("");
    EXPECT_THAT(keys_needing_restart(running, good("[ftp]\nlisten = []\n")), ElementsAre("ftp.listen"));
    EXPECT_THAT(keys_needing_restart(running, good("[ftp]\nimplicit_tls = ['127.0.0.1:990']\n")), ElementsAre("ftp.implicit_tls"));
    EXPECT_THAT(keys_needing_restart(running, good("[ftp]\nupstream = 'a.test:21'\nports = [2121]\npassive_ports = '40000-40009'\n"
                                                   "passive_address = '192.0.2.1'\nupstream_mode = 'active'\nclient_tls = 'off'\n"
                                                   "upstream_tls = 'off'\nsite = ['CHMOD']\nsessions_per_client = 1\nline = 1024\n"
                                                   "path = 1024\n[limits]\nftp_idle = '1s'\n")),
                IsEmpty());
}

TEST(ConfigFtp, all_listeners_are_our_own) {
    const auto own =
        own_listeners(good("[http]\nlisten = ['127.0.0.1:1', 'https://127.0.0.1:2']\n[ftp]\nlisten = ['127.0.0.1:3']\n"
                           "implicit_tls = ['127.0.0.1:4']\n[admin]\nlisten = '127.0.0.1:5'\n"));
    for (const char* address : {"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3", "127.0.0.1:4", "127.0.0.1:5"})
        EXPECT_THAT(own, Contains(*IpPort::parse(address)));
}

}  // namespace
}  // namespace sluice::app
