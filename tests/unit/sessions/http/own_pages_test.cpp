// SPDX-License-Identifier: Apache-2.0
#include "sessions/http/own_pages.h"

#include <gtest/gtest.h>

#include "sessions/http/ports.h"

namespace sluice::http {
namespace {

const IpPort listener{*IpAddress::parse("192.0.2.1"), 3128};

TEST(ProxyAutoConfig, names_the_proxy_as_it_was_asked_for) {
    EXPECT_NE(proxy_auto_config(listener, "proxy.test:8080").find("\"PROXY proxy.test:8080\""), std::string::npos);
    EXPECT_NE(proxy_auto_config(listener, "[2001:DB8::1]:8080").find("\"PROXY [2001:db8::1]:8080\""), std::string::npos);
}

TEST(ProxyAutoConfig, names_its_own_address_otherwise) {
    for (const std::string_view host : {"", "proxy.test", "proxy.test:x", "bad host:80", "a\";alert(1);//:80", "user@proxy.test:80"})
        EXPECT_NE(proxy_auto_config(listener, host).find("\"PROXY 192.0.2.1:3128\""), std::string::npos) << host;
}

TEST(ProxyAutoConfig, keeps_plain_names_away_from_the_proxy) {
    const std::string pac = proxy_auto_config(listener, "");
    EXPECT_TRUE(pac.starts_with("function FindProxyForURL(url, host) {"));
    EXPECT_NE(pac.find("isPlainHostName(host)"), std::string::npos);
    EXPECT_NE(pac.find("return \"DIRECT\""), std::string::npos);
}

TEST(Ports, of_other_protocols_are_bad) {
    for (const int port :
         {0, 1, 19, 21, 22, 23, 25, 53, 110, 143, 389, 465, 587, 993, 2049, 4190, 5060, 5061, 6000, 6566, 6665, 6669, 6679, 6697, 10080})
        EXPECT_TRUE(is_bad_port(static_cast<std::uint16_t>(port))) << port;
    for (const int port : {80, 81, 443, 3128, 8080, 8443, 6670, 10081, 65535})
        EXPECT_FALSE(is_bad_port(static_cast<std::uint16_t>(port))) << port;
}

}  // namespace
}  // namespace sluice::http
