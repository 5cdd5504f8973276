// SPDX-License-Identifier: Apache-2.0
#include "app/config_value.h"

#include <gtest/gtest.h>

namespace sluice::app {
namespace {

using namespace std::chrono_literals;

TEST(ConfigValue, durations) {
    EXPECT_EQ(parse_duration("500ms"), 500ms);
    EXPECT_EQ(parse_duration("30s"), 30s);
    EXPECT_EQ(parse_duration("5m"), 5min);
    EXPECT_EQ(parse_duration("1h"), 1h);
    EXPECT_EQ(parse_duration("2d"), 48h);
    EXPECT_EQ(parse_duration("0s"), 0s);
    for (const char* bad :
         {"", "30", "s", "-1s", "+1s", "1.5s", "30 sec", "30S", "1h30m", " 1s", "99999999999999999999s", "9223372036854775807d"})
        EXPECT_EQ(parse_duration(bad), std::nullopt) << bad;
}

TEST(ConfigValue, durations_are_written_as_they_are_read) {
    for (const char* text : {"500ms", "30s", "5m", "1h", "2d", "90s", "1001ms"}) EXPECT_EQ(format_duration(*parse_duration(text)), text);
    EXPECT_EQ(format_duration(60s), "1m");
    EXPECT_EQ(format_duration(0s), "0ms");
}

TEST(ConfigValue, sizes) {
    EXPECT_EQ(parse_size("512B"), 512U);
    EXPECT_EQ(parse_size("64KiB"), 65536U);
    EXPECT_EQ(parse_size("64 KiB"), 65536U);
    EXPECT_EQ(parse_size("50MiB"), 50U << 20U);
    EXPECT_EQ(parse_size("1MB"), 1'000'000U);
    EXPECT_EQ(parse_size("2kB"), 2000U);
    EXPECT_EQ(parse_size("4GiB"), 4ULL << 30U);
    for (const char* bad : {"", "64", "KiB", "64kib", "64K", "-1B", "1.5MiB", "99999999TiB"})
        EXPECT_EQ(parse_size(bad), std::nullopt) << bad;
}

TEST(ConfigValue, ports) {
    EXPECT_EQ(parse_ports("443"), (PortRange{443, 443}));
    EXPECT_EQ(parse_ports("8000-8099"), (PortRange{8000, 8099}));
    for (const char* bad : {"", "0", "65536", "80-", "-80", "90-80", "a", "80-90-100"}) EXPECT_EQ(parse_ports(bad), std::nullopt) << bad;
}

}  // namespace
}  // namespace sluice::app
