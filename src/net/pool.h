// SPDX-License-Identifier: Apache-2.0
// Connections to servers that wait for their next request. One a worker. What goes in is exactly at the end of a response and in no doubt;
// what comes out has been quiet since.
#pragma once

#include "net/name_files.h"
#include "net/stream.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::net {

class UpstreamPool {
public:
    explicit UpstreamPool(Worker& worker);
    ~UpstreamPool();
    UpstreamPool(const UpstreamPool&) = delete;
    UpstreamPool& operator=(const UpstreamPool&) = delete;

    // `key`: the origin, "host:port", and whatever else must agree. The one used last; nullptr: none. `accept`, where given, says whether this
    // connection will do (its address may be refused by now); those refused are closed.
    template <class Accept>
    std::unique_ptr<Stream> take(std::string_view key, Accept&& accept) {
        while (std::unique_ptr<Stream> stream = take(key))
            if (accept(*stream)) return stream;
        return nullptr;
    }
    std::unique_ptr<Stream> take(std::string_view key);
    // Over the bounds (Limits::pool_per_origin, pool_total) it is closed, or the one that waited longest. Its deadline is unset.
    void put(std::string_view key, std::unique_ptr<Stream> stream);
    void clear();

    struct Counters {
        std::uint64_t reused = 0;
        std::uint64_t missed = 0;  // nothing was there: the caller opened one
        std::uint64_t stale = 0;  // found closed, or with bytes that nobody asked for
        std::uint64_t expired = 0;
        std::uint64_t surplus = 0;
    };
    const Counters& counters() const { return counters_; }
    std::size_t size() const { return size_; }

private:
    struct Idle {
        std::unique_ptr<Stream> stream;
        std::uint64_t since;  // in ticks of the wheel
        std::uint64_t order;  // of all that were put
    };
    using Origin = std::vector<Idle>;  // the last: used last
    void sweep();
    void drop_oldest();

    Worker& worker_;
    NameMap<Origin> origins_;
    std::size_t size_ = 0;
    std::uint64_t next_sweep_ = 0;
    std::uint64_t next_order_ = 0;
    Counters counters_;
};

}  // namespace sluice::net
