// SPDX-License-Identifier: Apache-2.0
#include "sessions/transaction/connect.h"

#include <gmock/gmock.h>

#include "net/connection_limits.h"
#include "net/listener.h"
#include "net/resolver.h"
#include "unit/sessions/transaction/support.h"

namespace sluice::sessions {
namespace {

using namespace testing;
using policy::Field;

class ConnectTest : public ::testing::Test {
protected:
    void name(std::string_view host, std::vector<std::string_view> addresses) {
        auto hosts = std::make_shared<net::HostsMap>();
        for (const std::string_view each : addresses) (*hosts)[std::string(host)].push_back(address(each));
        worker_.resolver().use({.hosts = std::move(hosts), .servers = {}});
    }
    // A port of 127.0.0.1 where somebody answers.
    std::uint16_t listen() {
        socket_ = net::ListenSocket::open({address("127.0.0.1"), 0}).value();
        return socket_->local().port;
    }
    Connected connect_to(Court& court, std::string_view host, std::uint16_t port) {
        const Authority server = parse_authority(host, false).value();
        const IpAddress client = address("192.0.2.1");
        const Limits limits;
        Connected connected;
        const auto reach = [&]() -> net::Task<void> {
            connected = co_await connect(worker_, court.judgement, client, server, port, limits);
        };
        worker_.run(reach());
        return connected;
    }

    net::Worker worker_;
    std::optional<net::ListenSocket> socket_;
};

TEST_F(ConnectTest, goes_to_the_address_that_no_rule_denies) {
    Court court({rule("no-two", "server.ip == 127.0.0.2", "block"), rule("one", "server.ip == 127.0.0.1", "allow")});
    const std::uint16_t port = listen();
    name("both.test", {"127.0.0.2", "127.0.0.1", "::ffff:127.0.0.1"});
    const Connected connected = connect_to(court, "both.test", port);
    const auto* dialled = std::get_if<net::Dialled>(&connected);
    ASSERT_TRUE(dialled);
    EXPECT_EQ(dialled->address, (IpPort{address("127.0.0.1"), port}));
    EXPECT_EQ(court.judgement.facts.ip(Field::server_ip), address("127.0.0.1"));
    EXPECT_EQ(court.judgement.rule, "one");
    EXPECT_EQ(court.matches("one"), 1U) << "an address that a name has twice is one";
    EXPECT_EQ(court.judgement.candidates.size(), 1U);
}

TEST_F(ConnectTest, dials_nothing_where_all_are_denied) {
    Court court({rule("none", "server.ip in 127.0.0.0/8", "block")});
    const std::uint16_t port = listen();
    name("both.test", {"127.0.0.2", "127.0.0.1"});
    for (const std::string_view host : {"both.test", "127.0.0.1"}) {
        const Connected connected = connect_to(court, host, port);
        const auto* denial = std::get_if<Denial>(&connected);
        ASSERT_TRUE(denial) << host;
        EXPECT_EQ(denial->name, "none");
    }
}

TEST_F(ConnectTest, says_where_it_failed_and_with_which_address) {
    Court court({});
    const std::uint16_t port = listen();
    socket_.reset();                                     // nobody there any more
    name("both.test", {"127.0.0.2", "127.0.0.1"});
    Connected connected = connect_to(court, "both.test", port);
    const auto* failure = std::get_if<ConnectFailure>(&connected);
    ASSERT_TRUE(failure);
    EXPECT_FALSE(failure->in_resolving);
    EXPECT_EQ(failure->error.code, Errc::refused);
    EXPECT_EQ(failure->tried, (IpPort{address("127.0.0.2"), port}));

    connected = connect_to(court, "unknown.test", port);
    failure = std::get_if<ConnectFailure>(&connected);
    ASSERT_TRUE(failure);
    EXPECT_TRUE(failure->in_resolving);
    EXPECT_FALSE(failure->tried);
}

}  // namespace
}  // namespace sluice::sessions
