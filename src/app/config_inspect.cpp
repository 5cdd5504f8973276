// SPDX-License-Identifier: Apache-2.0
// [inspect] and [quarantine].
#include "app/config_schema.h"

#include "base/text.h"
#include "base/url.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

namespace sluice::app {

namespace {

namespace fs = std::filesystem;
using policy::Engine;
using std::chrono::milliseconds;

constexpr std::string_view default_yara = "yara.d/*.yar";
constexpr std::string_view default_signatures = "signatures.d/*.toml";

void fault_at(Reading& reading, const policy::Text& text, std::string message) {
    reading.faults.push_back({text.place, std::move(message), text.source_line, Diagnostic::Severity::error});
}

void read_engines(Setting& setting, Config& config) {
    config.inspect.engines = {};
    for (policy::Text& name : setting.placed_texts()) {
        const auto* const found = std::ranges::find(policy::engine_words, name.value);
        if (found != policy::engine_words.end()) {
            config.inspect.engines.add(static_cast<Engine>(found - policy::engine_words.begin()));
            setting.reading().engines.push_back(std::move(name));
            continue;
        }
        const std::string_view nearest = nearest_name(name.value, policy::engine_words);
        fault_at(setting.reading(), name,
                 nearest.empty() ? fmt::format("inspect.engines: unknown engine \"{}\"; there are {}", name.value,
                                               fmt::join(policy::engine_words, ", "))
                                 : fmt::format("inspect.engines: unknown engine \"{}\"; did you mean \"{}\"?", name.value, nearest));
    }
}

// Calls read(setting) for each key of a table, of which `known` are all; false: it is no table.
template <class F>
bool read_table(Setting& table, std::span<const std::string_view> known, F&& read) {
    const toml::table* keys = table.node().as_table();
    if (keys == nullptr) {
        table.fault(fmt::format("a table is expected, as in {{ {} = \"…\" }}, not a {}", known.front(), kind_of(table.node())));
        return false;
    }
    for (const auto& [key, node] : *keys) {
        if (std::ranges::find(known, key.str()) == known.end()) {
            report_unknown_key(table.reading(), table.file(), key, table.path(), known);
            continue;
        }
        Setting setting(table.reading(), table.file(), fmt::format("{}.{}", table.path(), key.str()), key, node);
        read(setting);
    }
    return true;
}

void read_clamd_socket(Setting& setting, ClamavConfig& clamav) {
    const auto text = setting.text();
    if (!text) return;
    constexpr std::string_view remote = "tcp://";
    if (!text->starts_with(remote)) {
        clamav.socket = text->empty() ? fs::path() : *setting.file_path();
        return;
    }
    const auto authority = parse_authority(std::string_view(*text).substr(remote.size()), false);
    if (!authority || authority->port == 0) return setting.fault("a path is expected, or \"tcp://host:port\"");
    clamav.host = authority->host;
    clamav.port = authority->port;
}

void read_clamav(Setting& table, Config& config) {
    static constexpr std::array<std::string_view, 2> known{"socket", "max_size"};
    ClamavConfig clamav;
    const bool is_table = read_table(table, known, [&](Setting& setting) {
        if (setting.name() == "socket") read_clamd_socket(setting, clamav);
        else if (const auto size = setting.size(1)) clamav.max_size = *size;
    });
    if (!is_table) return;
    if (clamav.socket.empty() && clamav.host.empty() && !has_errors(table.reading().faults))
        table.fault("clamd's socket is expected, as in { socket = \"/run/clamav/clamd.ctl\" }");
    config.inspect.clamav = std::move(clamav);
}

void read_icap_url(Setting& setting, IcapConfig& icap) {
    const auto text = setting.text();
    if (!text) return;
    constexpr std::string_view scheme = "icap://";
    const std::string_view rest = std::string_view(*text).substr(std::min(scheme.size(), text->size()));
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    const auto authority = parse_authority(rest.substr(0, slash), false);
    const bool printable = std::ranges::all_of(*text, [](unsigned char c) { return c > 0x20 && c < 0x7f; });
    if (!text->starts_with(scheme) || !authority || authority->host.empty() || !printable)
        return setting.fault("a URL is expected, as in \"icap://127.0.0.1:1344/avscan\"");
    icap.url = *text;
    icap.host = authority->host;
    if (authority->port != 0) icap.port = authority->port;
    icap.path = slash == rest.size() ? "/" : std::string(rest.substr(slash));
}

void read_icap(Setting& table, Config& config) {
    static constexpr std::array<std::string_view, 1> known{"url"};
    IcapConfig icap;
    if (!read_table(table, known, [&](Setting& setting) { read_icap_url(setting, icap); })) return;
    if (icap.url.empty() && !has_errors(table.reading().faults))
        table.fault("the scanner's URL is expected, as in { url = \"icap://127.0.0.1:1344/avscan\" }");
    config.inspect.icap = std::move(icap);
}

template <auto member, std::uint64_t least>
void read_size(Setting& setting, Config& config) {
    if (const auto value = setting.size(least)) config.inspect.*member = *value;
}

constexpr std::array kInspect{
    KeySpec{"engines", read_engines},
    KeySpec{"yara",
            [](Setting& s, Config& c) {
                if (auto value = s.files()) c.inspect.yara = std::move(*value);
            }},
    KeySpec{"signatures",
            [](Setting& s, Config& c) {
                if (auto value = s.files()) c.inspect.signatures = std::move(*value);
            }},
    KeySpec{"clamav", read_clamav},
    KeySpec{"icap", read_icap},
    KeySpec{"deliver",
            [](Setting& s, Config& c) {
                if (const auto value = s.choice(policy::deliver_words)) c.inspect.deliver = static_cast<policy::Deliver>(*value);
            }},
    KeySpec{"whole",
            [](Setting& s, Config& c) {
                if (const auto value = s.choice(policy::whole_words)) c.inspect.whole = static_cast<policy::Whole>(*value);
            }},
    KeySpec{"ranges",
            [](Setting& s, Config& c) {
                if (const auto value = s.choice(policy::ranges_words)) c.inspect.ranges = static_cast<policy::Ranges>(*value);
            }},
    KeySpec{"trickle",
            [](Setting& s, Config& c) {
                if (const auto value = s.boolean()) c.inspect.trickle = *value;
            }},
    KeySpec{"timeout",
            [](Setting& s, Config& c) {
                if (const auto value = s.duration(milliseconds(1))) c.inspect.timeout = *value;
            }},
    KeySpec{"max_size", read_size<&InspectConfig::max_size, 1>},
    KeySpec{"memory", read_size<&InspectConfig::memory, 1024 * 1024>},
    KeySpec{"disk", read_size<&InspectConfig::disk, 0>},
    KeySpec{"scanners",
            [](Setting& s, Config& c) {
                if (const auto value = s.integer(1, 1024)) c.inspect.scanners = static_cast<unsigned>(*value);
            }},
};

constexpr std::array kQuarantine{
    KeySpec{"dir",
            [](Setting& s, Config& c) {
                const auto value = s.text();
                if (value && value->empty()) s.fault("a folder is expected");
                else if (value) c.quarantine.dir = *value;
            }},
    KeySpec{"max_size",
            [](Setting& s, Config& c) {
                if (const auto value = s.size(1)) c.quarantine.max_size = *value;
            }},
    KeySpec{"keep",
            [](Setting& s, Config& c) {
                if (const auto value = s.duration(milliseconds(1))) c.quarantine.keep = *value;
            }},
};

// Beside the file that a person wrote. The embedded default has no folder: whoever owns the current one would bring rules.
void find_default_files(Config& config, const Reading& reading) {
    if (config.files.empty()) return;
    std::error_code error;
    const fs::path folder = fs::absolute(config.files.front(), error).parent_path();
    if (!reading.given.contains("inspect.yara"))
        config.inspect.yara = files_matching(folder / default_yara).value_or(std::vector<fs::path>{});
    if (!reading.given.contains("inspect.signatures"))
        config.inspect.signatures = files_matching(folder / default_signatures).value_or(std::vector<fs::path>{});
}

void check_engines(const Config& config, Reading& reading, const std::vector<policy::Text>& names) {
    for (const policy::Text& name : names) {
        if (name.value == "clamav" && !config.inspect.clamav)
            fault_at(reading, name, "the engine \"clamav\" needs [inspect] clamav = { socket = \"/run/clamav/clamd.ctl\" }");
        if (name.value == "icap" && !config.inspect.icap)
            fault_at(reading, name, "the engine \"icap\" needs [inspect] icap = { url = \"icap://127.0.0.1:1344/avscan\" }");
    }
}

}  // namespace

std::span<const KeySpec> inspect_keys() { return kInspect; }
std::span<const KeySpec> quarantine_keys() { return kQuarantine; }

void check_inspection(Config& config, Reading& reading) {
    find_default_files(config, reading);
    config.quarantine.dir = (config.state_dir / config.quarantine.dir).lexically_normal();  // an absolute one stays as it is
    check_engines(config, reading, reading.engines);
    for (const policy::RuleSource& rule : config.policy.rules)
        if (rule.engines) check_engines(config, reading, *rule.engines);
}

}  // namespace sluice::app
