// SPDX-License-Identifier: Apache-2.0
#include "net/pipe.h"

#include <fcntl.h>
#include <unistd.h>

namespace sluice::net {

PipePool::~PipePool() {
    for (const Pipe& pipe : free_) close(pipe);
}

std::optional<Pipe> PipePool::take() {
    if (!free_.empty()) {
        const Pipe pipe = free_.back();
        free_.pop_back();
        return pipe;
    }
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return std::nullopt;
    // Refused where the user's pipes together are over their limit (pipe(7)): then it stays as it is.
    int capacity = ::fcntl(ends[1], F_SETPIPE_SZ, static_cast<int>(wanted_capacity));
    if (capacity < 0) capacity = ::fcntl(ends[1], F_GETPIPE_SZ);
    return Pipe{ends[0], ends[1], static_cast<std::size_t>(capacity > 0 ? capacity : 4096)};
}

void PipePool::put(Pipe pipe) {
    if (free_.size() < kept) free_.push_back(pipe);
    else close(pipe);
}

void PipePool::close(Pipe pipe) {
    ::close(pipe.read_end);
    ::close(pipe.write_end);
}

}  // namespace sluice::net
