// SPDX-License-Identifier: Apache-2.0
// [tls].
#include "app/config_schema.h"

#include "base/url.h"

#include <fmt/format.h>

#include <array>

namespace sluice::app {

namespace {

namespace fs = std::filesystem;

void read_path(Setting& setting, fs::path& to) {
    if (auto value = setting.file_path()) to = std::move(*value);
}

// { "intranet.example" = { certificate = "me.pem", key = "me.key" } }
void read_client_certificates(Setting& setting, Config& config) {
    const toml::table* names = setting.node().as_table();
    if (names == nullptr)
        return setting.fault(
            fmt::format("a table is expected, as in {{ \"intranet.example\" = {{ certificate = \"me.pem\", key = \"me.key\" }} }}, "
                        "not a {}",
                        kind_of(setting.node())));
    static constexpr std::array<std::string_view, 2> known{"certificate", "key"};
    config.tls.client_certificates.clear();
    for (const auto& [name, node] : *names) {
        const auto host = canonical_host(name.str());
        const toml::table* files = node.as_table();
        if (!host) {
            setting.fault_at(node, fmt::format("\"{}\" is not a host", name.str()));
            continue;
        }
        net::tls::ClientCertificate own{*host, {}, {}};
        for (const auto& [key, value] : files == nullptr ? toml::table() : *files) {
            const std::string path = fmt::format("{}.{}", setting.path(), key.str());
            Setting file(setting.reading(), setting.file(), path, key, value);
            if (key.str() == "certificate") read_path(file, own.certificate);
            else if (key.str() == "key") read_path(file, own.key);
            else report_unknown_key(setting.reading(), setting.file(), key, setting.path(), known);
        }
        if (own.certificate.empty() || own.key.empty())
            setting.fault_at(node, fmt::format("for {}: `certificate` and `key` are expected, two files in PEM", *host));
        else config.tls.client_certificates.push_back(std::move(own));
    }
}

constexpr std::array kTls{
    KeySpec{"intercept",
            [](Setting& s, Config& c) {
                if (const auto value = s.boolean()) c.tls.intercept = *value;
            }},
    KeySpec{"ca_dir",
            [](Setting& s, Config& c) {
                const auto value = s.text();
                if (value && value->empty()) s.fault("a folder is expected");
                else if (value) c.tls.ca_dir = *value;
            }},
    KeySpec{"upstream_ca", [](Setting& s, Config& c) { read_path(s, c.tls.upstream_ca); }},
    KeySpec{"certificate", [](Setting& s, Config& c) { read_path(s, c.tls.certificate); }},
    KeySpec{"key", [](Setting& s, Config& c) { read_path(s, c.tls.key); }},
    KeySpec{"client_ca", [](Setting& s, Config& c) { read_path(s, c.tls.client_ca); }},
    KeySpec{"client_certificates", read_client_certificates},
    KeySpec{"learn",
            [](Setting& s, Config& c) {
                static constexpr std::array<std::string_view, 3> words{"off", "suggest", "apply"};
                if (const auto value = s.choice(words)) c.tls.learn = static_cast<Learn>(*value);
            }},
};

}  // namespace

std::span<const KeySpec> tls_keys() { return kTls; }

void check_tls(Config& config, Reading& reading) {
    config.tls.ca_dir = (config.state_dir / config.tls.ca_dir).lexically_normal();
    if (config.tls.certificate.empty() == config.tls.key.empty()) return;
    const std::string file = config.files.empty() ? std::string() : config.files.front().string();
    reading.faults.push_back(
        {Place{file, 0, 0}, "tls.certificate and tls.key go together: one of them is missing", "", Diagnostic::Severity::error});
}

}  // namespace sluice::app
