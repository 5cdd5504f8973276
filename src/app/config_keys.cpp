// SPDX-License-Identifier: Apache-2.0
#include "app/config_schema.h"

#include "base/text.h"
#include "policy/countries.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

namespace sluice::app {

namespace {

using std::chrono::milliseconds;

// A page or a PAC file: read now, so that a fault is said now and no worker reads files.
void read_contents(Setting& setting, std::filesystem::path& path, std::string& contents) {
    constexpr std::size_t kMost = 1024 * 1024;
    const auto file = setting.file_path();
    if (!file) return;
    path = *file;
    contents.clear();
    if (file->empty()) return;
    std::error_code error;
    std::ifstream in(*file, std::ios::binary);
    if (!in || !std::filesystem::is_regular_file(*file, error)) return setting.fault(fmt::format("cannot read {}", file->string()));
    contents.assign(std::istreambuf_iterator<char>(in), {});
    if (in.bad()) setting.fault(fmt::format("cannot read {}", file->string()));
    else if (contents.empty()) setting.fault(fmt::format("{} is empty", file->string()));
    else if (contents.size() > kMost) setting.fault(fmt::format("{} is larger than 1MiB", file->string()));
}

constexpr std::array kTopLevel{
    KeySpec{"workers",
            [](Setting& s, Config& c) {
                if (const auto value = s.integer(1, 1024)) c.workers = static_cast<unsigned>(*value);
            }},
    KeySpec{"user",
            [](Setting& s, Config& c) {
                if (const auto value = s.text()) c.user = *value;
            }},
    KeySpec{"state_dir",
            [](Setting& s, Config& c) {
                const auto value = s.file_path();
                if (value && value->empty()) s.fault("a folder is expected");
                else if (value) c.state_dir = *value;
            }},
};

constexpr std::array kHttp{
    KeySpec{"listen",
            [](Setting& s, Config& c) {
                if (auto value = s.listeners(c.http.tls_listen)) c.http.listen = std::move(*value);
            }},
    KeySpec{"clients",
            [](Setting& s, Config& c) {
                if (auto value = s.networks()) c.http.clients = std::move(*value);
            }},
    KeySpec{"connect_ports",
            [](Setting& s, Config& c) {
                if (auto value = s.ports()) c.http.connect_ports = std::move(*value);
            }},
    KeySpec{"proxy_from",
            [](Setting& s, Config& c) {
                if (auto value = s.networks()) c.http.proxy_from = std::move(*value);
            }},
    KeySpec{"forwarded",
            [](Setting& s, Config& c) {
                static constexpr std::array<std::string_view, 3> words{"off", "forwarded", "x-forwarded-for"};
                if (const auto value = s.choice(words)) c.http.forwarded = static_cast<Forwarded>(*value);
            }},
    KeySpec{"page", [](Setting& s, Config& c) { read_contents(s, c.http.page_file, c.http.page); }},
    KeySpec{"pac", [](Setting& s, Config& c) { read_contents(s, c.http.pac_file, c.http.pac); }},
};

constexpr std::array kAdmin{
    KeySpec{"listen",
            [](Setting& s, Config& c) {
                auto value = s.listeners();
                if (!value) return;
                for (const IpPort& at : *value)
                    if (!at.address.is_loopback())
                        return s.fault(
                            fmt::format("{} is not loopback: the admin listener is reached from this machine alone, as long as it "
                                        "does not speak TLS",
                                        at.to_string()));
                c.admin.listen = std::move(*value);
            }},
    KeySpec{"hosts",
            [](Setting& s, Config& c) {
                if (auto value = s.texts()) c.admin.hosts = std::move(*value);
            }},
};

constexpr std::array kLog{
    KeySpec{"events",
            [](Setting& s, Config& c) {
                const auto value = s.text();
                if (!value) return;
                if (*value == "-" || value->empty()) c.log.events = *value;
                else c.log.events = s.file_path()->string();
            }},
    KeySpec{"when_full",
            [](Setting& s, Config& c) {
                static constexpr std::array<std::string_view, 2> words{"drop", "wait"};
                if (const auto value = s.choice(words)) c.log.when_full = static_cast<WhenFull>(*value);
            }},
    KeySpec{"redact",
            [](Setting& s, Config& c) {
                if (auto value = s.texts()) c.log.redact = std::move(*value);
            }},
    KeySpec{"level",
            [](Setting& s, Config& c) {
                static constexpr std::array<std::string_view, 4> words{"debug", "info", "warning", "error"};
                if (const auto value = s.choice(words)) c.log.level = static_cast<Level>(*value);
            }},
};

// The system's time zones (tz database) are files below here; TZDIR moves them, as for the C library.
bool is_time_zone(const std::string& name) {
    if (name.empty() || name.front() == '/' || name.find("..") != std::string::npos) return false;
    const char* folder = std::getenv("TZDIR");
    std::error_code error;
    return std::filesystem::is_regular_file(std::filesystem::path(folder == nullptr ? "/usr/share/zoneinfo" : folder) / name, error);
}

constexpr std::array kPolicy{
    KeySpec{"default",
            [](Setting& s, Config& c) {
                static constexpr std::array<std::string_view, 2> words{"allow", "block"};
                if (const auto value = s.choice(words)) c.policy.default_action = s.as_text(std::string(words[*value]));
            }},
    KeySpec{"timezone",
            [](Setting& s, Config& c) {
                const auto value = s.text();
                if (!value) return;
                if (!value->empty() && *value != "UTC" && !is_time_zone(*value))
                    return s.fault(fmt::format("\"{}\" is not a time zone of this system, as in \"Europe/Berlin\"", *value));
                c.timezone = *value;
            }},
};

constexpr std::array kBuiltin{
    KeySpec{"protect-host",
            [](Setting& s, Config& c) {
                if (const auto value = s.boolean()) c.policy.protect_host = *value;
            }},
    KeySpec{"malware",
            [](Setting& s, Config& c) {
                if (const auto value = s.boolean()) c.policy.malware = *value;
            }},
    KeySpec{"unscanned",
            [](Setting& s, Config& c) {
                if (const auto value = s.boolean()) c.policy.unscanned = *value;
            }},
};

constexpr std::array kDns{
    KeySpec{"hosts",
            [](Setting& s, Config& c) {
                if (auto value = s.file_path()) c.dns.hosts = std::move(*value);
            }},
    KeySpec{"resolv_conf",
            [](Setting& s, Config& c) {
                if (auto value = s.file_path()) c.dns.resolv_conf = std::move(*value);
            }},
    KeySpec{"servers",
            [](Setting& s, Config& c) {
                const auto words = s.texts();
                if (!words) return;
                c.dns.servers.clear();
                for (const std::string& word : *words) {
                    if (const auto address = IpAddress::parse(word)) c.dns.servers.push_back({*address, 53});
                    else if (const auto with_port = IpPort::parse(word)) c.dns.servers.push_back(*with_port);
                    else return s.fault(fmt::format("\"{}\" is not an address, with or without a port", word));
                }
            }},
};

// Read now, like a page: a fault is said now, and no worker reads files.
constexpr std::array kGeo{
    KeySpec{"country",
            [](Setting& s, Config& c) {
                const auto file = s.file_path();
                if (!file) return;
                c.geo.country_file = *file;
                c.geo.countries = nullptr;
                if (file->empty()) return;
                auto loaded = policy::Countries::load(file->string());
                if (loaded) c.geo.countries = std::move(*loaded);
                else if (loaded.error().cause == 0) s.fault(fmt::format("{} {}", file->string(), loaded.error().what));
                else s.fault(fmt::format("{} {}: {}", file->string(), loaded.error().what, std::strerror(loaded.error().cause)));
                c.policy.knows_countries = c.geo.countries != nullptr;
            }},
};

template <Limits::Duration Limits::* member>
void read_duration(Setting& setting, Config& config) {
    if (const auto value = setting.duration(milliseconds(1))) config.limits.*member = *value;
}

// A head must fit into one buffer.
constexpr std::uint64_t largest_head = 256 * 1024 - 1;

template <std::size_t Limits::* member, std::uint64_t least, std::uint64_t most = UINT64_MAX>
void read_size(Setting& setting, Config& config) {
    if (const auto value = setting.size(least, most)) config.limits.*member = *value;
}

template <std::size_t Limits::* member, std::int64_t least, std::int64_t most>
void read_count(Setting& setting, Config& config) {
    if (const auto value = setting.integer(least, most)) config.limits.*member = static_cast<std::size_t>(*value);
}

constexpr std::array kLimits{
    KeySpec{"connections", read_count<&Limits::connections, 0, 100'000'000>},
    KeySpec{"connections_per_client", read_count<&Limits::connections_per_client, 1, 100'000'000>},
    KeySpec{"header_bytes", read_size<&Limits::header_bytes, 1024, largest_head>},
    KeySpec{"header_fields", read_count<&Limits::header_fields, 16, 10'000>},
    KeySpec{"request_target", read_size<&Limits::request_target, 256, largest_head>},
    KeySpec{"head", read_duration<&Limits::head>},
    KeySpec{"connect", read_duration<&Limits::connect>},
    KeySpec{"connect_attempt", read_duration<&Limits::connect_attempt>},
    KeySpec{"first_byte", read_duration<&Limits::first_byte>},
    KeySpec{"body_idle", read_duration<&Limits::body_idle>},
    KeySpec{"body_bytes_per_second", read_count<&Limits::body_bytes_per_second, 0, 1'000'000'000>},
    KeySpec{"client_idle", read_duration<&Limits::client_idle>},
    KeySpec{"upstream_idle", read_duration<&Limits::upstream_idle>},
    KeySpec{"tunnel_idle", read_duration<&Limits::tunnel_idle>},
    KeySpec{"resolve", read_duration<&Limits::resolve>},
    KeySpec{"proxy_header", read_duration<&Limits::proxy_header>},
    KeySpec{"pool_per_origin", read_count<&Limits::pool_per_origin, 0, 1'000'000>},
    KeySpec{"pool_total", read_count<&Limits::pool_total, 0, 1'000'000>},
    KeySpec{"drain", read_duration<&Limits::drain>},
    KeySpec{"ftp_idle", read_duration<&Limits::ftp_idle>},
    KeySpec{"smtp_idle", read_duration<&Limits::smtp_idle>},
    KeySpec{"smtp_end_of_data", read_duration<&Limits::smtp_end_of_data>},
    KeySpec{"smtp_command", read_duration<&Limits::smtp_command>},
    KeySpec{"smtp_data_start", read_duration<&Limits::smtp_data_start>},
    KeySpec{"smtp_data_block", read_duration<&Limits::smtp_data_block>},
    KeySpec{"smtp_keep_alive", read_duration<&Limits::smtp_keep_alive>},
    KeySpec{"smtp_failed_login", read_duration<&Limits::smtp_failed_login>},
};

}  // namespace

bool is_loopback(const IpAddress& address) {
    static const auto networks = loopback_networks();
    return std::ranges::any_of(networks, [&](const IpNetwork& network) { return network.contains(address); });
}

std::span<const KeySpec> top_level_keys() { return kTopLevel; }
std::span<const SectionSpec> sections() {
    static const std::array all{
        SectionSpec{"http", kHttp},
        SectionSpec{"ftp", ftp_keys()},
        SectionSpec{"smtp", smtp_keys()},
        SectionSpec{"admin", kAdmin},
        SectionSpec{"log", kLog},
        SectionSpec{"dns", kDns},
        SectionSpec{"geo", kGeo},
        SectionSpec{"policy", kPolicy},
        SectionSpec{"builtin", kBuiltin},
        SectionSpec{"limits", kLimits},
        SectionSpec{"inspect", inspect_keys()},
        SectionSpec{"tls", tls_keys()},
        SectionSpec{"quarantine", quarantine_keys()},
    };
    return all;
}

}  // namespace sluice::app
