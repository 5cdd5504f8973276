// SPDX-License-Identifier: Apache-2.0
// Patience with an engine that is another program: one that is gone for a moment (restarted, reloading) is asked again for a few seconds; then it is
// down, and who asks is told so at once, but for one try a second.
#pragma once

#include "inspect/verdict.h"

#include <atomic>
#include <chrono>
#include <optional>
#include <string_view>

namespace sluice::inspect {

class Outage {
public:
    using Time = std::chrono::steady_clock::time_point;

    // `ask(spoke)`: nullopt where the engine has said nothing that counts; `spoke` is set where it was there all the same: then it is asked again, but is
    // not down for others. Blocks, until the deadline at most. From any thread, many at once. Unscannable for
    // engine_down, else what `ask` says.
    template <class Ask>
    Outcome ask(std::string_view engine, Time deadline, Ask&& ask) {
        Wait wait(*this, deadline);
        while (!wait.is_over()) {
            bool spoke = false;
            if (std::optional<Outcome> outcome = ask(spoke)) {
                if (outcome->reason != Reason::timeout) down_until_.store(Time::min(), std::memory_order_relaxed);
                return *std::move(outcome);
            }
            if (spoke) down_until_.store(Time::min(), std::memory_order_relaxed);
            wait.pause(spoke);
        }
        return Outcome::unscannable(Reason::engine_down, engine);
    }

private:
    class Wait {
    public:
        Wait(Outage& outage, Time deadline);
        bool is_over() const { return is_over_; }
        void pause(bool spoke);

    private:
        Outage& outage_;
        Time deadline_;
        bool was_down_;
        bool is_over_;
        std::optional<Time> give_up_;
        std::chrono::milliseconds next_;
    };

    std::atomic<Time> down_until_{Time::min()};  // it was found to be down, and is not asked before; min: it was not
};

}  // namespace sluice::inspect
