// SPDX-License-Identifier: Apache-2.0
// A service on a worker, and the peers around it as a test plays them: a client's control connection over memory, the server's and all data
// connections over the loopback. A Scene has one of each, and the steps that most scripts take.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sessions/ftp/settings.h"
#include "unit/sessions/support.h"

namespace sluice::ftp::testing {

using policy::testing::rule;
using policy::testing::text;

using sessions::testing::eicar;
using sessions::testing::Failure;
using sessions::testing::Peer;
using sessions::testing::Record;
using sessions::testing::Speaker;
using sessions::testing::value;

struct BenchState;

class Bench : public sessions::testing::Bench {
public:
    using Adjust = std::function<void(Settings&)>;
    explicit Bench(std::vector<policy::RuleSource> rules = {}, std::string_view default_action = "allow", const Adjust& adjust = {});
    ~Bench();

    // A client comes in, at 127.0.0.1:2121.
    Peer& client(std::string_view address = "127.0.0.1:40000");
    // A client's data connection: to where PASV led it. Null where nobody listens.
    Peer* try_dial(std::uint16_t port);
    Peer& dial(std::uint16_t port);
    // So that what was sent over the loopback has been looked at.
    void breathe();
    // Sessions that one client may have.
    void limit_sessions(std::size_t per_client);

    void reload(std::vector<policy::RuleSource> rules, std::string_view default_action = "allow", const Adjust& adjust = {});
    void drain();

private:
    std::unique_ptr<BenchState> state_;
};

// A file of so many lines of text, no two of them alike.
std::string lines(std::size_t count);
// What begins as a zip and as a program does, and is nothing else.
std::string archive();
std::string program();

// Payloads are inspected, by signatures.
Bench::Adjust inspecting(policy::Deliver deliver = policy::Deliver::automatic, const Bench::Adjust& more = {});

struct Scene {
    explicit Scene(std::vector<policy::RuleSource> rules = {}, std::string_view default_action = "allow", const Bench::Adjust& adjust = {});

    // USER is heard at the server, which says 331; and, for a login, PASS and PWD as well.
    void say_user(std::string_view user = "ann");
    void log_in(std::string_view directory = "/home/ann");
    std::string server_name() const;  // "127.0.0.1:port"

    // The client's line, and what is answered.
    std::string ask(std::string_view line);
    // The same where the server is asked: it hears `heard` (by default the same line), and says `answer`.
    std::string relay(std::string_view line, std::string_view answer, std::string_view heard = {});

    // PASV, and the connection to where it leads.
    std::uint16_t passive();
    void open_data();
    // The server is asked for a data connection (PASV), and gets one; then it hears `command`, and says `answer`.
    void serve_data(std::string_view command, std::string_view answer = "150 Here it comes.");
    // The transfer is broken off, which the server is told; what it says of the transfer, if anything.
    void hear_abort(std::string_view last = "426 Who hung up?");
    // A whole download: what the client got, and its last reply. The server has `content`.
    std::string retrieve(std::string_view name, std::string_view content, std::string_view heard = {});
    // A whole upload, inspected: what the server got.
    std::string store(std::string_view name, std::string_view content);
    // The client's data connection ends with no octet on it, so that this shows.
    bool is_data_broken();
    std::string last_reply;

    Bench bench;
    Speaker client;
    std::uint16_t port;  // the server's
    std::optional<Speaker> server;
    Peer* client_data = nullptr;
    Peer* server_data = nullptr;
};

}  // namespace sluice::ftp::testing
