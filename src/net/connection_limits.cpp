// SPDX-License-Identifier: Apache-2.0
#include "net/connection_limits.h"

#include "base/limits.h"

#include <algorithm>

namespace sluice::net {

ConnectionPermit& ConnectionPermit::operator=(ConnectionPermit&& other) noexcept {
    if (this != &other) {
        release();
        limits_ = std::exchange(other.limits_, nullptr);
        client_ = std::exchange(other.client_, std::nullopt);
        within_ = other.within_;
        stranger_ = std::exchange(other.stranger_, false);
    }
    return *this;
}

void ConnectionPermit::set_client(const IpAddress& client) {
    if (!limits_ || client_ == client) return;
    if (client_) limits_->subtract(*client_);
    client_ = client;
    within_ = limits_->add(client);
}

bool ConnectionPermit::become_stranger() {
    if (!limits_ || stranger_) return true;
    const std::size_t total = limits_->total_limit_.load(std::memory_order_relaxed);
    const std::size_t most = std::max<std::size_t>(1, total / Limits{}.stranger_share);
    if (limits_->strangers_.fetch_add(1, std::memory_order_relaxed) >= most && total != 0) {
        limits_->strangers_.fetch_sub(1, std::memory_order_relaxed);
        return false;
    }
    stranger_ = true;
    return true;
}

void ConnectionPermit::release() {
    ConnectionLimits* limits = std::exchange(limits_, nullptr);
    if (!limits) return;
    if (client_) limits->subtract(*client_);
    if (std::exchange(stranger_, false)) limits->strangers_.fetch_sub(1, std::memory_order_relaxed);
    limits->total_.fetch_sub(1, std::memory_order_relaxed);
}

void ConnectionLimits::set(std::size_t total, std::size_t per_client) {
    total_limit_.store(total, std::memory_order_relaxed);
    client_limit_.store(per_client, std::memory_order_relaxed);
}

std::optional<ConnectionPermit> ConnectionLimits::reserve() {
    const std::size_t limit = total_limit_.load(std::memory_order_relaxed);
    if (total_.fetch_add(1, std::memory_order_relaxed) >= limit && limit != 0) {
        total_.fetch_sub(1, std::memory_order_relaxed);
        return std::nullopt;
    }
    return ConnectionPermit(this);
}

std::optional<ConnectionPermit> ConnectionLimits::enter(const IpAddress& client) {
    auto permit = reserve();
    if (permit) permit->set_client(client);
    return permit;
}

std::size_t ConnectionLimits::of_client(const IpAddress& client) {
    Shard& part = shard(client);
    const std::scoped_lock lock(part.mutex);
    const auto found = part.count.find(client);
    return found == part.count.end() ? 0 : found->second;
}

ConnectionLimits::Shard& ConnectionLimits::shard(const IpAddress& client) {
    return shards_[(std::hash<IpAddress>{}(client) >> 7) % shards_.size()];
}

bool ConnectionLimits::add(const IpAddress& client) {
    const std::size_t limit = client_limit_.load(std::memory_order_relaxed);
    Shard& part = shard(client);
    const std::scoped_lock lock(part.mutex);
    return ++part.count[client] <= limit || limit == 0;
}

void ConnectionLimits::subtract(const IpAddress& client) {
    Shard& part = shard(client);
    const std::scoped_lock lock(part.mutex);
    const auto found = part.count.find(client);
    if (found != part.count.end() && --found->second == 0) part.count.erase(found);
}

}  // namespace sluice::net
