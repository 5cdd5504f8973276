// SPDX-License-Identifier: Apache-2.0
#include "app/config_value.h"

#include "base/text.h"

#include <array>
#include <limits>

namespace sluice::app {

namespace {

struct Unit {
    std::string_view name;
    std::uint64_t factor;
};

constexpr std::array kDurations{Unit{"ms", 1}, Unit{"s", 1000}, Unit{"m", 60'000}, Unit{"h", 3'600'000}, Unit{"d", 86'400'000}};
constexpr std::array kSizes{
    Unit{"B", 1},      Unit{"KiB", 1ULL << 10}, Unit{"MiB", 1ULL << 20}, Unit{"GiB", 1ULL << 30},   Unit{"TiB", 1ULL << 40},
    Unit{"kB", 1'000}, Unit{"KB", 1'000},       Unit{"MB", 1'000'000},   Unit{"GB", 1'000'000'000}, Unit{"TB", 1'000'000'000'000},
};

std::optional<std::uint64_t> parse_with_unit(std::string_view text, std::span<const Unit> units) {
    std::size_t digits = 0;
    while (digits < text.size() && is_digit(text[digits])) ++digits;
    const auto number = parse_decimal<std::uint64_t>(text.substr(0, digits));
    if (!number) return std::nullopt;
    std::string_view name = text.substr(digits);
    while (!name.empty() && name.front() == ' ') name.remove_prefix(1);
    for (const Unit& unit : units) {
        if (unit.name != name) continue;
        // Signed 64 bits: what reads it need not think about the sign.
        if (*number > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) / unit.factor) return std::nullopt;
        return *number * unit.factor;
    }
    return std::nullopt;
}

}  // namespace

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
    const auto value = parse_with_unit(text, kDurations);
    if (!value) return std::nullopt;
    return std::chrono::milliseconds(static_cast<std::int64_t>(*value));
}

std::optional<std::uint64_t> parse_size(std::string_view text) { return parse_with_unit(text, kSizes); }

std::optional<PortRange> parse_ports(std::string_view text) {
    const std::size_t dash = text.find('-');
    const auto first = parse_decimal<std::uint16_t>(trim(text.substr(0, dash)));
    const auto last = dash == std::string_view::npos ? first : parse_decimal<std::uint16_t>(trim(text.substr(dash + 1)));
    if (!first || !last || *first == 0 || *first > *last) return std::nullopt;
    return PortRange{*first, *last};
}

std::string format_duration(std::chrono::milliseconds duration) {
    const auto value = static_cast<std::uint64_t>(duration.count());
    const Unit* best = &kDurations.front();
    for (const Unit& unit : kDurations)
        if (value != 0 && value % unit.factor == 0) best = &unit;
    return std::to_string(value / best->factor).append(best->name);
}

}  // namespace sluice::app
