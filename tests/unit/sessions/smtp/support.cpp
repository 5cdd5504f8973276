// SPDX-License-Identifier: Apache-2.0
#include "unit/sessions/smtp/support.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <utility>

#include "inspect/signatures/pattern_set.h"
#include "sessions/smtp/service.h"
#include "sessions/smtp/session.h"
#include "unit/sessions/world.h"

namespace sluice::smtp::testing {

using sessions::testing::World;

struct BenchState {
    World& world;
    std::uint16_t port;
    sessions::PasswordChecker passwords{1};
    std::unique_ptr<Service> service;

    Generation generation(std::vector<policy::RuleSource> rules, std::string_view default_action, const Bench::Adjust& adjust) const {
        auto settings = std::make_shared<Settings>();
        settings->clients = {*IpNetwork::parse("127.0.0.0/8")};
        settings->redaction = std::make_shared<const audit::Redaction>();
        settings->hostname = "gw.example";
        settings->domains = {"mail.example"};
        settings->adds_received = false;
        UpstreamServer upstream;
        upstream.host.host = "127.0.0.1";
        upstream.host.address = IpAddress::v4(0x7f000001);
        upstream.port = port;
        settings->upstreams = {upstream};
        settings->upstream_tls = UpstreamTls::off;
        settings->limits.smtp_failed_login = std::chrono::milliseconds(1);
        if (adjust) adjust(*settings);
        return {std::move(settings), world.compile(std::move(rules), default_action)};
    }

    net::Task<void> serve(std::unique_ptr<net::Stream> stream, net::ConnectionPermit permit) {
        {
            Session session(*service, std::move(stream), std::move(permit), "127.0.0.1:2525");
            co_await session.run();
        }
        world.session_ended();
    }
};

Bench::Bench(std::vector<policy::RuleSource> rules, std::string_view default_action, const Adjust& adjust)
    : state_(std::make_unique<BenchState>(world(), listen())) {
    Generation generation = state_->generation(std::move(rules), default_action, adjust);
    world().worker.set_limits(generation.settings->limits);
    state_->service = std::make_unique<Service>(
        Service::Parts{world().worker, world().rate_limits, world().lane, world().metrics.worker(0), world().inspection, state_->passwords},
        std::move(generation));
    world().live = [service = state_->service.get()] { return service->live(); };
}

Bench::~Bench() { end(); }

std::uint16_t Bench::port() const { return state_->port; }

Peer& Bench::client(std::string_view address) {
    const IpPort peer = IpPort::parse(address).value();
    auto [stream, client] = world().client(peer, sessions::testing::loopback(2525));
    net::spawn(world().worker, state_->serve(std::move(stream), world().connections.enter(peer.address).value()));
    return *client;
}

void Bench::drain() {
    state_->service->drain();
    settle();
}

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

Bench::Adjust inspecting(const Bench::Adjust& more) {
    return [more](Settings& settings) {
        auto setup = std::make_shared<inspect::Setup>();
        setup->engines = {policy::Engine::signatures};
        setup->patterns = patterns();
        setup->max_size = 64 * 1024 * 1024;
        settings.inspect = std::move(setup);
        if (more) more(settings);
    };
}

std::string base64(std::string_view content) {
    std::string encoded((content.size() + 2) / 3 * 4 + 1, '\0');
    EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()), reinterpret_cast<const unsigned char*>(content.data()),
                    static_cast<int>(content.size()));
    encoded.pop_back();
    std::string out;
    for (std::size_t at = 0; at < encoded.size(); at += 76) out.append(encoded, at, 76).append("\r\n");
    return out;
}

std::string with_attachment(std::string_view name, std::string_view content) {
    return fmt::format(
        "From: Ann <ann@client.example>\r\nTo: bo@mail.example\r\nSubject: See there\r\nMessage-ID: <1@client.example>\r\n"
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"cut-here\"\r\n\r\n"
        "--cut-here\r\nContent-Type: text/plain\r\n\r\nLook at it.\r\n--cut-here\r\nContent-Type: application/octet-stream; "
        "name=\"{0}\"\r\n"
        "Content-Disposition: attachment; filename=\"{0}\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{1}--cut-here--\r\n",
        name, base64(content));
}

Scene::Scene(std::vector<policy::RuleSource> rules, const Bench::Adjust& adjust, std::string_view default_action)
    : bench(std::move(rules), default_action, adjust),
      client(bench.client()) {}

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

std::string Scene::greet(std::vector<std::string_view> keywords, std::string_view name) {
    EXPECT_EQ(client.reply(), "220 gw.example ESMTP");
    client.say(fmt::format("EHLO {}", name));
    server.emplace(bench.accept(bench.port()));
    server->say("220 upstream.example ESMTP");
    EXPECT_EQ(server->line(), fmt::format("EHLO {}", name));
    for (const std::string_view keyword : keywords)
        server->say(fmt::format("250-{}", keyword == keywords.front() ? "upstream.example" : keyword));
    server->say(keywords.empty() ? "250 upstream.example" : "250 HELP");
    return client.reply();
}

void Scene::envelope(std::string_view from, std::string_view to) {
    EXPECT_EQ(relay(fmt::format("MAIL FROM:<{}>", from), "250 2.1.0 Sender OK"), "250 2.1.0 Sender OK");
    EXPECT_EQ(relay(fmt::format("RCPT TO:<{}>", to), "250 2.1.5 Recipient OK"), "250 2.1.5 Recipient OK");
}

}  // namespace sluice::smtp::testing
