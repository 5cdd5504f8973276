// SPDX-License-Identifier: Apache-2.0
#include "app/config.h"
#include "app/loaded.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace sluice::app {
namespace {

using testing::HasSubstr;

std::string faults_of(const std::string& text) {
    Diagnostics faults;
    parse_config(text, "test.toml", faults);
    return to_string(faults);
}

Config good(const std::string& text) {
    Diagnostics faults;
    Config config = parse_config(text, "test.toml", faults);
    EXPECT_EQ(to_string(faults), "") << text;
    return config;
}

TEST(ConfigTls, every_key) {
    const TlsConfig none = good("").tls;
    EXPECT_FALSE(none.intercept);
    EXPECT_EQ(none.learn, Learn::suggest);
    EXPECT_EQ(none.ca_dir.filename(), "ca");
    EXPECT_TRUE(none.ca_dir.is_absolute());
    const Config config = good(
        "[http]\nlisten = ['127.0.0.1:1', 'https://127.0.0.1:2']\n[tls]\nintercept = true\nlearn = 'apply'\nca_dir = '/a/b'\n"
        "upstream_ca = '/r.pem'\ncertificate = '/c.pem'\nkey = '/k.pem'\nclient_ca = '/u.pem'\n"
        "client_certificates = { 'Host.Example' = { certificate = '/m.pem', key = '/m.key' } }\n");
    EXPECT_TRUE(config.tls.intercept);
    EXPECT_EQ(config.tls.learn, Learn::apply);
    EXPECT_EQ(config.tls.ca_dir, "/a/b");
    EXPECT_EQ(config.tls.upstream_ca, "/r.pem");
    EXPECT_EQ(config.tls.certificate, "/c.pem");
    EXPECT_EQ(config.tls.key, "/k.pem");
    EXPECT_EQ(config.tls.client_ca, "/u.pem");
    EXPECT_EQ(config.tls.client_certificates, (std::vector<net::tls::ClientCertificate>{{"host.example", "/m.pem", "/m.key"}}));
    EXPECT_EQ(config.http.listen, (std::vector<IpPort>{*IpPort::parse("127.0.0.1:1")}));
    EXPECT_EQ(config.http.tls_listen, (std::vector<IpPort>{*IpPort::parse("127.0.0.1:2")}));
    EXPECT_THAT(faults_of("[tls]\ncertificate = 'a.pem'\n"), HasSubstr("one of them is missing"));
    EXPECT_THAT(faults_of("[tls]\nclient_certificates = { 'a.b' = { certificate = 'm.pem' } }\n"),
                HasSubstr("`certificate` and `key` are expected"));
    EXPECT_THAT(faults_of("[tls]\nclient_certificates = { 'a b' = {} }\n"), HasSubstr("is not a host"));
    EXPECT_THAT(faults_of("[http]\nlisten = ['127.0.0.1:1', 'https://127.0.0.1:1']\n"), HasSubstr("twice"));
    EXPECT_THAT(faults_of("[admin]\nlisten = 'https://127.0.0.1:1'\n"), HasSubstr("only http.listen"));
}

}  // namespace
}  // namespace sluice::app
