// SPDX-License-Identifier: Apache-2.0
// Names whose clients refuse our certificates: applications that bring their own idea of who the server is (pinning). Told to people, and where the
// configuration says so left alone for a while, for the clients that failed.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/ip.h"
#include "base/limits.h"

namespace sluice::http {

// Thread-safe. Bounded: the name that failed longest ago goes first.
class Unwilling {
public:
    using Clock = std::chrono::steady_clock;
    explicit Unwilling(const Limits& limits = {})
        : most_names_(limits.unwilling_names),
          most_clients_(limits.unwilling_clients),
          exempt_(limits.unwilling_exempt) {}

    // A client ended the handshake for that name. An IPv6 client is its network of 64 bits: one machine has as many addresses there as it likes.
    void note(std::string_view name, const IpAddress& client, Clock::time_point now);
    // It ended one well: what it refused before was chance.
    void forgive(std::string_view name, const IpAddress& client);
    // Whether it may be left alone: at least three clients failed three times each, this one among them, within the time that exemptions last.
    bool is_exempt(std::string_view name, const IpAddress& client, Clock::time_point now);

    struct Listed {
        std::string name;
        std::size_t clients = 0;
        std::uint64_t failures = 0;
        bool is_enough = false;  // for an exemption
    };
    std::vector<Listed> list(Clock::time_point now);  // the one with most failures first

private:
    // One client, or one unlucky connection, is no application that pins.
    static constexpr std::size_t firm_failures = 3;
    static constexpr std::size_t firm_clients_needed = 3;
    struct Client {
        std::uint64_t failures = 0;
        std::array<Clock::time_point, firm_failures> recent;  // the last one first
    };
    struct Name {
        std::string name;
        std::unordered_map<IpAddress, Client> clients;
    };
    using Names = std::list<Name>;
    void forget_old(Name& name, Clock::time_point now) const;
    bool is_firm(const Client& client) const;
    std::size_t firm_clients(const Name& name) const;

    const std::size_t most_names_;
    const std::size_t most_clients_;
    const Limits::Duration exempt_;
    std::mutex mutex_;
    Names names_;  // the one that failed last first
    std::unordered_map<std::string_view, Names::iterator> by_name_;
};

}  // namespace sluice::http
