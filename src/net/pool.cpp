// SPDX-License-Identifier: Apache-2.0
#include "net/pool.h"

#include "net/worker.h"

namespace sluice::net {

namespace {

constexpr std::uint64_t ticks_between_sweeps = 10;

}  // namespace

UpstreamPool::UpstreamPool(Worker& worker) : worker_(worker) {
    worker.wheel().every_tick([this] { sweep(); });
}

UpstreamPool::~UpstreamPool() = default;

std::unique_ptr<Stream> UpstreamPool::take(std::string_view key) {
    if (const auto found = origins_.find(key); found != origins_.end()) {
        Origin& origin = found->second;
        while (!origin.empty()) {
            std::unique_ptr<Stream> stream = std::move(origin.back().stream);
            origin.pop_back();
            --size_;
            if (stream->is_quiet()) {
                ++counters_.reused;
                return stream;
            }
            ++counters_.stale;
        }
    }
    ++counters_.missed;
    return nullptr;
}

void UpstreamPool::put(std::string_view key, std::unique_ptr<Stream> stream) {
    const Limits& limits = worker_.limits();
    if (limits.pool_per_origin == 0 || limits.pool_total == 0 || worker_.is_ending()) return;
    if (!stream->is_quiet()) {
        ++counters_.stale;
        return;
    }
    stream->expires_never();
    if (size_ >= limits.pool_total) drop_oldest();
    auto found = origins_.find(key);
    if (found == origins_.end()) found = origins_.emplace(std::string(key), Origin{}).first;
    Origin& origin = found->second;
    if (origin.size() >= limits.pool_per_origin) {
        origin.erase(origin.begin());
        --size_;
        ++counters_.surplus;
    }
    origin.push_back({std::move(stream), worker_.wheel().now(), next_order_++});
    ++size_;
}

void UpstreamPool::clear() {
    origins_.clear();
    size_ = 0;
}

void UpstreamPool::sweep() {
    const std::uint64_t now = worker_.wheel().now();
    if (now < next_sweep_) return;
    next_sweep_ = now + ticks_between_sweeps;
    const auto idle = static_cast<std::uint64_t>(worker_.limits().upstream_idle / Wheel::tick);
    for (auto entry = origins_.begin(); entry != origins_.end();) {
        std::erase_if(entry->second, [&](const Idle& waiting) {
            const bool expired = waiting.since + idle <= now;
            if (!expired && waiting.stream->is_quiet()) return false;
            ++(expired ? counters_.expired : counters_.stale);
            --size_;
            return true;
        });
        entry = entry->second.empty() ? origins_.erase(entry) : std::next(entry);
    }
}

void UpstreamPool::drop_oldest() {
    Origin* oldest = nullptr;
    for (auto& [key, origin] : origins_)
        if (!origin.empty() && (!oldest || origin.front().order < oldest->front().order)) oldest = &origin;
    if (!oldest) return;
    oldest->erase(oldest->begin());
    --size_;
    ++counters_.surplus;
}

}  // namespace sluice::net
