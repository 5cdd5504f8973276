// SPDX-License-Identifier: Apache-2.0
// A service on a worker, and the peers around it as a test plays them: clients over memory, servers over memory (as connections that the pool
// holds) or over the loopback (where the session dials). A test's script is plain code: every step runs the worker until nothing is left to
// do, or until what it waits for has come.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"
#include "base/result.h"
#include "sessions/http/settings.h"
#include "unit/policy/rules.h"

namespace sluice::http::testing {

using policy::testing::rule;
using policy::testing::text;

struct BenchState;

// One end of a connection: the other end is the session's.
class Peer {
public:
    struct State;
    explicit Peer(std::unique_ptr<State> state);
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

// An event's line, by key; texts as they are, everything else as JSON.
using Record = std::map<std::string, std::string>;
// The value of a key; "" for none.
std::string value(const Record& record, const std::string& key);

// Failures on order, counted over all in-memory streams of a bench: the operation `at` (1: the first) of the session's ends fails.
struct Failure {
    std::size_t at = 0;
    Errc error = Errc::reset;
};

class Bench {
public:
    using Adjust = std::function<void(Settings&)>;
    explicit Bench(std::vector<policy::RuleSource> rules = {}, std::string_view default_action = "allow", const Adjust& adjust = {});
    ~Bench();
    Bench(const Bench&) = delete;
    Bench& operator=(const Bench&) = delete;

    // A client comes in.
    Peer& client(std::string_view address = "127.0.0.1:40000");
    // A server that a connection in the pool leads to; to be had for "name:port".
    Peer& server(std::string_view key = "server.test:80", std::string_view address = "192.0.2.80:80");
    // A server that is there to be dialled: the port where it listens on 127.0.0.1. And the next connection that came to it.
    std::uint16_t listen();
    Peer& accept();
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

    void reload(std::vector<policy::RuleSource> rules, std::string_view default_action = "allow", const Adjust& adjust = {});
    void drain();
    // Until nothing is left to do but wait.
    void settle();
    // So many ticks of the worker's wheel: what is due then has happened.
    void wait_ticks(int ticks);
    // Until every session has ended; false: one hangs.
    bool wait_for_sessions();
    std::size_t live() const;
    std::size_t pooled() const;  // connections that wait for their next request
    std::int64_t gauge(audit::Gauge gauge) const;
    std::uint64_t counter(audit::Counter counter) const;
    std::uint64_t matches(std::string_view rule) const;  // as metrics count them
    std::uint64_t refusals(audit::Refusal refusal) const;

    // All events so far.
    const std::vector<Record>& events();
    // The only one there is.
    const Record& event();

private:
    std::unique_ptr<BenchState> state_;
};

// A request to http://server.test, with its fields as lines.
std::string get(std::string_view path_and_query = "/", std::string_view fields = "");
// An answer with a length.
std::string ok(std::string_view body, std::string_view fields = "");
// What `ok` becomes on its way through.
std::string ok_relayed(std::string_view body, std::string_view fields = "");

// A user file with ann, whose password is "secret".
class Users {
public:
    Users();
    ~Users();
    const std::string& path() const { return path_; }

private:
    std::string path_;
};
// "Proxy-Authorization: Basic …\r\n"
std::string authorization(std::string_view user_and_password);

}  // namespace sluice::http::testing
