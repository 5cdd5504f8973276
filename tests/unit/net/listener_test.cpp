// SPDX-License-Identifier: Apache-2.0
#include "net/gate.h"
#include "unit/net/support.h"

#include <sys/resource.h>
#include <cstring>
#include <functional>
#include <thread>

namespace sluice::net {
namespace {

using std::chrono::milliseconds;

Descriptor connect_to(const IpPort& address) {
    Descriptor client(::socket(address.address.is_v6() ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const SocketAddress to(address);
    EXPECT_EQ(::connect(client.value, to.get(), to.length()), 0) << std::strerror(errno);
    return client;
}

Task<void> until(Worker& on, const std::function<bool()>& holds) {
    for (int i = 0; i < 2'000 && !holds(); ++i) co_await on.sleep(milliseconds(2));
    EXPECT_TRUE(holds());
}

TEST(Listener, accepts_ipv4_and_ipv6_with_their_peers) {
    Worker worker;
    ConnectionLimits limits(0, 0);
    for (const char* text : {"127.0.0.1:0", "[::1]:0"}) {
        auto socket = ListenSocket::open(*IpPort::parse(text));
        if (!socket && *text == '[') GTEST_SKIP() << "no IPv6 here";
        ASSERT_TRUE(socket);
        std::vector<Accepted> accepted;
        Listener listener(worker, std::move(*socket), limits, [&](Accepted one) { accepted.push_back(std::move(one)); });
        worker.run([](Worker& on, Listener& at, std::vector<Accepted>& got) -> Task<void> {
            std::vector<Descriptor> clients;
            for (int i = 0; i < 20; ++i) clients.push_back(connect_to(at.local()));
            co_await until(on, [&] { return got.size() == 20; });
            EXPECT_EQ(got[0].listener, at.local());
            EXPECT_EQ(got[0].stream->peer(), SocketAddress::local_of(clients[0].value).to_ip_port());
            EXPECT_EQ(got[0].stream->local(), at.local());
            EXPECT_EQ(::send(clients[3].value, "hi", 2, 0), 2);
            EXPECT_EQ(co_await receive(*got[3].stream, 2), "hi");
        }(worker, listener, accepted));
    }
    EXPECT_EQ(limits.total(), 0U);
}

TEST(Listener, a_port_taken_is_an_error_with_its_cause) {
    auto [taken, address] = listening(1);
    const auto socket = ListenSocket::open(address);
    ASSERT_FALSE(socket);
    EXPECT_EQ(socket.error().side, Side::self);
    EXPECT_EQ(socket.error().cause, EADDRINUSE);
}

TEST(Listener, at_the_total_clients_wait_in_the_backlog_until_there_is_room) {
    Worker worker;
    ConnectionLimits limits(2, 0);
    std::vector<Accepted> accepted;
    Listener listener(worker, *ListenSocket::open(loopback()), limits, [&](Accepted one) { accepted.push_back(std::move(one)); });
    worker.run([](Worker& on, Listener& at, auto& got, ConnectionLimits& counts) -> Task<void> {
        std::vector<Descriptor> clients;
        for (int i = 0; i < 3; ++i) clients.push_back(connect_to(at.local()));
        co_await until(on, [&] { return at.waits() > 0; });
        EXPECT_EQ(got.size(), 2U);
        EXPECT_EQ(counts.total(), 2U);
        got.erase(got.begin());
        co_await until(on, [&] { return got.size() == 2; });
        EXPECT_EQ(::send(clients[2].value, "x", 1, 0), 1);
        EXPECT_EQ(co_await receive(*got[1].stream, 1), "x");
    }(worker, listener, accepted, limits));
}

TEST(Listener, over_the_clients_limit_the_handler_is_told) {
    Worker worker;
    ConnectionLimits limits(0, 2);
    std::vector<Accepted> accepted;
    Listener listener(worker, *ListenSocket::open(loopback()), limits, [&](Accepted one) { accepted.push_back(std::move(one)); });
    worker.run([](Worker& on, Listener& at, auto& got) -> Task<void> {
        std::vector<Descriptor> clients;
        for (int i = 0; i < 3; ++i) clients.push_back(connect_to(at.local()));
        co_await until(on, [&] { return got.size() == 3; });
        EXPECT_TRUE(got[0].permit.is_within_client_limit());
        EXPECT_TRUE(got[1].permit.is_within_client_limit());
        EXPECT_FALSE(got[2].permit.is_within_client_limit());
        got.pop_back();
        got.pop_back();
        clients.push_back(connect_to(at.local()));
        co_await until(on, [&] { return got.size() == 2; });
        EXPECT_TRUE(got[1].permit.is_within_client_limit());
    }(worker, listener, accepted));
}

TEST(Listener, closed_it_accepts_no_more) {
    Worker worker;
    ConnectionLimits limits(0, 0);
    Listener listener(worker, *ListenSocket::open(loopback()), limits, [](Accepted) {});
    const IpPort address = listener.local();
    worker.stop_accepting();
    EXPECT_FALSE(listener.is_accepting());
    Descriptor client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const SocketAddress to(address);
    EXPECT_NE(::connect(client.value, to.get(), to.length()), 0);
}

TEST(Listener, without_descriptors_it_pauses_and_goes_on) {
    Worker worker;
    ConnectionLimits limits(0, 0);
    std::vector<Accepted> accepted;
    std::vector<Error> troubles;
    Listener listener(
        worker, *ListenSocket::open(loopback()), limits, [&](Accepted one) { accepted.push_back(std::move(one)); },
        [&](const Error& error) { troubles.push_back(error); });
    Descriptor client = connect_to(listener.local());
    const Descriptor next(::dup(0));                 // the lowest free number: a limit there leaves none
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    worker.run([](Worker& on, Listener& at, auto& got, auto& said, const rlimit& old, int lowest) -> Task<void> {
        rlimit none = old;
        none.rlim_cur = static_cast<rlim_t>(lowest);
        ::setrlimit(RLIMIT_NOFILE, &none);
        co_await until(on, [&] { return !said.empty(); });
        EXPECT_TRUE(got.empty());
        EXPECT_GE(at.pauses(), 1U);
        EXPECT_EQ(said[0].code, Errc::overloaded);
        EXPECT_EQ(said[0].cause, EMFILE);
        ::setrlimit(RLIMIT_NOFILE, &old);
        co_await until(on, [&] { return got.size() == 1; });
    }(worker, listener, accepted, troubles, before, next.value));
    ::setrlimit(RLIMIT_NOFILE, &before);
}

TEST(ConnectionLimits, give_few_places_to_strangers) {
    ConnectionLimits limits(32, 0);
    const IpAddress client = IpAddress::v4(0x0a000001);
    std::vector<ConnectionPermit> permits;
    for (int i = 0; i < 3; ++i) permits.push_back(limits.enter(client).value());
    EXPECT_TRUE(permits[0].become_stranger());
    EXPECT_TRUE(permits[0].become_stranger()) << "it is one already";
    EXPECT_TRUE(permits[1].become_stranger());
    EXPECT_FALSE(permits[2].become_stranger());
    EXPECT_EQ(limits.strangers(), 2U);
    ConnectionPermit moved = std::move(permits[0]);
    permits[0].release();
    EXPECT_EQ(limits.strangers(), 2U);
    moved.release();
    EXPECT_EQ(limits.strangers(), 1U);
    EXPECT_TRUE(permits[2].become_stranger());
    permits.clear();
    EXPECT_EQ(limits.strangers(), 0U);

    ConnectionLimits small(4, 0);
    EXPECT_TRUE(small.enter(client)->become_stranger()) << "one place there is always";
}

TEST(ConnectionLimits, are_exact_over_threads) {
    ConnectionLimits limits(50, 10);
    const IpAddress client = IpAddress::v4(0xc0000201);
    std::atomic<std::size_t> most{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
            std::vector<ConnectionPermit> held;
            for (int step = 0; step < 2'000; ++step) {
                if (auto permit = limits.enter(client)) held.push_back(std::move(*permit));
                const std::size_t now = limits.total();
                if (now > most) most = now;
                if (held.size() > 12) held.clear();
            }
        });
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(limits.total(), 0U);
    EXPECT_EQ(limits.of_client(client), 0U);
    auto one = limits.enter(client);
    const IpAddress other = IpAddress::v4(0xc0000202);
    one->set_client(other);
    EXPECT_EQ(limits.of_client(client), 0U);
    EXPECT_EQ(limits.of_client(other), 1U);
}

}  // namespace
}  // namespace sluice::net
