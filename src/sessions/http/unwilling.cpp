// SPDX-License-Identifier: Apache-2.0
#include "sessions/http/unwilling.h"

#include <algorithm>

namespace sluice::http {

namespace {

IpAddress network_of(const IpAddress& client) {
    if (!client.is_v6()) return client;
    auto bytes = client.bytes();
    std::fill(bytes.begin() + 8, bytes.end(), std::uint8_t{0});
    return IpAddress::v6(bytes);
}

}  // namespace

void Unwilling::forget_old(Name& name, Clock::time_point now) const {
    std::erase_if(name.clients, [&](const auto& each) { return now - each.second.recent.front() > exempt_; });
}

bool Unwilling::is_firm(const Client& client) const {
    return client.failures >= firm_failures && client.recent.front() - client.recent.back() <= exempt_;
}

std::size_t Unwilling::firm_clients(const Name& name) const {
    return static_cast<std::size_t>(std::ranges::count_if(name.clients, [this](const auto& each) { return is_firm(each.second); }));
}

void Unwilling::note(std::string_view name, const IpAddress& from, Clock::time_point now) {
    const IpAddress client = network_of(from);
    const std::lock_guard lock(mutex_);
    auto found = by_name_.find(name);
    if (found == by_name_.end()) {
        if (names_.size() >= most_names_) {
            by_name_.erase(names_.back().name);
            names_.pop_back();
        }
        names_.push_front({std::string(name), {}});
        found = by_name_.emplace(names_.front().name, names_.begin()).first;
    }
    Name& noted = *found->second;
    names_.splice(names_.begin(), names_, found->second);
    forget_old(noted, now);
    if (!noted.clients.contains(client) && noted.clients.size() >= most_clients_) return;
    Client& failing = noted.clients[client];
    ++failing.failures;
    std::shift_right(failing.recent.begin(), failing.recent.end(), 1);
    failing.recent.front() = now;
}

bool Unwilling::is_exempt(std::string_view name, const IpAddress& client, Clock::time_point now) {
    const std::lock_guard lock(mutex_);
    const auto found = by_name_.find(name);
    if (found == by_name_.end()) return false;
    Name& noted = *found->second;
    forget_old(noted, now);
    const auto failing = noted.clients.find(network_of(client));
    return failing != noted.clients.end() && is_firm(failing->second) && firm_clients(noted) >= firm_clients_needed;
}

void Unwilling::forgive(std::string_view name, const IpAddress& client) {
    const std::lock_guard lock(mutex_);
    const auto found = by_name_.find(name);
    if (found != by_name_.end()) found->second->clients.erase(network_of(client));
}

std::vector<Unwilling::Listed> Unwilling::list(Clock::time_point now) {
    const std::lock_guard lock(mutex_);
    std::vector<Listed> listed;
    for (Name& name : names_) {
        forget_old(name, now);
        if (name.clients.empty()) continue;
        std::uint64_t failures = 0;
        for (const auto& [address, client] : name.clients) failures += client.failures;
        listed.push_back({name.name, name.clients.size(), failures, firm_clients(name) >= firm_clients_needed});
    }
    std::ranges::sort(listed, std::ranges::greater{}, &Listed::failures);
    return listed;
}

}  // namespace sluice::http
