// SPDX-License-Identifier: Apache-2.0
// How many connections there are, in all and of each client: exact over all workers.
#pragma once

#include "base/ip.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

namespace sluice::net {

class ConnectionLimits;

// The place of one connection; given back when destroyed. May be destroyed on any thread; the limits outlive it.
class ConnectionPermit {
public:
    ConnectionPermit() = default;
    ConnectionPermit(ConnectionPermit&& other) noexcept
        : limits_(std::exchange(other.limits_, nullptr)),
          client_(std::exchange(other.client_, std::nullopt)),
          within_(other.within_),
          stranger_(std::exchange(other.stranger_, false)) {}
    ConnectionPermit& operator=(ConnectionPermit&& other) noexcept;
    ~ConnectionPermit() { release(); }

    // False: this client has more than it may; answer 503 and close. It is counted nonetheless.
    bool is_within_client_limit() const { return within_; }
    // Whose it is: now that it was accepted, or because the client turned out to be another one (PROXY protocol).
    void set_client(const IpAddress& client);
    // It will be refused, and has a place only to be told so. False: there are as many of those as there may be; close it at once.
    bool become_stranger();
    void release();
    explicit operator bool() const { return limits_ != nullptr; }

private:
    friend class ConnectionLimits;
    explicit ConnectionPermit(ConnectionLimits* limits) : limits_(limits) {}
    ConnectionLimits* limits_ = nullptr;
    std::optional<IpAddress> client_;
    bool within_ = true;
    bool stranger_ = false;
};

class ConnectionLimits {
public:
    // 0: no limit.
    ConnectionLimits(std::size_t total, std::size_t per_client) : total_limit_(total), client_limit_(per_client) {}
    void set(std::size_t total, std::size_t per_client);     // from any thread; counts for connections to come

    // A place, of no client yet. nullopt: there are as many as there may be.
    std::optional<ConnectionPermit> reserve();
    std::optional<ConnectionPermit> enter(const IpAddress& client);
    std::size_t total() const { return total_.load(std::memory_order_relaxed); }
    std::size_t strangers() const { return strangers_.load(std::memory_order_relaxed); }
    std::size_t of_client(const IpAddress& client);

private:
    friend class ConnectionPermit;
    struct alignas(64) Shard {
        std::mutex mutex;
        std::unordered_map<IpAddress, std::size_t> count;
    };
    Shard& shard(const IpAddress& client);
    bool add(const IpAddress& client);                       // whether it is within the client's limit
    void subtract(const IpAddress& client);

    std::atomic<std::size_t> total_limit_;
    std::atomic<std::size_t> client_limit_;
    std::atomic<std::size_t> total_{0};
    std::atomic<std::size_t> strangers_{0};
    std::array<Shard, 64> shards_;
};

}  // namespace sluice::net
