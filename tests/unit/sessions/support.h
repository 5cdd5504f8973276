// SPDX-License-Identifier: Apache-2.0
// What the tests of every protocol's sessions share: peers as a test plays them, what the event log says afterwards, and the bench that they
// stand around. A test's script is plain code: every step runs the worker until nothing is left to do, or until what it waits for has come.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "audit/metrics.h"
#include "base/result.h"
#include "unit/policy/rules.h"

namespace sluice::net {
class Stream;
class Worker;
}  // namespace sluice::net

namespace sluice::sessions::testing {

using policy::testing::rule;
using policy::testing::text;

// One end of a connection: the other end is the session's.
class Peer {
public:
    struct State;
    // `shown`, if any: what of all that has come a test wants to see.
    Peer(net::Worker& worker, std::unique_ptr<net::Stream> stream, std::string (*shown)(std::string) = nullptr);
    ~Peer();

    // All of it, as far as the session takes it; then the worker runs until it has nothing left to do. False: the connection is broken.
    bool send(std::string_view bytes);
    // What has come since the last time, without waiting.
    std::string take();
    // What has come once `part` is in it, or once the connection has ended (or after a time that no test should need).
    std::string wait_for(std::string_view part);
    std::string wait_for_end();
    // So much of what has come, at most, and nothing more is read.
    std::string take_some(std::size_t most);
    // Over memory: what has come and was not read, though a reset may have made it unreadable.
    std::string_view unread() const;
    // What the session said of the connection, as far as it was read: an orderly end, or a reset.
    bool has_ended() const;
    bool was_reset() const;

    void shutdown_write();
    void close();
    void abort();

private:
    std::unique_ptr<State> state_;
};

// One side of a dialogue, line by line.
class Speaker {
public:
    explicit Speaker(Peer& peer) : peer_(&peer) {}

    void say(std::string_view line);  // and CRLF
    std::string line();  // the next one, without its CRLF; "" at the end
    std::string reply();  // the next one whole, its lines joined by CRLF
    std::string nothing();  // what has come and nobody asked for
    bool has_ended();  // in an orderly way, and nothing more had come
    Peer& peer() { return *peer_; }

private:
    Peer* peer_;
    std::string read_;
};

// The test file of Eicar, in pieces, so that no scanner takes this program for what it tests.
std::string eicar();

// An event's line, by key; texts as they are, everything else as JSON.
using Record = std::map<std::string, std::string>;
// The value of a key; "" for none.
std::string value(const Record& record, const std::string& key);

// Failures on order, counted over all in-memory streams of a bench: the operation `at` (1: the first) of the session's ends fails.
struct Failure {
    std::size_t at = 0;
    Errc error = Errc::reset;
};

struct World;

// A worker, what a service on it needs, and servers that are there to be dialled. The service, and how clients come in, are a protocol's own.
class Bench {
public:
    Bench(const Bench&) = delete;
    Bench& operator=(const Bench&) = delete;

    // A server that is there to be dialled: the port where it listens on 127.0.0.1. And the next connection that came to it (0: to any).
    std::uint16_t listen(std::uint16_t port = 0);
    Peer& accept(std::uint16_t port = 0);
    // The same, or null once no session is left that could dial.
    Peer* accept_if_dialled(std::uint16_t port = 0);
    // A port on which nothing listens.
    static std::uint16_t dead_port();

    // Connections that one client may have, and all together (0: as many as they like).
    void limit_clients(std::size_t connections, std::size_t total = 0);
    // What a name stands for, as a hosts file says it.
    void name(std::string_view host, std::vector<std::string_view> addresses);

    // For streams that are made from now on. How many operations there were; at most so many bytes at once.
    void fail(Failure failure);
    void longest_read(std::size_t bytes);
    // How many bytes a peer may be ahead of the session.
    void set_capacity(std::size_t bytes);
    // How many bytes the session may be ahead of a client; of a server.
    void set_client_capacity(std::size_t bytes);
    void set_server_capacity(std::size_t bytes);
    std::size_t operations() const;

    // Until nothing is left to do but wait.
    void settle();
    // So many ticks of the worker's wheel: what is due then has happened.
    void wait_ticks(int ticks);
    // Until every session has ended; false: one hangs.
    bool wait_for_sessions();
    std::size_t live() const;
    std::int64_t gauge(audit::Gauge gauge) const;
    std::uint64_t counter(audit::Counter counter) const;
    std::uint64_t matches(std::string_view rule) const;  // as metrics count them
    std::uint64_t refusals(audit::Refusal refusal) const;

    // All events so far.
    const std::vector<Record>& events();
    // The only one there is.
    const Record& event();

protected:
    Bench();
    ~Bench();
    World& world() const { return *world_; }
    // While the service is still there: every session is ended, and nothing of them may be left.
    void end();

private:
    std::unique_ptr<World> world_;
};

}  // namespace sluice::sessions::testing
