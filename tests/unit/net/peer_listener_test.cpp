// SPDX-License-Identifier: Apache-2.0
#include "net/peer_listener.h"

#include <chrono>
#include <set>

#include "unit/net/support.h"

namespace sluice::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const IpAddress here = IpAddress::v4(0x7f000001);
const IpAddress elsewhere = IpAddress::v4(0x7f000002);

// A connection from that address of ours; the system needs no worker to make it.
Descriptor connect_from(const IpAddress& from, const IpPort& to) {
    Descriptor client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const SocketAddress own(IpPort{from, 0});
    EXPECT_EQ(::bind(client.value, own.get(), own.length()), 0);
    const SocketAddress address(to);
    EXPECT_EQ(::connect(client.value, address.get(), address.length()), 0);
    return client;
}

bool can_connect(const IpPort& to) {
    const Descriptor client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const SocketAddress address(to);
    return ::connect(client.value, address.get(), address.length()) == 0;
}

// So many ports in a row that nobody has, outside of those that the system hands out itself.
std::uint16_t free_ports(std::size_t count) {
    for (std::uint16_t first = 21'000; first < 29'000; first = static_cast<std::uint16_t>(first + 7)) {
        std::vector<Descriptor> held;
        while (held.size() < count) {
            Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
            const SocketAddress address(loopback(static_cast<std::uint16_t>(first + held.size())));
            if (::bind(socket.value, address.get(), address.length()) != 0) break;
            held.push_back(std::move(socket));
        }
        if (held.size() == count) return first;
    }
    ADD_FAILURE() << "no free ports";
    return 0;
}

std::unique_ptr<PeerListener> open(Worker& worker, std::uint16_t first = 21'000, std::uint16_t last = 29'999) {
    auto listener = PeerListener::open(worker, here, first, last, here, Side::client);
    EXPECT_TRUE(listener);
    return listener ? std::move(*listener) : nullptr;
}

using Accepted = Result<std::unique_ptr<TcpStream>>;

TEST(PeerListener, accepts_its_peer_and_nobody_after_it) {
    Worker worker;
    auto listener = open(worker);
    const IpPort address = listener->local();
    EXPECT_EQ(address.address, here);
    EXPECT_GE(address.port, 21'000);
    EXPECT_LE(address.port, 29'999);
    const Descriptor client = connect_from(here, address);
    worker.run([](PeerListener& at, const Descriptor& from) -> Task<void> {
        const auto accepted = co_await at.accept(seconds(5));
        EXPECT_TRUE(accepted.has_value());
        if (!accepted) co_return;
        EXPECT_EQ((*accepted)->peer(), SocketAddress::local_of(from.value).to_ip_port());
        EXPECT_EQ((*accepted)->side(), Side::client);
        EXPECT_EQ(::send(from.value, "hi", 2, 0), 2);
        EXPECT_EQ(co_await receive(**accepted, 2), "hi");
    }(*listener, client));
    EXPECT_FALSE(can_connect(address)) << "the port is closed as soon as the peer is there";
    EXPECT_EQ(listener->strangers(), 0U);
}

TEST(PeerListener, may_be_asked_after_the_peer_has_come) {
    Worker worker;
    auto listener = open(worker);
    const IpPort address = listener->local();
    const Descriptor client = connect_from(here, address);
    worker.run(worker.sleep(milliseconds(20)));
    EXPECT_FALSE(can_connect(address));
    worker.run([](PeerListener& at) -> Task<void> {
        const auto accepted = co_await at.accept(milliseconds(1));
        EXPECT_TRUE(accepted.has_value());
    }(*listener));
}

TEST(PeerListener, waits_for_its_peer) {
    Worker worker;
    auto listener = open(worker);
    std::optional<Accepted> accepted;
    spawn(worker,
          [](PeerListener& at, std::optional<Accepted>& out) -> Task<void> { out = co_await at.accept(seconds(5)); }(*listener, accepted));
    worker.run(worker.sleep(milliseconds(20)));
    EXPECT_FALSE(accepted);
    const Descriptor client = connect_from(here, listener->local());
    worker.run(worker.sleep(milliseconds(20)));
    ASSERT_TRUE(accepted);
    EXPECT_TRUE(accepted->has_value());
}

TEST(PeerListener, resets_a_stranger_and_waits_on) {
    Worker worker;
    auto listener = open(worker);
    const Descriptor first = connect_from(elsewhere, listener->local());
    const Descriptor second = connect_from(elsewhere, listener->local());
    const Descriptor client = connect_from(here, listener->local());
    worker.run([](PeerListener& at, const Descriptor& from) -> Task<void> {
        const auto accepted = co_await at.accept(seconds(5));
        EXPECT_TRUE(accepted.has_value());
        if (accepted) EXPECT_EQ((*accepted)->peer(), SocketAddress::local_of(from.value).to_ip_port());
    }(*listener, client));
    EXPECT_EQ(listener->strangers(), 2U);
    for (const Descriptor* stranger : {&first, &second}) {
        char octet = 0;
        EXPECT_EQ(::recv(stranger->value, &octet, 1, 0), -1);
        EXPECT_EQ(errno, ECONNRESET);
    }
}

TEST(PeerListener, a_stranger_alone_is_nobody) {
    Worker worker;
    auto listener = open(worker);
    const Descriptor stranger = connect_from(elsewhere, listener->local());
    worker.run([](PeerListener& at) -> Task<void> {
        const auto accepted = co_await at.accept(milliseconds(50));
        EXPECT_FALSE(accepted.has_value());
        if (!accepted) EXPECT_EQ(accepted.error().code, Errc::timed_out);
    }(*listener));
    EXPECT_EQ(listener->strangers(), 1U);
}

TEST(PeerListener, nobody_within_the_time_is_the_sides_fault) {
    for (const Side side : {Side::client, Side::server}) {
        Worker worker;
        auto listener = PeerListener::open(worker, here, 21'000, 29'999, here, side);
        ASSERT_TRUE(listener);
        const IpPort address = (*listener)->local();
        const auto before = std::chrono::steady_clock::now();
        worker.run([](PeerListener& at, Side whose) -> Task<void> {
            const auto accepted = co_await at.accept(milliseconds(50));
            EXPECT_FALSE(accepted.has_value());
            if (accepted) co_return;
            EXPECT_EQ(accepted.error().code, Errc::timed_out);
            EXPECT_EQ(accepted.error().side, whose);
        }(**listener, side));
        EXPECT_GE(std::chrono::steady_clock::now() - before, milliseconds(50));
        EXPECT_FALSE(can_connect(address)) << "it listens no more";
    }
}

TEST(PeerListener, who_waits_is_told_of_the_end) {
    Worker worker;
    auto listener = open(worker);
    std::optional<Accepted> accepted;
    spawn(worker,
          [](PeerListener& at, std::optional<Accepted>& out) -> Task<void> { out = co_await at.accept(seconds(5)); }(*listener, accepted));
    worker.run(worker.sleep(milliseconds(10)));
    EXPECT_FALSE(accepted);
    listener->cancel();
    worker.run(worker.sleep(milliseconds(10)));
    ASSERT_TRUE(accepted);
    ASSERT_FALSE(accepted->has_value());
    EXPECT_EQ(accepted->error().code, Errc::cancelled);
    EXPECT_FALSE(can_connect(listener->local()));
}

TEST(PeerListener, cancelled_before_it_is_asked) {
    Worker worker;
    auto listener = open(worker);
    listener->cancel(Errc::reset);
    worker.run([](PeerListener& at) -> Task<void> {
        const auto accepted = co_await at.accept(seconds(5));
        EXPECT_FALSE(accepted.has_value());
        if (!accepted) EXPECT_EQ(accepted.error().code, Errc::reset);
    }(*listener));
}

TEST(PeerListener, destroyed_it_breaks_off_a_peer_that_nobody_asked_for) {
    Worker worker;
    auto listener = open(worker);
    const Descriptor client = connect_from(here, listener->local());
    worker.run(worker.sleep(milliseconds(20)));
    listener.reset();
    char octet = 0;
    EXPECT_EQ(::recv(client.value, &octet, 1, 0), -1) << "an orderly end would be an empty file";
    EXPECT_EQ(errno, ECONNRESET);
}

TEST(PeerListener, two_never_share_a_port) {
    Worker worker;
    const std::uint16_t first = free_ports(8);
    const auto last = static_cast<std::uint16_t>(first + 7);
    std::vector<std::unique_ptr<PeerListener>> all;
    std::set<std::uint16_t> ports;
    for (int i = 0; i < 8; ++i) {
        all.push_back(open(worker, first, last));
        ASSERT_TRUE(all.back());
        ports.insert(all.back()->local().port);
    }
    EXPECT_EQ(ports.size(), 8U);
    EXPECT_EQ(*ports.begin(), first);
    EXPECT_EQ(*ports.rbegin(), last);
}

TEST(PeerListener, a_range_without_a_free_port_is_overload) {
    Worker worker;
    const std::uint16_t port = free_ports(1);
    auto listener = open(worker, port, port);
    ASSERT_TRUE(listener);
    const auto another = PeerListener::open(worker, here, port, port, here, Side::client);
    ASSERT_FALSE(another);
    EXPECT_EQ(another.error().code, Errc::overloaded);
    EXPECT_EQ(another.error().side, Side::self);
    listener.reset();
    EXPECT_TRUE(open(worker, port, port)) << "it is free again";
}

// A port that was in use is free again at once, though its last connection lingers.
TEST(PeerListener, a_port_may_be_used_again_at_once) {
    Worker worker;
    const std::uint16_t port = free_ports(1);
    for (int i = 0; i < 3; ++i) {
        auto listener = open(worker, port, port);
        ASSERT_TRUE(listener) << i;
        const Descriptor client = connect_from(here, listener->local());
        worker.run([](PeerListener& at) -> Task<void> {
            const auto accepted = co_await at.accept(seconds(5));
            EXPECT_TRUE(accepted.has_value());
            if (accepted) (*accepted)->close();          // it ends first, and is what lingers
        }(*listener));
    }
}

TEST(PeerListener, takes_ports_that_nobody_can_guess) {
    Worker worker;
    std::set<std::uint16_t> ports;
    for (int i = 0; i < 20; ++i) ports.insert(open(worker)->local().port);
    EXPECT_GT(ports.size(), 10U);
}

TEST(PeerListener, an_address_that_is_not_ours_is_an_error) {
    Worker worker;
    const auto listener = PeerListener::open(worker, IpAddress::parse("192.0.2.1").value(), 21'000, 29'999, here, Side::client);
    ASSERT_FALSE(listener);
    EXPECT_EQ(listener.error().side, Side::self);
    EXPECT_EQ(listener.error().cause, EADDRNOTAVAIL);
}

TEST(PeerListener, listens_over_ipv6) {
    Worker worker;
    const IpAddress local = IpAddress::parse("::1").value();
    auto listener = PeerListener::open(worker, local, 21'000, 29'999, local, Side::client);
    if (!listener) GTEST_SKIP() << "no IPv6 here";
    const Descriptor client(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const SocketAddress address((*listener)->local());
    ASSERT_EQ(::connect(client.value, address.get(), address.length()), 0);
    worker.run([](PeerListener& at) -> Task<void> {
        const auto accepted = co_await at.accept(seconds(5));
        EXPECT_TRUE(accepted.has_value());
    }(**listener));
}

}  // namespace
}  // namespace sluice::net
