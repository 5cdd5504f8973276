// SPDX-License-Identifier: Apache-2.0
// Ids of events: short enough to be read out on the telephone, unique over workers and restarts, and sorting by time.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace sluice {

// 16 characters of Crockford's base 32 (no I, L, O, U): 45 bits of milliseconds, 35 bits that a worker counts on from a random start.
struct EventId {
    std::array<char, 16> text{};
    std::string_view view() const { return {text.data(), text.size()}; }
};

// One a worker: not shared, not locked.
class EventIds {
public:
    EventIds();                                                   // seeds from the system's random source
    EventId next(std::int64_t unix_milliseconds);

private:
    std::uint64_t counter_;
};

}  // namespace sluice
