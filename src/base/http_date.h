// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ctime>
#include <string>

namespace sluice {

// Unix time as a Date field has it (RFC 9110 5.6.7).
std::string http_date(std::time_t unix_seconds);

}  // namespace sluice
