// SPDX-License-Identifier: Apache-2.0
#include "unit/sessions/support.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/text.h"
#include "net/resolver.h"
#include "net/timer.h"
#include "unit/sessions/world.h"

namespace sluice::sessions::testing {

net::Task<void> nothing() { co_return; }

struct Peer::State {
    net::Worker& worker;
    std::unique_ptr<net::Stream> stream;
    std::string (*shown)(std::string) = nullptr;
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
            if (ready) continue;
            reset = ready.error().code != Errc::timed_out;
            if (!reset) ADD_FAILURE() << "waited in vain for: " << part << "\nthere was: " << received;
            break;
        }
        stream->expires_never();
    }

    net::Task<void> write(std::string_view bytes, bool& whole) {
        stream->expires_in(patience);
        whole = (co_await stream->write({&bytes, 1})).has_value();
        stream->expires_never();
    }

    std::string take() {
        std::string taken = std::exchange(received, {});
        return shown == nullptr ? taken : shown(std::move(taken));
    }
};

Peer::Peer(net::Worker& worker, std::unique_ptr<net::Stream> stream, std::string (*shown)(std::string))
    : state_(new State{worker, std::move(stream), shown, {}}) {}

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
    return state_->take();
}

std::string Peer::wait_for(std::string_view part) {
    state_->worker.run(state_->read_until(part));
    state_->worker.run(nothing());
    return state_->take();
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

World::World() { inspection.storage.memory.set_limit(std::uint64_t{64} * 1024 * 1024); }

Rules World::compile(std::vector<policy::RuleSource> rules, std::string_view default_action) {
    policy::PolicySource source;
    source.rules = std::move(rules);
    source.default_action = text(default_action);
    Diagnostics diagnostics;
    auto compiled = policy::Policy::compile(source, diagnostics, nullptr);
    EXPECT_TRUE(compiled) << policy::testing::said(diagnostics);
    std::vector<std::string_view> names;
    for (const policy::Rule& each : compiled->rules()) names.push_back(each.name);
    return {std::move(compiled), metrics.rule_slots(names)};
}

Peer& World::add(std::unique_ptr<net::Stream> stream) {
    peers.push_back(std::make_unique<Peer>(worker, std::move(stream), shown));
    return *peers.back();
}

std::pair<std::unique_ptr<net::Stream>, Peer*> World::client(const IpPort& peer, const IpPort& listener) {
    auto [session_end, test_end] = net::memory_pair(worker, peer, listener);
    session_end->set_faults(faults);
    session_end->set_capacity(capacity);
    test_end->set_capacity(client_capacity);
    sessions_ended.shut();
    return {std::move(session_end), &add(std::move(test_end))};
}

void World::session_ended() {
    if (live() > 0) return;
    sessions_ended.open();
    arrival.open();
}

Bench::Bench() : world_(std::make_unique<World>()) {}

Bench::~Bench() = default;

void Bench::end() {
    world_->peers.clear();
    world_->worker.cancel_all();
    EXPECT_TRUE(wait_for_sessions()) << "a session hangs";
    EXPECT_EQ(world_->worker.live(), 0U) << "a task of a session outlived it";
    EXPECT_EQ(world_->worker.task_faults(), 0U);
    EXPECT_EQ(world_->worker.buffers().lent(), 0U);
}

std::uint16_t Bench::listen(std::uint16_t wanted) {
    auto socket = net::ListenSocket::open(loopback(wanted));
    EXPECT_TRUE(socket);
    const std::uint16_t port = socket->local().port;
    world_->listeners.push_back(std::make_unique<net::Listener>(world_->worker, std::move(*socket), world_->connections,
                                                                [world = world_.get(), port](net::Accepted accepted) {
                                                                    world->arrivals.push_back({port, std::move(accepted.stream)});
                                                                    world->permits.push_back(std::move(accepted.permit));
                                                                    world->arrival.open();
                                                                }));
    return port;
}

Peer* Bench::accept_if_dialled(std::uint16_t port) {
    bool is_late = false;
    net::Timer give_up(world_->worker.timers(), [&] {
        is_late = true;
        world_->arrival.open();
    });
    give_up.set(patience);
    settle();
    for (;;) {
        const auto came =
            std::ranges::find_if(world_->arrivals, [&](const World::Arrival& each) { return port == 0 || each.port == port; });
        if (came != world_->arrivals.end()) {
            std::unique_ptr<net::TcpStream> stream = std::move(came->stream);
            world_->arrivals.erase(came);
            return &world_->add(std::move(stream));
        }
        if (is_late || live() == 0) return nullptr;
        world_->arrival.shut();
        world_->worker.run(world_->arrival.wait());
    }
}

Peer& Bench::accept(std::uint16_t port) {
    Peer* const peer = accept_if_dialled(port);
    if (peer == nullptr) throw std::runtime_error("nobody dialled");
    return *peer;
}

std::uint16_t Bench::dead_port() {
    const auto socket = net::ListenSocket::open(loopback(0));
    EXPECT_TRUE(socket);
    return socket->local().port;
}

void Bench::limit_clients(std::size_t connections, std::size_t total) { world_->connections.set(total, connections); }

void Bench::name(std::string_view host, std::vector<std::string_view> addresses) {
    auto hosts = std::make_shared<net::HostsMap>();
    for (const std::string_view address : addresses) (*hosts)[std::string(host)].push_back(IpAddress::parse(address).value());
    world_->worker.resolver().use({.hosts = std::move(hosts), .servers = {}});
}

void Bench::fail(Failure failure) {
    world_->faults->fail_at = failure.at;
    world_->faults->error = failure.error;
}

void Bench::longest_read(std::size_t bytes) { world_->faults->longest_read = bytes; }

void Bench::set_capacity(std::size_t bytes) { world_->capacity = bytes; }

void Bench::set_client_capacity(std::size_t bytes) { world_->client_capacity = bytes; }

void Bench::set_server_capacity(std::size_t bytes) { world_->server_capacity = bytes; }

std::size_t Bench::operations() const { return world_->faults->operations; }

void Bench::settle() { world_->worker.run(nothing()); }

void Bench::wait_ticks(int ticks) {
    world_->worker.run(world_->worker.sleep(net::Wheel::tick * ticks));
    settle();
}

bool Bench::wait_for_sessions() {
    settle();
    if (live() == 0) return true;
    net::Timer give_up(world_->worker.timers(), [this] { world_->sessions_ended.open(); });
    give_up.set(patience);
    world_->worker.run(world_->sessions_ended.wait());
    settle();
    return live() == 0;
}

std::size_t Bench::live() const { return world_->live(); }

std::int64_t Bench::gauge(audit::Gauge gauge) const { return world_->metrics.worker(0).value(gauge); }

std::uint64_t Bench::counter(audit::Counter counter) const { return world_->metrics.worker(0).value(counter); }

std::uint64_t Bench::matches(std::string_view rule) const {
    for (const auto& [name, matches] : world_->metrics.snapshot().rules)
        if (name == rule) return matches;
    return 0;
}

std::uint64_t Bench::refusals(audit::Refusal refusal) const {
    return world_->metrics.snapshot().refusals[static_cast<std::size_t>(refusal)];
}

const std::vector<Record>& Bench::events() {
    settle();
    audit::LineQueue& queue = world_->lane.queue();
    queue.finish();
    for (const audit::Chunk* chunk = queue.front(); chunk != nullptr; chunk = queue.front()) {
        for (const std::string_view line : split(std::string_view(chunk->bytes.get(), chunk->used), '\n')) {
            if (line.empty()) continue;
            Record record;
            for (const auto& [key, member] : nlohmann::json::parse(line).items())
                record[key] = member.is_string() ? member.get<std::string>() : member.dump();
            world_->events.push_back(std::move(record));
        }
        queue.pop();
    }
    return world_->events;
}

const Record& Bench::event() {
    static const Record none;
    const std::vector<Record>& all = events();
    EXPECT_EQ(all.size(), 1U);
    return all.empty() ? none : all.front();
}

void Speaker::say(std::string_view line) { peer_->send(std::string(line) + "\r\n"); }

std::string Speaker::line() {
    std::size_t end = read_.find("\r\n");
    while (end == std::string::npos) {
        const std::string more = peer_->wait_for("\n");
        read_ += more;
        end = read_.find("\r\n");
        if (end == std::string::npos && (more.empty() || peer_->has_ended() || peer_->was_reset())) return std::exchange(read_, {});
    }
    std::string out = read_.substr(0, end);
    read_.erase(0, end + 2);
    return out;
}

std::string Speaker::reply() {
    std::string out = line();
    if (out.size() < 4 || out[3] != '-') return out;
    const std::string last = out.substr(0, 3) + " ";
    for (;;) {
        const std::string next = line();
        out += "\r\n" + next;
        if (next.starts_with(last) || next.empty()) return out;
    }
}

std::string Speaker::nothing() {
    read_ += peer_->take();
    return std::exchange(read_, {});
}

bool Speaker::has_ended() {
    read_ += peer_->wait_for_end();
    EXPECT_EQ(read_, "");
    return peer_->has_ended() && !peer_->was_reset();
}

std::string eicar() { return std::string(R"(X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR)") + "-STANDARD-ANTIVIRUS" + "-TEST-FILE!$H+H*"; }

}  // namespace sluice::sessions::testing
