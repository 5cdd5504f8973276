// SPDX-License-Identifier: Apache-2.0
#include "app/config_schema.h"

#include "base/text.h"
#include "base/url.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace sluice::app {

namespace {

// "host:port"; an empty text is none.
void read_upstream(Setting& setting, Config& config) {
    const auto value = setting.text();
    if (!value) return;
    config.ftp.upstream = {};
    if (value->empty()) return;
    const auto parsed = parse_authority(*value, false);
    if (!parsed || parsed->host.empty()) return setting.fault("a server is expected: \"ftp.example.org:21\"");
    config.ftp.upstream = {.host = parsed->host, .port = parsed->port != 0 ? parsed->port : std::uint16_t{21}};
}

// Below 1024 are other services' ports.
void read_passive_ports(Setting& setting, Config& config) {
    const auto value = setting.ports();
    if (!value) return;
    if (value->size() != 1) return setting.fault("one range is expected: \"30000-30999\"");
    if (value->front().first < 1024) return setting.fault("data connections use ports from 1024 on");
    config.ftp.passive_ports = value->front();
}

void read_passive_address(Setting& setting, Config& config) {
    const auto value = setting.text();
    if (!value) return;
    config.ftp.passive_address.reset();
    if (value->empty()) return;
    const auto address = IpAddress::parse(*value);
    if (!address || !address->is_v4()) return setting.fault("an IPv4 address is expected: PASV can say no other");
    config.ftp.passive_address = *address;
}

void read_site(Setting& setting, Config& config) {
    auto value = setting.texts();
    if (!value) return;
    for (std::string& word : *value) {
        if (word.empty() || !std::ranges::all_of(word, [](char c) { return is_alpha(c) || is_digit(c); }))
            return setting.fault(fmt::format("\"{}\" is no SITE subcommand", word));
        word = upper(word);
    }
    config.ftp.site = std::move(*value);
}

template <std::size_t Limits::* member>
void read_bound(Setting& setting, Config& config) {
    constexpr std::uint64_t least = 512, most = 64 * 1024;
    if (const auto value = setting.size(least, most)) config.limits.*member = *value;
}

constexpr std::array kFtp{
    KeySpec{"listen",
            [](Setting& s, Config& c) {
                if (auto value = s.listeners()) c.ftp.listen = std::move(*value);
            }},
    KeySpec{"upstream", read_upstream},
    KeySpec{"ports",
            [](Setting& s, Config& c) {
                if (auto value = s.ports()) c.ftp.ports = std::move(*value);
            }},
    KeySpec{"passive_ports", read_passive_ports},
    KeySpec{"passive_address", read_passive_address},
    KeySpec{"upstream_mode",
            [](Setting& s, Config& c) {
                static constexpr std::array<std::string_view, 2> words{"passive", "active"};
                if (const auto value = s.choice(words)) c.ftp.is_active = *value == 1;
            }},
    KeySpec{"implicit_tls",
            [](Setting& s, Config& c) {
                if (auto value = s.listeners()) c.ftp.implicit_tls = std::move(*value);
            }},
    KeySpec{"client_tls",
            [](Setting& s, Config& c) {
                static constexpr std::array<std::string_view, 3> words{"off", "allow", "require"};
                if (const auto value = s.choice(words)) c.ftp.client_tls = static_cast<ClientTls>(*value);
            }},
    KeySpec{"upstream_tls",
            [](Setting& s, Config& c) {
                static constexpr std::array<std::string_view, 4> words{"off", "prefer", "require", "match"};
                if (const auto value = s.choice(words)) c.ftp.upstream_tls = static_cast<UpstreamTls>(*value);
            }},
    KeySpec{"require_tls_resumption",
            [](Setting& s, Config& c) {
                if (const auto value = s.boolean()) c.ftp.require_tls_resumption = *value;
            }},
    KeySpec{"site", read_site},
    KeySpec{"sessions_per_client",
            [](Setting& s, Config& c) {
                if (const auto value = s.integer(1, 1'000'000)) c.ftp.sessions_per_client = static_cast<std::size_t>(*value);
            }},
    KeySpec{"line", read_bound<&Limits::ftp_line>},
    KeySpec{"path", read_bound<&Limits::ftp_path>},
};

}  // namespace

std::span<const KeySpec> ftp_keys() { return kFtp; }

}  // namespace sluice::app
