// SPDX-License-Identifier: Apache-2.0
// The worker's epoll set. Sockets register once, edge-triggered, and remember what they were told: so a request costs no failed `recv`, no
// `epoll_ctl` and no posted completion, which Asio's reactor does not offer.
#pragma once

#include <sys/epoll.h>
#include <array>
#include <cstdint>

namespace sluice::net {

// What a descriptor wakes. It removes itself before it is destroyed (`Reactor::remove`, or `forget` where the descriptor is closed).
class EventSource {
public:
    virtual void on_ready(std::uint32_t events) = 0;

protected:
    ~EventSource() = default;
};

class Reactor {
public:
    Reactor();                                       // throws std::system_error where the system has no descriptors left
    ~Reactor();
    Reactor(const Reactor&) = delete;
    Reactor& operator=(const Reactor&) = delete;

    // `events`: EPOLLIN, EPOLLOUT, EPOLLRDHUP, with EPOLLET for edges. 0, or the errno.
    int add(int descriptor, std::uint32_t events, EventSource& source);
    int modify(int descriptor, std::uint32_t events, EventSource& source);
    void remove(int descriptor, EventSource& source);
    // The descriptor is being closed, which takes it out of the set: drops only what was already reported.
    void forget(EventSource& source);

    // Waits at most so long and calls the sources. One round.
    void wait(int milliseconds);
    // Rounds so far: two calls in the same round saw the same state of the world.
    std::uint64_t round() const { return round_; }

private:
    int epoll_;
    std::uint64_t round_ = 0;
    int count_ = 0;                                  // events of this round not yet given out: from `next_` on
    int next_ = 0;
    std::array<epoll_event, 256> events_;
};

}  // namespace sluice::net
