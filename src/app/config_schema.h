// SPDX-License-Identifier: Apache-2.0
// Every key that the configuration may hold, and what reads it. From these tables come the unknown keys' faults and the names proposed instead.
#pragma once

#include "app/setting.h"

#include <span>
#include <string_view>

namespace sluice::app {

// Reads one key into the configuration; faults go to the setting.
struct KeySpec {
    std::string_view name;
    void (*read)(Setting& setting, Config& config);
};

struct SectionSpec {
    std::string_view name;
    std::span<const KeySpec> keys;
};

std::span<const KeySpec> top_level_keys();  // workers, user, state_dir; `include` is read apart
std::span<const SectionSpec> sections();  // those with fixed keys: not [lists], not [[rule]]

// config_inspect.cpp
std::span<const KeySpec> inspect_keys();
std::span<const KeySpec> quarantine_keys();
// Once all files are read: default patterns and folders are resolved, and engines that something names must have what they need.
void check_inspection(Config& config, Reading& reading);

// config_ftp.cpp
std::span<const KeySpec> ftp_keys();

// config_smtp.cpp
std::span<const KeySpec> smtp_keys();
void check_smtp(Config& config, Reading& reading);

// config_tls.cpp
std::span<const KeySpec> tls_keys();
void check_tls(Config& config, Reading& reading);

// config_rules.cpp
void read_rules(Reading& reading, const SourceFile& file, const toml::key& key, const toml::node& node, Config& config);
void read_lists(Reading& reading, const SourceFile& file, const toml::key& key, const toml::node& node, Config& config);

bool is_loopback(const IpAddress& address);

// "unknown key", with the nearest of `known`.
void report_unknown_key(Reading& reading, const SourceFile& file, const toml::key& key, std::string_view where,
                        std::span<const std::string_view> known);

}  // namespace sluice::app
