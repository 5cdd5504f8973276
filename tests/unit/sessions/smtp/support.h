// SPDX-License-Identifier: Apache-2.0
// A service on a worker, a client over memory, and the upstream over the loopback, as a test plays them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sessions/smtp/settings.h"
#include "unit/sessions/support.h"

namespace sluice::smtp::testing {

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
    // The upstream listens on `port()` of 127.0.0.1; recipients of mail.example are ours.
    explicit Bench(std::vector<policy::RuleSource> rules = {}, std::string_view default_action = "allow", const Adjust& adjust = {});
    ~Bench();

    Peer& client(std::string_view address = "127.0.0.1:40000");
    std::uint16_t port() const;
    void drain();

private:
    std::unique_ptr<BenchState> state_;
};

// Payloads are inspected, by signatures.
Bench::Adjust inspecting(const Bench::Adjust& more = {});

// Base64 in lines of 76.
std::string base64(std::string_view content);
// A message with one attachment.
std::string with_attachment(std::string_view name, std::string_view content);

struct Scene {
    explicit Scene(std::vector<policy::RuleSource> rules = {}, const Bench::Adjust& adjust = {}, std::string_view default_action = "allow");

    // The client's line, and what is answered.
    std::string ask(std::string_view line);
    // The same where the server is asked: it hears `heard` (by default the same line), and says `answer`.
    std::string relay(std::string_view line, std::string_view answer, std::string_view heard = {});
    // The greeting is heard and EHLO said; the server offers `keywords`. The answer.
    std::string greet(std::vector<std::string_view> keywords = {}, std::string_view name = "client.example");
    // MAIL and one RCPT, taken by the server.
    void envelope(std::string_view from = "ann@client.example", std::string_view to = "bo@mail.example");

    Bench bench;
    Speaker client;
    std::optional<Speaker> server;
};

}  // namespace sluice::smtp::testing
