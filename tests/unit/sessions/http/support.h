// SPDX-License-Identifier: Apache-2.0
// A service on a worker, and the peers around it as a test plays them: clients over memory, servers over memory (as connections that the pool
// holds) or over the loopback (where the session dials).
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sessions/http/settings.h"
#include "unit/sessions/support.h"

namespace sluice::http::testing {

using policy::testing::rule;
using policy::testing::text;

using sessions::testing::Failure;
using sessions::testing::Peer;
using sessions::testing::Record;
using sessions::testing::value;

struct BenchState;

class Bench : public sessions::testing::Bench {
public:
    using Adjust = std::function<void(Settings&)>;
    explicit Bench(std::vector<policy::RuleSource> rules = {}, std::string_view default_action = "allow", const Adjust& adjust = {});
    ~Bench();

    // A client comes in.
    Peer& client(std::string_view address = "127.0.0.1:40000");
    // A server that a connection in the pool leads to; to be had for "name:port".
    Peer& server(std::string_view key = "server.test:80", std::string_view address = "192.0.2.80:80");

    void reload(std::vector<policy::RuleSource> rules, std::string_view default_action = "allow", const Adjust& adjust = {});
    void drain();
    std::size_t pooled() const;  // connections that wait for their next request

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
