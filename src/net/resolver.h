// SPDX-License-Identifier: Apache-2.0
// Names to addresses: literals, then the hosts file, then the cache, then the name servers (c-ares). One a worker; it reads no file.
#pragma once

#include "base/ip.h"
#include "base/limits.h"
#include "base/result.h"
#include "net/name_files.h"
#include "net/task.h"

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace sluice::net {

class Worker;

struct Addresses {
    std::vector<IpAddress> list;                 // at least one; families take turns, IPv6 first (RFC 8305 section 4)
};

class Resolver {
public:
    // Works with nothing but literals until `use` was called.
    explicit Resolver(Worker& worker);
    ~Resolver();
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;

    // From now on. Other name servers: the cache is forgotten.
    void use(const NameData& data);

    // `host`: lower case, no brackets, a final dot allowed. Errors are of the server's side: unresolved (cause: the code of c-ares, ARES_ENOTFOUND: there is no such name,
    // ARES_ENODATA: it has no address, ARES_ECONNREFUSED: no name server answers, …), timed_out (Limits::resolve).
    Task<Result<std::shared_ptr<const Addresses>>> resolve(std::string_view host);

    struct Counters {
        std::uint64_t queries = 0;  // names asked for on the wire
        std::uint64_t cache_hits = 0;
        std::uint64_t failures = 0;
    };
    const Counters& counters() const;
    std::size_t cached() const;
    // Ends all waits with `cancelled`.
    void cancel();

private:
    struct State;
    std::unique_ptr<State> state_;
};

// Families by turns, IPv6 first, each in its order.
std::vector<IpAddress> interleaved(const std::vector<IpAddress>& v6, const std::vector<IpAddress>& v4, std::size_t at_most);

}  // namespace sluice::net
