// SPDX-License-Identifier: Apache-2.0
#include "app/config.h"

#include "app/config_schema.h"
#include "base/text.h"
#include "base/toml_text.h"

#include <fmt/format.h>

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <tuple>
#include <utility>

namespace sluice::app {

namespace fs = std::filesystem;

void report_unknown_key(Reading& reading, const SourceFile& file, const toml::key& key, std::string_view where,
                        std::span<const std::string_view> known) {
    std::string message = fmt::format("unknown key \"{}\" in {}", key.str(), where);
    if (const auto nearest = nearest_name(key.str(), known); !nearest.empty()) message += fmt::format("; did you mean \"{}\"?", nearest);
    reading.fault(file, key.source().begin, std::move(message));
}

namespace {

constexpr std::size_t kFileMost = 64 * 1024 * 1024;       // bytes of a configuration file

bool is_first(Reading& reading, Setting& setting) {
    const auto [earlier, is_new] = reading.given.emplace(setting.path(), setting.place());
    if (!is_new) setting.fault_at_key(fmt::format("given twice; first at {}:{}", earlier->second.file, earlier->second.line));
    return is_new;
}

void read_section(Reading& reading, const SourceFile& file, const SectionSpec& section, const toml::key& key, const toml::node& node,
                  Config& config) {
    const toml::table* table = node.as_table();
    if (table == nullptr) return Setting(reading, file, std::string(section.name), key, node).fault("a table is expected");
    for (const auto& [name, value] : *table) {
        const auto spec = std::ranges::find(section.keys, name.str(), &KeySpec::name);
        if (spec == section.keys.end()) {
            std::vector<std::string_view> names;
            for (const KeySpec& known : section.keys) names.push_back(known.name);
            report_unknown_key(reading, file, name, fmt::format("[{}]", section.name), names);
            continue;
        }
        Setting setting(reading, file, fmt::format("{}.{}", section.name, name.str()), name, value);
        if (is_first(reading, setting)) spec->read(setting, config);
    }
}

std::vector<std::string_view> top_level_names() {
    std::vector<std::string_view> names{"include", "lists", "rule"};
    for (const KeySpec& key : top_level_keys()) names.push_back(key.name);
    for (const SectionSpec& section : sections()) names.push_back(section.name);
    return names;
}

const SectionSpec* find_section(std::string_view name) {
    const auto found = std::ranges::find(sections(), name, &SectionSpec::name);
    return found == sections().end() ? nullptr : &*found;
}

std::optional<std::string> read_text_file(const fs::path& file, Diagnostics& faults) {
    const auto fault = [&](std::string_view why) {
        faults.push_back({Place{file.string(), 0, 0}, fmt::format("cannot be read: {}", why), "", Diagnostic::Severity::error});
        return std::nullopt;
    };
    std::error_code error;
    if (fs::is_directory(file, error)) return fault("it is a folder");
    errno = 0;
    std::ifstream in(file, std::ios::binary);
    if (!in) return fault(errno == 0 ? "unknown error" : std::strerror(errno));
    std::string text;
    char block[65536];
    while (in.read(block, sizeof block) || in.gcount() > 0) {
        text.append(block, static_cast<std::size_t>(in.gcount()));
        if (text.size() > kFileMost) return fault("it is larger than 64MiB");
    }
    return text;
}

void read_source(Reading& reading, const SourceFile& file, Config& config) {
    if (const auto stray = stray_character(file.text)) {
        const std::string_view before = std::string_view(file.text).substr(0, *stray);
        const auto begins_character = [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80; };  // columns are characters
        const std::string_view in_line = before.substr(before.rfind('\n') + 1);
        const toml::source_position place{static_cast<toml::source_index>(std::ranges::count(before, '\n') + 1),
                                          static_cast<toml::source_index>(std::ranges::count_if(in_line, begins_character) + 1)};
        return reading.fault(file, place, "a character beyond ASCII stands in strings and comments only");
    }
    const toml::parse_result parsed = toml::parse(std::string_view(file.text), std::string_view(file.name));
    if (!parsed) {
        reading.fault(file, parsed.error().source().begin, std::string(parsed.error().description()));
        return;
    }
    std::vector<fs::path> included;
    for (const auto& [key, node] : parsed.table()) {
        Setting setting(reading, file, std::string(key.str()), key, node);
        if (key.str() == "rule") {
            read_rules(reading, file, key, node, config);
        } else if (key.str() == "lists") {
            read_lists(reading, file, key, node, config);
        } else if (key.str() == "include") {
            if (!is_first(reading, setting)) continue;
            included = setting.files().value_or(std::vector<fs::path>{});
        } else if (const SectionSpec* section = find_section(key.str())) {
            read_section(reading, file, *section, key, node, config);
        } else if (const auto spec = std::ranges::find(top_level_keys(), key.str(), &KeySpec::name); spec != top_level_keys().end()) {
            if (is_first(reading, setting)) spec->read(setting, config);
        } else {
            report_unknown_key(reading, file, key, "the configuration", top_level_names());
        }
    }
    for (const fs::path& path : included) {
        config.files.push_back(path);
        if (auto text = read_text_file(path, reading.faults))
            read_source(reading, SourceFile(path.string(), std::move(*text), path.parent_path()), config);
    }
}

// No address is two listeners'.
template <class F>
void check_listeners(const Config& config, const F& fault) {
    const std::array<std::pair<std::string_view, const std::vector<IpPort>*>, 7> all{{{"http.listen", &config.http.listen},
                                                                                      {"http.listen", &config.http.tls_listen},
                                                                                      {"ftp.listen", &config.ftp.listen},
                                                                                      {"ftp.implicit_tls", &config.ftp.implicit_tls},
                                                                                      {"smtp.listen", &config.smtp.listen},
                                                                                      {"smtp.implicit_tls", &config.smtp.implicit_tls},
                                                                                      {"admin.listen", &config.admin.listen}}};
    for (std::size_t i = 0; i < all.size(); ++i)
        for (std::size_t k = i + 1; k < all.size(); ++k)
            for (const IpPort& at : *all[k].second)
                if (all[i].first != all[k].first && std::ranges::find(*all[i].second, at) != all[i].second->end())
                    fault(fmt::format("{} is both in {} and in {}", at.to_string(), all[i].first, all[k].first));
}

// What only the whole can say.
void check_together(Config& config, Reading& reading) {
    const auto fault = [&](std::string message, Diagnostic::Severity severity = Diagnostic::Severity::error) {
        const std::string file = config.files.empty() ? std::string() : config.files.front().string();
        reading.faults.push_back({Place{file, 0, 0}, std::move(message), "", severity});
    };
    check_smtp(config, reading);
    check_listeners(config, fault);
    if (config.limits.connect_attempt > config.limits.connect) config.limits.connect_attempt = config.limits.connect;
    if (config.http.listen.empty() && config.http.tls_listen.empty() && !config.ftp.is_on() && !config.smtp.is_on())
        fault("http.listen and ftp.listen are empty, and there is no smtp.upstream: nothing is served but the admin listener",
              Diagnostic::Severity::warning);
    if (config.limits.connections != 0 && config.limits.connections < config.limits.connections_per_client)
        config.limits.connections_per_client = config.limits.connections;
    check_inspection(config, reading);
    check_tls(config, reading);
}

Config empty_config() {
    Config config;
    config.state_dir = default_state_dir();
    config.admin.listen = default_admin_listeners();
    return config;
}

// toml++ visits a table's keys in the order of the alphabet; people read faults in the order of the file. Faults without a line come last.
void sort_by_place(Diagnostics& faults, const std::vector<fs::path>& files) {
    const auto rank = [&](const Diagnostic& fault) {
        const auto found = std::ranges::find(files, fs::path(fault.place.file));
        return std::tuple(found - files.begin(), fault.place.line == 0, fault.place.line, fault.place.column);
    };
    std::multimap<decltype(rank(faults.front())), Diagnostic> placed;  // what has the same place stays in its order
    for (auto& fault : faults) {
        const auto at = rank(fault);
        placed.emplace(at, std::move(fault));
    }
    faults.clear();
    for (auto& [at, fault] : placed) faults.push_back(std::move(fault));
}

}  // namespace

Config parse_config(std::string_view text, const std::string& name, Diagnostics& faults) {
    Config config = empty_config();
    Diagnostics own;
    Reading reading{own, {}};
    std::error_code error;
    read_source(reading, SourceFile(name, std::string(text), fs::current_path(error)), config);
    check_together(config, reading);
    sort_by_place(own, config.files);
    faults.insert(faults.end(), own.begin(), own.end());
    return config;
}

Config read_config(const fs::path& file, Diagnostics& faults) {
    Config config = empty_config();
    config.files.push_back(file);
    Diagnostics own;
    Reading reading{own, {}};
    std::error_code error;
    if (auto text = read_text_file(file, own))
        read_source(reading, SourceFile(file.string(), std::move(*text), fs::absolute(file, error).parent_path()), config);
    check_together(config, reading);
    sort_by_place(own, config.files);
    faults.insert(faults.end(), own.begin(), own.end());
    return config;
}

std::optional<fs::path> find_config(const std::string& option) {
    if (!option.empty()) return fs::path(option);
    if (const char* variable = std::getenv("SLUICE_CONFIG"); variable != nullptr && *variable != '\0') return fs::path(variable);
    std::error_code error;
    if (geteuid() != 0 && fs::exists("sluice.toml", error)) return fs::path("sluice.toml");
    if (fs::exists("/etc/sluice/sluice.toml", error)) return fs::path("/etc/sluice/sluice.toml");
    return std::nullopt;
}

Config load_config(const std::string& option, Diagnostics& faults) {
    if (const auto file = find_config(option)) return read_config(*file, faults);
    return parse_config(default_config_text(), "(default configuration)", faults);
}

std::vector<IpNetwork> default_clients() {
    std::vector<IpNetwork> out;
    for (const std::string_view network :
         {"127.0.0.0/8", "::1", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10"})
        out.push_back(*IpNetwork::parse(network));
    return out;
}

std::vector<IpNetwork> loopback_networks() { return {*IpNetwork::parse("127.0.0.0/8"), *IpNetwork::parse("::1")}; }

std::vector<IpPort> own_listeners(const Config& config) {
    std::vector<IpPort> out;
    for (const auto* some : {&config.http.listen, &config.http.tls_listen, &config.ftp.listen, &config.ftp.implicit_tls,
                             &config.smtp.listen, &config.smtp.implicit_tls, &config.admin.listen})
        out.insert(out.end(), some->begin(), some->end());
    return out;
}

namespace {

Authority authority_of(const std::string& host, std::uint16_t port) {
    Authority out;
    out.host = host;
    out.address = IpAddress::parse(host);
    out.is_ip_literal = out.address && out.address->is_v6();
    out.port = port;
    return out;
}

}  // namespace

Authority upstream_authority(const FtpConfig& ftp) { return authority_of(ftp.upstream.host, ftp.upstream.port); }

Authority upstream_authority(const SmtpConfig::Upstream& upstream) { return authority_of(upstream.host, upstream.port); }

std::vector<IpPort> default_smtp_listeners() { return {{IpAddress::v4(0x7f000001), 2525}}; }

std::string mail_hostname(const SmtpConfig& smtp) {
    if (!smtp.hostname.empty()) return smtp.hostname;
    std::array<char, 256> name{};
    if (gethostname(name.data(), name.size() - 1) != 0) return "localhost";
    std::string canonical = mail_domain(name.data());
    return canonical.empty() ? "localhost" : canonical;
}

std::vector<IpPort> default_admin_listeners() {
    std::vector<IpPort> out{*IpPort::parse("127.0.0.1:9180")};
    // Lists the addresses of IPv6; it is not there, or has no ::1, where IPv6 is turned off.
    std::ifstream addresses("/proc/net/if_inet6");
    for (std::string line; std::getline(addresses, line);)
        if (line.starts_with("00000000000000000000000000000001 ")) {
            out.push_back(*IpPort::parse("[::1]:9180"));
            break;
        }
    return out;
}

fs::path default_state_dir() {
    const auto variable = [](const char* name) -> std::string {
        const char* value = std::getenv(name);
        return value == nullptr ? "" : value;
    };
    if (const std::string given = variable("STATE_DIRECTORY"); !given.empty()) return given.substr(0, given.find(':'));
    if (geteuid() == 0) return "/var/lib/sluice";
    if (const std::string home = variable("XDG_STATE_HOME"); home.starts_with('/')) return fs::path(home) / "sluice";
    if (const std::string home = variable("HOME"); home.starts_with('/')) return fs::path(home) / ".local/state/sluice";
    return "/var/lib/sluice";
}

namespace {

unsigned cores_of_ours() {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    if (sched_getaffinity(0, sizeof cores, &cores) != 0) return 1;
    return static_cast<unsigned>(std::max(1, CPU_COUNT(&cores)));
}

}  // namespace

unsigned worker_count(const Config& config) { return config.workers != 0 ? config.workers : cores_of_ours(); }

unsigned scanner_count(const Config& config) { return config.inspect.scanners != 0 ? config.inspect.scanners : cores_of_ours(); }

std::vector<std::string_view> keys_needing_restart(const Config& running, const Config& wanted) {
    std::vector<std::string_view> keys;
    if (worker_count(running) != worker_count(wanted)) keys.emplace_back("workers");
    if (running.user != wanted.user) keys.emplace_back("user");
    if (running.state_dir != wanted.state_dir) keys.emplace_back("state_dir");
    if (running.http.listen != wanted.http.listen || running.http.tls_listen != wanted.http.tls_listen) keys.emplace_back("http.listen");
    if (running.ftp.listen != wanted.ftp.listen) keys.emplace_back("ftp.listen");
    if (running.ftp.implicit_tls != wanted.ftp.implicit_tls) keys.emplace_back("ftp.implicit_tls");
    // With the first upstream, or without the last one, listeners come or go that nobody may have named.
    if (running.smtp.upstreams.empty() != wanted.smtp.upstreams.empty()) keys.emplace_back("smtp.upstream");
    else if (running.smtp.listen != wanted.smtp.listen) keys.emplace_back("smtp.listen");
    if (running.smtp.implicit_tls != wanted.smtp.implicit_tls) keys.emplace_back("smtp.implicit_tls");
    if (running.admin.listen != wanted.admin.listen) keys.emplace_back("admin.listen");
    if (running.limits.connections != wanted.limits.connections) keys.emplace_back("limits.connections");
    if (running.timezone != wanted.timezone) keys.emplace_back("policy.timezone");
    if (running.dns != wanted.dns) keys.emplace_back("dns");
    if (running.inspect.memory != wanted.inspect.memory) keys.emplace_back("inspect.memory");
    if (running.inspect.disk != wanted.inspect.disk) keys.emplace_back("inspect.disk");
    if (running.tls.ca_dir != wanted.tls.ca_dir && running.state_dir == wanted.state_dir) keys.emplace_back("tls.ca_dir");
    if (scanner_count(running) != scanner_count(wanted)) keys.emplace_back("inspect.scanners");
    if (running.quarantine.dir != wanted.quarantine.dir && running.state_dir == wanted.state_dir) keys.emplace_back("quarantine.dir");
    return keys;
}

}  // namespace sluice::app
