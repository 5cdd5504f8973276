// SPDX-License-Identifier: Apache-2.0
#include "unit/sessions/http/support.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <deque>
#include <nlohmann/json.hpp>
#include <utility>

#include "audit/lane.h"
#include "audit/metrics.h"
#include "base/text.h"
#include "net/gate.h"
#include "net/listener.h"
#include "net/memory_stream.h"
#include "net/pool.h"
#include "net/resolver.h"
#include "net/timer.h"
#include "net/worker.h"
#include "policy/rate_limits.h"
#include "sessions/http/service.h"
#include "sessions/http/session.h"

namespace sluice::http::testing {

using namespace std::chrono_literals;

namespace {

// No test should need it; but none may hang.
constexpr std::chrono::milliseconds patience = 20s;

IpPort loopback(std::uint16_t port) { return {IpAddress::v4(0x7f000001), port}; }

net::Task<void> nothing() { co_return; }

// Answers without the one field that no script can foresee.
std::string without_dates(std::string text) {
    constexpr std::string_view name = "\r\nDate: ";
    for (std::size_t at = text.find(name); at != std::string::npos; at = text.find(name, at))
        text.erase(at, text.find("\r\n", at + 2) - at);
    return text;
}

}  // namespace

struct Peer::State {
    net::Worker& worker;
    std::unique_ptr<net::Stream> stream;
    std::string received;
    bool ended = false;
    bool reset = false;

    // Reads what is there. False: nothing more for now, or nothing more at all.
    bool read_on() {
        char buffer[16 * 1024];
        if (ended || reset) return false;
        const auto got = stream->try_read(buffer);
        if (!got) {
            reset = true;
            return false;
        }
        if (!*got) return false;
        ended = **got == 0;
        received.append(buffer, **got);
        return !ended;
    }

    net::Task<void> read_until(std::string_view part) {
        stream->expires_in(patience);
        while (part.empty() || received.find(part) == std::string::npos) {
            while (read_on()) {}
            if (ended || reset) break;
            if (!part.empty() && received.find(part) != std::string::npos) break;
            const auto ready = co_await stream->wait_readable();
            if (!ready && ready.error().code == Errc::timed_out) {
                ADD_FAILURE() << "waited in vain for: " << part << "\nthere was: " << received;
                break;
            }
        }
        stream->expires_never();
    }

    net::Task<void> write(std::string_view bytes, bool& whole) {
        stream->expires_in(patience);
        whole = (co_await stream->write({&bytes, 1})).has_value();
        stream->expires_never();
    }
};

Peer::Peer(std::unique_ptr<State> state) : state_(std::move(state)) {}

Peer::~Peer() = default;

bool Peer::send(std::string_view bytes) {
    bool whole = false;
    state_->worker.run(state_->write(bytes, whole));
    state_->worker.run(nothing());
    return whole;
}

std::string Peer::take() {
    state_->worker.run(nothing());
    while (state_->read_on()) state_->worker.run(nothing());
    state_->worker.run(nothing());
    return without_dates(std::exchange(state_->received, {}));
}

std::string Peer::wait_for(std::string_view part) {
    state_->worker.run(state_->read_until(part));
    state_->worker.run(nothing());
    return without_dates(std::exchange(state_->received, {}));
}

std::string Peer::wait_for_end() { return wait_for({}); }

std::string Peer::take_some(std::size_t most) {
    std::string some(most, '\0');
    const auto got = state_->stream->try_read(some);
    state_->reset = !got;
    some.resize(got && *got ? **got : 0);
    state_->worker.run(nothing());
    return some;
}

std::string_view Peer::unread() const {
    const auto* memory = dynamic_cast<const net::MemoryStream*>(state_->stream.get());
    return memory == nullptr ? std::string_view() : memory->unread();
}

bool Peer::has_ended() const { return state_->ended; }

bool Peer::was_reset() const { return state_->reset; }

void Peer::shutdown_write() {
    state_->stream->shutdown_write();
    state_->worker.run(nothing());
}

void Peer::close() {
    state_->stream->close();
    state_->worker.run(nothing());
}

void Peer::abort() {
    state_->stream->abort();
    state_->worker.run(nothing());
}

std::string value(const Record& record, const std::string& key) {
    const auto found = record.find(key);
    return found == record.end() ? std::string() : found->second;
}

struct BenchState {
    net::Worker worker;
    net::ConnectionLimits connections{0, 0};
    policy::RateLimits rate_limits{4096};
    PasswordChecker passwords{1};
    audit::Metrics metrics{1};
    audit::Signal writer;
    audit::LogState log_state;
    audit::Lane lane{std::size_t{4} * 1024 * 1024, Limits{}.log_text, writer, log_state};
    std::shared_ptr<net::Faults> faults = std::make_shared<net::Faults>();
    std::size_t capacity = std::size_t{64} * 1024;
    std::size_t client_capacity = std::size_t{64} * 1024;
    std::size_t server_capacity = std::size_t{64} * 1024;
    inspect::Shared inspection{Limits{}};
    std::unique_ptr<Service> service;

    std::vector<std::unique_ptr<net::Listener>> listeners;
    std::deque<std::unique_ptr<net::TcpStream>> accepted;
    std::vector<net::ConnectionPermit> permits;
    net::Gate arrival;
    net::Gate sessions_ended;
    std::vector<std::unique_ptr<Peer>> peers;
    std::vector<Record> events;

    Generation generation(std::vector<policy::RuleSource> rules, std::string_view default_action, const Bench::Adjust& adjust) {
        policy::PolicySource source;
        source.rules = std::move(rules);
        source.default_action = text(default_action);
        Diagnostics diagnostics;
        auto compiled = policy::Policy::compile(source, diagnostics, nullptr);
        EXPECT_TRUE(compiled) << policy::testing::said(diagnostics);

        auto settings = std::make_shared<Settings>();
        settings->clients = {*IpNetwork::parse("127.0.0.0/8")};
        settings->connect_ports = {{1, 65535}};
        settings->redaction = std::make_shared<const audit::Redaction>(std::vector<std::string>{"token"});
        if (adjust) adjust(*settings);

        std::vector<std::string_view> names;
        for (const policy::Rule& each : compiled->rules()) names.push_back(each.name);
        return {std::move(settings), {std::move(compiled), metrics.rule_slots(names)}};
    }

    Peer& add(std::unique_ptr<net::Stream> stream) {
        peers.push_back(std::make_unique<Peer>(std::unique_ptr<Peer::State>(new Peer::State{worker, std::move(stream), {}})));
        return *peers.back();
    }

    net::Task<void> serve(std::unique_ptr<net::Stream> stream, net::ConnectionPermit permit) {
        {
            Session session(*service, std::move(stream), std::move(permit), "127.0.0.1:3128");
            co_await session.run();
        }
        if (service->live() == 0) sessions_ended.open();
    }
};

Bench::Bench(std::vector<policy::RuleSource> rules, std::string_view default_action, const Adjust& adjust)
    : state_(std::make_unique<BenchState>()) {
    state_->inspection.storage.memory.set_limit(std::uint64_t{64} * 1024 * 1024);
    Generation generation = state_->generation(std::move(rules), default_action, adjust);
    state_->worker.set_limits(generation.settings->limits);
    state_->service = std::make_unique<Service>(
        Service::Parts{state_->worker, state_->rate_limits, state_->passwords, state_->lane, state_->metrics.worker(0), state_->inspection},
        std::move(generation));
}

Bench::~Bench() {
    state_->peers.clear();
    state_->worker.cancel_all();
    EXPECT_TRUE(wait_for_sessions()) << "a session hangs";
    EXPECT_EQ(state_->worker.live(), 0U) << "a task of a session outlived it";
    EXPECT_EQ(state_->worker.task_faults(), 0U);
    EXPECT_EQ(state_->worker.buffers().lent(), 0U);
}

Peer& Bench::client(std::string_view address) {
    const IpPort peer = IpPort::parse(address).value();
    auto [session_end, test_end] = net::memory_pair(state_->worker, peer, loopback(3128));
    session_end->set_faults(state_->faults);
    session_end->set_capacity(state_->capacity);
    test_end->set_capacity(state_->client_capacity);
    state_->sessions_ended.shut();
    net::spawn(state_->worker, state_->serve(std::move(session_end), state_->connections.enter(peer.address).value()));
    return state_->add(std::move(test_end));
}

Peer& Bench::server(std::string_view key, std::string_view address) {
    auto [test_end, session_end] = net::memory_pair(state_->worker, loopback(50000), IpPort::parse(address).value());
    session_end->set_faults(state_->faults);
    session_end->set_capacity(state_->capacity);
    test_end->set_capacity(state_->server_capacity);
    state_->worker.pool().put(key, std::move(session_end));
    return state_->add(std::move(test_end));
}

std::uint16_t Bench::listen() {
    auto socket = net::ListenSocket::open(loopback(0));
    EXPECT_TRUE(socket);
    state_->listeners.push_back(std::make_unique<net::Listener>(state_->worker, std::move(*socket), state_->connections,
                                                                [state = state_.get()](net::Accepted accepted) {
                                                                    state->accepted.push_back(std::move(accepted.stream));
                                                                    state->permits.push_back(std::move(accepted.permit));
                                                                    state->arrival.open();
                                                                }));
    return state_->listeners.back()->local().port;
}

Peer& Bench::accept() {
    net::Timer give_up(state_->worker.timers(), [this] { state_->arrival.open(); });
    give_up.set(patience);
    if (state_->accepted.empty()) {
        state_->arrival.shut();
        state_->worker.run(state_->arrival.wait());
    }
    if (state_->accepted.empty()) throw std::runtime_error("nobody dialled");
    std::unique_ptr<net::TcpStream> stream = std::move(state_->accepted.front());
    state_->accepted.pop_front();
    return state_->add(std::move(stream));
}

std::uint16_t Bench::dead_port() {
    const auto socket = net::ListenSocket::open(loopback(0));
    EXPECT_TRUE(socket);
    return socket->local().port;
}

void Bench::limit_clients(std::size_t connections, std::size_t total) { state_->connections.set(total, connections); }

void Bench::name(std::string_view host, std::vector<std::string_view> addresses) {
    auto hosts = std::make_shared<net::HostsMap>();
    for (const std::string_view address : addresses) (*hosts)[std::string(host)].push_back(IpAddress::parse(address).value());
    state_->worker.resolver().use({.hosts = std::move(hosts), .servers = {}});
}

void Bench::fail(Failure failure) {
    state_->faults->fail_at = failure.at;
    state_->faults->error = failure.error;
}

void Bench::longest_read(std::size_t bytes) { state_->faults->longest_read = bytes; }

void Bench::set_capacity(std::size_t bytes) { state_->capacity = bytes; }

void Bench::set_client_capacity(std::size_t bytes) { state_->client_capacity = bytes; }

void Bench::set_server_capacity(std::size_t bytes) { state_->server_capacity = bytes; }

std::size_t Bench::operations() const { return state_->faults->operations; }

void Bench::reload(std::vector<policy::RuleSource> rules, std::string_view default_action, const Adjust& adjust) {
    state_->service->replace(state_->generation(std::move(rules), default_action, adjust));
    settle();
}

void Bench::drain() {
    state_->service->drain();
    settle();
}

void Bench::settle() { state_->worker.run(nothing()); }

void Bench::wait_ticks(int ticks) {
    state_->worker.run(state_->worker.sleep(net::Wheel::tick * ticks));
    settle();
}

bool Bench::wait_for_sessions() {
    settle();
    if (live() == 0) return true;
    net::Timer give_up(state_->worker.timers(), [this] { state_->sessions_ended.open(); });
    give_up.set(patience);
    state_->worker.run(state_->sessions_ended.wait());
    settle();
    return live() == 0;
}

std::size_t Bench::live() const { return state_->service->live(); }

std::size_t Bench::pooled() const { return state_->worker.pool().size(); }

std::int64_t Bench::gauge(audit::Gauge gauge) const { return state_->metrics.worker(0).value(gauge); }

std::uint64_t Bench::counter(audit::Counter counter) const { return state_->metrics.worker(0).value(counter); }

std::uint64_t Bench::matches(std::string_view rule) const {
    for (const auto& [name, matches] : state_->metrics.snapshot().rules)
        if (name == rule) return matches;
    return 0;
}

std::uint64_t Bench::refusals(audit::Refusal refusal) const {
    return state_->metrics.snapshot().refusals[static_cast<std::size_t>(refusal)];
}

const std::vector<Record>& Bench::events() {
    settle();
    audit::LineQueue& queue = state_->lane.queue();
    queue.finish();
    for (const audit::Chunk* chunk = queue.front(); chunk != nullptr; chunk = queue.front()) {
        for (const std::string_view line : split(std::string_view(chunk->bytes.get(), chunk->used), '\n')) {
            if (line.empty()) continue;
            Record record;
            for (const auto& [key, member] : nlohmann::json::parse(line).items())
                record[key] = member.is_string() ? member.get<std::string>() : member.dump();
            state_->events.push_back(std::move(record));
        }
        queue.pop();
    }
    return state_->events;
}

const Record& Bench::event() {
    static const Record none;
    const std::vector<Record>& all = events();
    EXPECT_EQ(all.size(), 1U);
    return all.empty() ? none : all.front();
}

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
