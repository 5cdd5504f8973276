// SPDX-License-Identifier: Apache-2.0
#include "app/generation.h"

#include "app/loaded.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <utility>

namespace sluice::app {
namespace {

using testing::ElementsAre;

struct Made {
    http::Generation http;
    ftp::Generation ftp;
    smtp::Generation smtp;
};

Made make(const std::string& text) {
    Diagnostics faults;
    const Config config = parse_config(text, "test.toml", faults);
    const auto policy = policy::Policy::compile(config.policy, faults, nullptr);
    EXPECT_EQ(to_string(faults), "") << text;
    audit::Metrics metrics(1);
    const auto setup = std::make_shared<const inspect::Setup>();
    http::Generation http = make_generation(config, policy, setup, {}, {"sluice-x", {*IpAddress::parse("192.0.2.1")}}, metrics);
    ftp::Generation ftp = make_ftp_generation(config, http, {});
    smtp::Generation smtp = make_smtp_generation(config, http, {});
    return {std::move(http), std::move(ftp), std::move(smtp)};
}

TEST(Generation, ftp_has_what_its_section_says) {
    const ftp::Generation made = make(R"(
[ftp]
upstream = "[2001:db8::7]:2121"
ports = [21, "2000-2010"]
passive_ports = "40000-40099"
passive_address = "192.0.2.9"
upstream_mode = "active"
client_tls = "off"
upstream_tls = "require"
require_tls_resumption = true
implicit_tls = ["127.0.0.1:990"]
site = ["CHMOD"]
sessions_per_client = 3
line = 1024
path = 600
[limits]
ftp_idle = "1s"
)")
                                     .ftp;
    const ftp::Settings& settings = *made.settings;
    ASSERT_TRUE(settings.upstream);
    EXPECT_EQ(settings.upstream->host.host, "2001:db8::7");
    EXPECT_EQ(settings.upstream->host.address, IpAddress::parse("2001:db8::7"));
    EXPECT_TRUE(settings.upstream->host.is_ip_literal);
    EXPECT_EQ(settings.upstream->port, 2121);
    ASSERT_EQ(settings.ports.size(), 2U);
    EXPECT_TRUE(settings.ports[1].has(2000) && settings.ports[1].has(2010) && !settings.ports[1].has(2011));
    EXPECT_TRUE(settings.passive_ports.has(40000) && settings.passive_ports.has(40099) && !settings.passive_ports.has(40100));
    EXPECT_EQ(settings.passive_address, IpAddress::parse("192.0.2.9"));
    EXPECT_EQ(settings.upstream_mode, ftp::DataMode::active);
    EXPECT_EQ(settings.client_tls, ftp::ClientTls::off);
    EXPECT_EQ(settings.upstream_tls, ftp::UpstreamTls::require);
    EXPECT_TRUE(settings.require_tls_resumption);
    EXPECT_THAT(settings.implicit_listeners, ElementsAre(*IpPort::parse("127.0.0.1:990")));
    EXPECT_THAT(settings.site, ElementsAre("CHMOD"));
    EXPECT_EQ(settings.sessions_per_client, 3U);
    EXPECT_EQ(settings.limits.ftp_line, 1024U);
    EXPECT_EQ(settings.limits.ftp_path, 600U);
    EXPECT_EQ(settings.limits.ftp_idle, std::chrono::seconds(1));
}

TEST(Generation, smtp_has_what_its_section_says) {
    const smtp::Generation made = make(R"(
[smtp]
upstream = ["[2001:db8::7]:26", "smtps://mail.test", "lmtp:/run/lmtp"]
hostname = "gw.test"
domains = ["a.test"]
relay_clients = ["10.0.0.0/8"]
max_message = "1MiB"
max_recipients = 7
implicit_tls = ["127.0.0.1:465"]
client_tls = "off"
upstream_tls = "require"
auth_without_tls = true
bare_newline = "normalize"
bare_newline_clients = ["192.0.2.7"]
received = false
upstream_client = "xforward"
trusted = ["192.0.2.8"]
[limits]
smtp_idle = "1s"
smtp_end_of_data = "2s"
)")
                                      .smtp;
    const smtp::Settings& settings = *made.settings;
    using Kind = smtp::UpstreamServer::Kind;
    ASSERT_EQ(settings.upstreams.size(), 3U);
    EXPECT_EQ(settings.upstreams[0].kind, Kind::smtp);
    EXPECT_EQ(settings.upstreams[0].host.address, IpAddress::parse("2001:db8::7"));
    EXPECT_TRUE(settings.upstreams[0].host.is_ip_literal);
    EXPECT_EQ(settings.upstreams[0].port, 26);
    EXPECT_EQ(settings.upstreams[1].kind, Kind::smtps);
    EXPECT_EQ(settings.upstreams[1].host.host, "mail.test");
    EXPECT_EQ(settings.upstreams[1].port, 465);
    EXPECT_EQ(settings.upstreams[2].kind, Kind::lmtp);
    EXPECT_EQ(settings.upstreams[2].path, "/run/lmtp");
    EXPECT_EQ(settings.upstreams[2].host.host, "");
    EXPECT_EQ(settings.hostname, "gw.test");
    EXPECT_THAT(settings.domains, ElementsAre("a.test"));
    EXPECT_THAT(settings.relay_clients, ElementsAre(*IpNetwork::parse("10.0.0.0/8")));
    EXPECT_EQ(settings.max_message, 1U << 20);
    EXPECT_EQ(settings.max_recipients, 7U);
    EXPECT_EQ(settings.client_tls, smtp::ClientTls::off);
    EXPECT_EQ(settings.upstream_tls, smtp::UpstreamTls::require);
    EXPECT_TRUE(settings.auth_without_tls);
    EXPECT_EQ(settings.bare_newline, smtp::BareNewline::normalize);
    EXPECT_THAT(settings.bare_newline_clients, ElementsAre(*IpNetwork::parse("192.0.2.7")));
    EXPECT_FALSE(settings.adds_received);
    EXPECT_EQ(settings.upstream_client, smtp::UpstreamClient::xforward);
    EXPECT_THAT(settings.trusted, ElementsAre(*IpNetwork::parse("192.0.2.8")));
    EXPECT_THAT(settings.implicit_listeners, ElementsAre(*IpPort::parse("127.0.0.1:465")));
    EXPECT_EQ(settings.limits.smtp_idle, std::chrono::seconds(1));
    EXPECT_EQ(settings.limits.smtp_end_of_data, std::chrono::seconds(2));
    EXPECT_FALSE(settings.own_has_certificate);
    EXPECT_FALSE(make("").smtp.settings->hostname.empty()) << "the system's";
}

TEST(Generation, every_gateway_shares_what_is_every_listener_s) {
    const Made made = make(R"(
[http]
clients = ["203.0.113.0/24"]
proxy_from = ["203.0.113.1"]
[log]
when_full = "wait"
[inspect]
deliver = "hold"
whole = "all"
ranges = "block"
trickle = true
[[rule]]
name = "r"
when = 'url.domain == "a.test"'
action = "block"
)");
    const ftp::Settings& ftp = *made.ftp.settings;
    const http::Settings& http = *made.http.settings;
    EXPECT_TRUE(ftp.serves(*IpAddress::parse("203.0.113.9")));
    EXPECT_FALSE(ftp.serves(*IpAddress::parse("127.0.0.1")));
    EXPECT_THAT(ftp.proxy_from, ElementsAre(*IpNetwork::parse("203.0.113.1")));
    EXPECT_TRUE(ftp.wait_for_log);
    EXPECT_TRUE(ftp.inspect);
    EXPECT_EQ(ftp.inspect, http.inspect);
    EXPECT_EQ(ftp.deliver, policy::Deliver::hold);
    EXPECT_EQ(ftp.whole, policy::Whole::all);
    EXPECT_EQ(ftp.ranges, policy::Ranges::block);
    EXPECT_TRUE(ftp.trickle);
    EXPECT_TRUE(ftp.redaction);
    EXPECT_EQ(ftp.redaction, http.redaction);
    EXPECT_EQ(made.ftp.rules.policy, made.http.rules.policy);
    EXPECT_EQ(made.ftp.rules.slots, made.http.rules.slots);
    EXPECT_EQ(made.ftp.rules.slots.size(), made.ftp.rules.policy->all_rules().size());
    EXPECT_FALSE(make("[inspect]\nengines = []\n").ftp.settings->inspect);
    const smtp::Settings& smtp = *made.smtp.settings;
    EXPECT_TRUE(smtp.serves(*IpAddress::parse("203.0.113.9")));
    EXPECT_FALSE(smtp.serves(*IpAddress::parse("127.0.0.1")));
    EXPECT_THAT(smtp.proxy_from, ElementsAre(*IpNetwork::parse("203.0.113.1")));
    EXPECT_TRUE(smtp.wait_for_log);
    EXPECT_EQ(smtp.inspect, http.inspect);
    EXPECT_EQ(smtp.deliver, policy::Deliver::hold);
    EXPECT_EQ(smtp.redaction, http.redaction);
    EXPECT_EQ(made.smtp.rules.policy, made.http.rules.policy);
    EXPECT_EQ(made.smtp.rules.slots, made.http.rules.slots);
}

TEST(Generation, nobody_reaches_our_listeners_through_either_protocol) {
    const Made made = make("[ftp]\nlisten = ['127.0.0.1:2121']\nimplicit_tls = ['127.0.0.1:2990']\n[smtp]\nupstream = 'a.test'\n");
    const IpAddress loopback = *IpAddress::parse("127.0.0.1");
    const auto refused = [&](const sessions::Settings& settings, std::uint16_t port) {
        return settings.protect_host->refuses(loopback, {loopback, port}).has_value();
    };
    for (const sessions::Settings* settings :
         std::initializer_list<const sessions::Settings*>{made.http.settings.get(), made.ftp.settings.get()}) {
        ASSERT_TRUE(settings->protect_host);
        for (const std::uint16_t port : std::initializer_list<std::uint16_t>{2121, 2525, 2990, 3128, 9180})
            EXPECT_TRUE(refused(*settings, port)) << port;
        EXPECT_FALSE(refused(*settings, 8080)) << "a client on loopback";
        EXPECT_TRUE(settings->protect_host->refuses(*IpAddress::parse("203.0.113.9"), {*IpAddress::parse("192.0.2.1"), 21}))
            << "an address of ours";
    }
    const Made off = make("[builtin]\nprotect-host = false\n");
    EXPECT_FALSE(off.ftp.settings->protect_host || off.http.settings->protect_host);
}

TEST(Generation, a_server_that_the_configuration_names_may_be_anywhere) {
    const Made made = make("[ftp]\nupstream = '127.0.0.1:21'\n");
    EXPECT_FALSE(made.ftp.settings->protect_host);
    EXPECT_TRUE(made.http.settings->protect_host) << "of HTTP it says nothing";
    const Made mail = make("[smtp]\nupstream = '127.0.0.1:25'\n");
    EXPECT_FALSE(mail.smtp.settings->protect_host);
    EXPECT_TRUE(mail.ftp.settings->protect_host && mail.http.settings->protect_host);
}

}  // namespace
}  // namespace sluice::app
