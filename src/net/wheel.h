// SPDX-License-Identifier: Apache-2.0
// Coarse deadlines: thousands of connections, each of which moves its deadline with every byte, and hardly one of which is ever reached.
#pragma once

#include "base/limits.h"

#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

namespace sluice::net {

class Wheel;

// A place in the wheel. Moving the deadline later is a store: the node stays where it hangs, and is hung anew when its slot comes by.
class Deadline {
public:
    explicit Deadline(Wheel& wheel) : wheel_(&wheel) {}
    Deadline(const Deadline&) = delete;
    Deadline& operator=(const Deadline&) = delete;

    // Never early (but for a loop that is itself late), up to two ticks late.
    void expires_in(Limits::Duration duration);
    // The same, but never earlier than it is set; not set it stays.
    void extend(Limits::Duration duration);
    void expires_never() { at_ = never; }
    bool is_set() const { return at_ != never; }

protected:
    ~Deadline();                                     // may be destroyed at any time, also inside `on_expired`
    virtual void on_expired() = 0;                   // the deadline is no longer set

private:
    friend class Wheel;
    static constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t tick_in(Limits::Duration duration) const;
    void unlink();

    Wheel* wheel_;
    std::uint64_t at_ = never;                       // in ticks
    std::uint64_t hung_at_ = never;                  // the tick of the slot that it hangs in; never: in none
    Deadline* next_ = nullptr;
    Deadline** link_ = nullptr;                      // what points at this node
};

class Wheel {
public:
    static constexpr Limits::Duration tick{100};

    // Called once a tick (missed ticks are not made up for), for the life of the wheel.
    void every_tick(std::function<void()> call) { callbacks_.push_back(std::move(call)); }
    // The time, in ticks since the start. Calls what is due.
    void advance(std::uint64_t now);
    std::uint64_t now() const { return now_; }

private:
    friend class Deadline;
    static constexpr std::uint64_t slots = 1024;     // 102.4 s; what is further off goes round again
    void hang(Deadline& node, std::uint64_t at);
    void turn(std::uint64_t slot_tick);

    std::uint64_t now_ = 0;
    std::array<Deadline*, slots> heads_{};
    std::vector<std::function<void()>> callbacks_;
};

}  // namespace sluice::net
