// SPDX-License-Identifier: Apache-2.0
#include "base/http_date.h"

#include <fmt/format.h>

#include <array>

namespace sluice {

std::string http_date(std::time_t unix_seconds) {
    std::tm utc{};
    gmtime_r(&unix_seconds, &utc);
    // Not strftime: its names of days and months are the locale's.
    static constexpr std::array<const char*, 7> days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr std::array<const char*, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", days[static_cast<std::size_t>(utc.tm_wday)], utc.tm_mday,
                       months[static_cast<std::size_t>(utc.tm_mon)], utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

}  // namespace sluice
