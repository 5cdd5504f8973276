// SPDX-License-Identifier: Apache-2.0
#include "unit/sessions/ftp/support.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "net/dial.h"
#include "protocols/ftp/data_address.h"
#include "sessions/ftp/service.h"
#include "sessions/ftp/session.h"
#include "unit/sessions/world.h"

namespace sluice::ftp::testing {

using sessions::testing::World;

struct BenchState {
    World& world;
    net::ConnectionLimits sessions{0, 0};
    sessions::PasswordChecker passwords{1};
    std::unique_ptr<Service> service;

    Generation generation(std::vector<policy::RuleSource> rules, std::string_view default_action, const Bench::Adjust& adjust) {
        auto settings = std::make_shared<Settings>();
        settings->clients = {*IpNetwork::parse("127.0.0.0/8")};
        settings->ports = {{1, 65535}};
        settings->redaction = std::make_shared<const audit::Redaction>();
        settings->limits.ftp_failed_login = std::chrono::milliseconds(1);
        if (adjust) adjust(*settings);
        return {std::move(settings), world.compile(std::move(rules), default_action)};
    }

    net::Task<void> serve(std::unique_ptr<net::Stream> stream, net::ConnectionPermit permit) {
        {
            Session session(*service, std::move(stream), std::move(permit), "127.0.0.1:2121");
            co_await session.run();
        }
        world.session_ended();
    }

    net::Task<void> dial(std::uint16_t port, std::unique_ptr<net::Stream>& out) {
        const std::array<IpPort, 1> address{sessions::testing::loopback(port)};
        auto dialled = co_await net::dial(world.worker, address, Limits{});
        if (dialled) out = std::move(dialled->stream);
    }
};

Bench::Bench(std::vector<policy::RuleSource> rules, std::string_view default_action, const Adjust& adjust)
    : state_(std::make_unique<BenchState>(world())) {
    Generation generation = state_->generation(std::move(rules), default_action, adjust);
    world().worker.set_limits(generation.settings->limits);
    state_->service = std::make_unique<Service>(Service::Parts{world().worker, world().rate_limits, world().lane, world().metrics.worker(0),
                                                               world().inspection, state_->sessions, state_->passwords},
                                                std::move(generation));
    world().live = [service = state_->service.get()] { return service->live(); };
}

Bench::~Bench() { end(); }

Peer& Bench::client(std::string_view address) {
    const IpPort peer = IpPort::parse(address).value();
    auto [stream, client] = world().client(peer, sessions::testing::loopback(2121));
    net::spawn(world().worker, state_->serve(std::move(stream), world().connections.enter(peer.address).value()));
    return *client;
}

Peer* Bench::try_dial(std::uint16_t port) {
    std::unique_ptr<net::Stream> stream;
    world().worker.run(state_->dial(port, stream));
    if (!stream) return nullptr;
    settle();
    return &world().add(std::move(stream));
}

Peer& Bench::dial(std::uint16_t port) {
    Peer* const peer = try_dial(port);
    if (peer == nullptr) throw std::runtime_error("nobody listens for the data connection");
    return *peer;
}

void Bench::breathe() {
    world().worker.run(world().worker.sleep(std::chrono::milliseconds(30)));
    settle();
}

void Bench::limit_sessions(std::size_t per_client) { state_->sessions.set(0, per_client); }

void Bench::reload(std::vector<policy::RuleSource> rules, std::string_view default_action, const Adjust& adjust) {
    state_->service->replace(state_->generation(std::move(rules), default_action, adjust));
    settle();
}

void Bench::drain() {
    state_->service->drain();
    settle();
}

std::string lines(std::size_t count) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) out += fmt::format("This is line {} of a text.\r\n", i);
    return out;
}

std::string archive() { return std::string("PK\x03\x04\x14\0\0\0\0\0", 10) + std::string(2000, '\x01'); }

std::string program() { return std::string("MZ\x90\0\x03\0\0\0\x04\0", 10) + std::string(2000, '\x01'); }

namespace {

// Compiled once for all tests: it takes its time.
std::shared_ptr<const inspect::PatternSet> patterns() {
    static const std::shared_ptr<const inspect::PatternSet> set = [] {
        Diagnostics faults;
        return inspect::PatternSet::compile({}, {}, Limits{}, faults);
    }();
    return set;
}

}  // namespace

Bench::Adjust inspecting(policy::Deliver deliver, const Bench::Adjust& more) {
    return [=](Settings& settings) {
        auto setup = std::make_shared<inspect::Setup>();
        setup->patterns = patterns();
        setup->engines = {policy::Engine::signatures};
        setup->max_size = 10'000'000;
        settings.inspect = std::move(setup);
        settings.deliver = deliver;
        if (more) more(settings);
    };
}

Scene::Scene(std::vector<policy::RuleSource> rules, std::string_view default_action, const Bench::Adjust& adjust)
    : bench(std::move(rules), default_action, adjust),
      client(bench.client()),
      port(bench.listen()) {
    EXPECT_EQ(client.reply().substr(0, 4), "220 ");
}

std::string Scene::server_name() const { return fmt::format("127.0.0.1:{}", port); }

void Scene::say_user(std::string_view user) {
    client.say(fmt::format("USER {}@{}", user, server_name()));
    server.emplace(bench.accept(port));
    server->say("220 Hello.");
    EXPECT_EQ(server->line(), fmt::format("USER {}", user));
    server->say("331 Password, please.");
    EXPECT_EQ(client.reply(), "331 Password, please.");
}

void Scene::log_in(std::string_view directory) {
    say_user();
    client.say("PASS secret");
    EXPECT_EQ(server->line(), "PASS secret");
    server->say("230 Welcome.");
    EXPECT_EQ(server->line(), "PWD");
    server->say(fmt::format("257 \"{}\" is where you are.", directory));
    EXPECT_EQ(client.reply(), "230 Welcome.");
}

std::string Scene::ask(std::string_view line) {
    client.say(line);
    return client.reply();
}

std::string Scene::relay(std::string_view line, std::string_view answer, std::string_view heard) {
    client.say(line);
    EXPECT_EQ(server->line(), heard.empty() ? line : heard);
    server->say(answer);
    return client.reply();
}

std::uint16_t Scene::passive() {
    const std::string said = ask("PASV");
    EXPECT_EQ(said.substr(0, 4), "227 ") << said;
    const auto address = parse_passive_reply(said);
    EXPECT_TRUE(address) << said;
    return address ? address->port : std::uint16_t{0};
}

void Scene::open_data() { client_data = &bench.dial(passive()); }

void Scene::serve_data(std::string_view command, std::string_view answer) {
    const std::uint16_t data = bench.listen();
    EXPECT_EQ(server->line(), "PASV");
    server->say(fmt::format("227 {}", passive_text(sessions::testing::loopback(data))));
    server_data = &bench.accept(data);
    EXPECT_EQ(server->line(), command);
    server->say(answer);
}

void Scene::hear_abort(std::string_view last) {
    EXPECT_EQ(server->line(), "ABOR");
    EXPECT_EQ(server->line(), "NOOP");
    if (!last.empty()) server->say(last);
    server->say("226 Aborted.");
    server->say("200 Still here.");
}

std::string Scene::retrieve(std::string_view name, std::string_view content, std::string_view heard) {
    open_data();
    client.say(fmt::format("RETR {}", name));
    serve_data(heard.empty() ? fmt::format("RETR {}", name) : heard);
    server_data->send(content);
    server_data->close();
    server->say("226 That was all.");
    EXPECT_EQ(client.reply().substr(0, 4), "150 ");
    std::string got = client_data->wait_for_end();
    last_reply = client.reply();
    return got;
}

std::string Scene::store(std::string_view name, std::string_view content) {
    open_data();
    client.say(fmt::format("STOR {}", name));
    EXPECT_EQ(client.reply().substr(0, 4), "150 ");
    client_data->send(content);
    client_data->close();
    serve_data(fmt::format("STOR {}", name), "150 Go on.");
    std::string got = server_data->wait_for_end();
    server->say("226 I have it.");
    last_reply = client.reply();
    return got;
}

bool Scene::is_data_broken() {
    EXPECT_EQ(client_data->wait_for_end(), "");
    return client_data->was_reset();
}

}  // namespace sluice::ftp::testing
