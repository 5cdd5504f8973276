// SPDX-License-Identifier: Apache-2.0
// The notations of values inside strings: durations, sizes, ports. Each whole text or nothing.
#pragma once

#include "app/config.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::app {

// "500ms", "30s", "5m", "1h", "2d": digits and a unit, no sign, no fraction. nullopt too when it does not fit 64 bits of milliseconds.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

// "512B", "64KiB", "50MiB", "1GiB", "1TiB", and powers of ten "1kB" (also "1KB"), "1MB", "1GB", "1TB". In bytes.
std::optional<std::uint64_t> parse_size(std::string_view text);

// "443" or "8000-8099".
std::optional<PortRange> parse_ports(std::string_view text);

// As `parse_duration` reads it, in the largest unit that fits without remainder.
std::string format_duration(std::chrono::milliseconds duration);

}  // namespace sluice::app
