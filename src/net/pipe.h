// SPDX-License-Identifier: Apache-2.0
// Pipes for splice(2): bytes go from socket to socket without passing through us.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

namespace sluice::net {

struct Pipe {
    int read_end = -1;
    int write_end = -1;
    std::size_t capacity = 0;
};

// One a worker. Only empty pipes go back.
class PipePool {
public:
    static constexpr std::size_t wanted_capacity = 1024 * 1024;
    PipePool() = default;
    PipePool(const PipePool&) = delete;
    PipePool& operator=(const PipePool&) = delete;
    ~PipePool();

    std::optional<Pipe> take();                      // nullopt: no descriptors left
    void put(Pipe pipe);
    static void close(Pipe pipe);

private:
    static constexpr std::size_t kept = 64;
    std::vector<Pipe> free_;
};

}  // namespace sluice::net
