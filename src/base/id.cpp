// SPDX-License-Identifier: Apache-2.0
#include "base/id.h"

#include <sys/random.h>

namespace sluice {

EventIds::EventIds() : counter_(0) {
    if (getrandom(&counter_, sizeof counter_, 0) != sizeof counter_) counter_ = reinterpret_cast<std::uintptr_t>(this);
}

EventId EventIds::next(std::int64_t unix_milliseconds) {
    static constexpr char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    auto time = static_cast<std::uint64_t>(unix_milliseconds);
    std::uint64_t count = ++counter_;
    EventId id;
    for (std::size_t i = 9; i-- > 0; time >>= 5) id.text[i] = alphabet[time & 31U];
    for (std::size_t i = 16; i-- > 9; count >>= 5) id.text[i] = alphabet[count & 31U];
    return id;
}

}  // namespace sluice
