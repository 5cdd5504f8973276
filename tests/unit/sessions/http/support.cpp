// SPDX-License-Identifier: Apache-2.0
#include "unit/sessions/http/support.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

#include "net/memory_stream.h"
#include "net/pool.h"
#include "sessions/http/service.h"
#include "sessions/http/session.h"
#include "unit/sessions/world.h"

namespace sluice::http::testing {

using sessions::testing::World;

namespace {

// Answers without the one field that no script can foresee.
std::string without_dates(std::string text) {
    constexpr std::string_view name = "\r\nDate: ";
    for (std::size_t at = text.find(name); at != std::string::npos; at = text.find(name, at))
        text.erase(at, text.find("\r\n", at + 2) - at);
    return text;
}

}  // namespace

struct BenchState {
    explicit BenchState(World& of) : world(of) {}

    World& world;
    sessions::PasswordChecker passwords{1};
    std::unique_ptr<Service> service;

    Generation generation(std::vector<policy::RuleSource> rules, std::string_view default_action, const Bench::Adjust& adjust) {
        auto settings = std::make_shared<Settings>();
        settings->clients = {*IpNetwork::parse("127.0.0.0/8")};
        settings->connect_ports = {{1, 65535}};
        settings->redaction = std::make_shared<const audit::Redaction>(std::vector<std::string>{"token"});
        if (adjust) adjust(*settings);
        return {std::move(settings), world.compile(std::move(rules), default_action)};
    }

    net::Task<void> serve(std::unique_ptr<net::Stream> stream, net::ConnectionPermit permit) {
        {
            Session session(*service, std::move(stream), std::move(permit), "127.0.0.1:3128");
            co_await session.run();
        }
        world.session_ended();
    }
};

Bench::Bench(std::vector<policy::RuleSource> rules, std::string_view default_action, const Adjust& adjust)
    : state_(std::make_unique<BenchState>(world())) {
    Generation generation = state_->generation(std::move(rules), default_action, adjust);
    world().worker.set_limits(generation.settings->limits);
    world().shown = without_dates;
    state_->service = std::make_unique<Service>(
        Service::Parts{world().worker, world().rate_limits, state_->passwords, world().lane, world().metrics.worker(0), world().inspection},
        std::move(generation));
    world().live = [service = state_->service.get()] { return service->live(); };
}

Bench::~Bench() { end(); }

Peer& Bench::client(std::string_view address) {
    const IpPort peer = IpPort::parse(address).value();
    auto [stream, client] = world().client(peer, sessions::testing::loopback(3128));
    net::spawn(world().worker, state_->serve(std::move(stream), world().connections.enter(peer.address).value()));
    return *client;
}

Peer& Bench::server(std::string_view key, std::string_view address) {
    auto [test_end, session_end] = net::memory_pair(world().worker, sessions::testing::loopback(50000), IpPort::parse(address).value());
    session_end->set_faults(world().faults);
    session_end->set_capacity(world().capacity);
    test_end->set_capacity(world().server_capacity);
    world().worker.pool().put(key, std::move(session_end));
    return world().add(std::move(test_end));
}

void Bench::reload(std::vector<policy::RuleSource> rules, std::string_view default_action, const Adjust& adjust) {
    state_->service->replace(state_->generation(std::move(rules), default_action, adjust));
    settle();
}

void Bench::drain() {
    state_->service->drain();
    settle();
}

std::size_t Bench::pooled() const { return world().worker.pool().size(); }

std::string get(std::string_view path_and_query, std::string_view fields) {
    return fmt::format("GET http://server.test{} HTTP/1.1\r\nHost: server.test\r\n{}\r\n", path_and_query, fields);
}

std::string ok(std::string_view body, std::string_view fields) {
    return fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{}\r\n{}", body.size(), fields, body);
}

std::string ok_relayed(std::string_view body, std::string_view fields) {
    return fmt::format("HTTP/1.1 200 OK\r\n{}Content-Length: {}\r\nVia: 1.1 sluice\r\n\r\n{}", fields, body.size(), body);
}

Users::Users() {
    char pattern[] = "/tmp/sluice-users-XXXXXX";
    const int descriptor = ::mkstemp(pattern);
    EXPECT_GE(descriptor, 0);
    path_ = pattern;
    const std::string_view line = "ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n";
    EXPECT_EQ(::write(descriptor, line.data(), line.size()), static_cast<ssize_t>(line.size()));
    ::close(descriptor);
}

Users::~Users() { ::unlink(path_.c_str()); }

std::string authorization(std::string_view user_and_password) {
    std::string encoded((user_and_password.size() + 2) / 3 * 4 + 1, '\0');
    const int length =
        EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()), reinterpret_cast<const unsigned char*>(user_and_password.data()),
                        static_cast<int>(user_and_password.size()));
    encoded.resize(static_cast<std::size_t>(length));
    return fmt::format("Proxy-Authorization: Basic {}\r\n", encoded);
}

}  // namespace sluice::http::testing
