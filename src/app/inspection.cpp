// SPDX-License-Identifier: Apache-2.0
#include "app/inspection.h"

#include "inspect/clamd/clamd.h"
#include "inspect/icap/icap_client.h"
#include "inspect/scanner/sealed_memory.h"
#include "inspect/signatures/signature_file.h"

#include "base/text.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace sluice::app {

namespace {

std::vector<inspect::Signature> read_signatures(const Config& config, Diagnostics& faults) {
    std::vector<inspect::Signature> signatures;
    for (const std::filesystem::path& path : config.inspect.signatures) {
        std::ifstream file(path, std::ios::binary);
        std::string text((std::istreambuf_iterator<char>(file)), {});
        if (!file.is_open() || file.bad()) {
            faults.push_back(
                {{path.string(), 0, 0}, fmt::format("cannot be read: {}", std::strerror(errno)), {}, Diagnostic::Severity::error});
            continue;
        }
        for (inspect::Signature& signature : inspect::parse_signature_file(path.string(), std::move(text), config.limits, faults))
            signatures.push_back(std::move(signature));
    }
    return signatures;
}

// One that is the same stays: it knows whether its program is there, and has connections.
template <class Engine>
bool set_engine(std::shared_ptr<const Engine>& engine, const std::shared_ptr<const Engine>& previous, typename Engine::Options options) {
    const bool is_same = previous && previous->options() == options;
    engine = is_same ? previous : std::make_shared<const Engine>(std::move(options));
    return is_same;
}

void set_outside_engines(inspect::Setup& setup, const Config& config, const inspect::Setup* previous) {
    static std::atomic<std::uint64_t> generations{0};
    const inspect::Setup none;
    const inspect::Setup& before = previous ? *previous : none;
    bool is_same = true;
    if (const auto& clamav = config.inspect.clamav)
        is_same = set_engine(setup.clamd, before.clamd,
                             {.socket = clamav->socket.string(), .host = clamav->host, .port = clamav->port, .max_size = clamav->max_size});
    if (const auto& icap = config.inspect.icap)
        is_same =
            set_engine(setup.icap, before.icap, {.url = icap->url, .host = icap->host, .port = icap->port, .limits = config.limits}) &&
            is_same;
    setup.outside_generation = is_same ? before.outside_generation : ++generations;
}

}  // namespace

std::shared_ptr<const inspect::Setup> load_inspection(const Config& config, const policy::Policy& policy, Diagnostics& faults,
                                                      const inspect::Setup* previous) {
    using policy::Field;
    auto setup = std::make_shared<inspect::Setup>();
    setup->engines = config.inspect.engines;
    setup->limits = config.limits;
    setup->max_size = config.inspect.max_size;
    setup->timeout = config.inspect.timeout;
    setup->wants_sha256 = policy.reads(Field::file_sha256) && config.inspect.engines.has(policy::Engine::hash);
    setup->wants_members = std::ranges::any_of(std::array{Field::file_name, Field::file_extension, Field::file_mime_type, Field::file_size,
                                                          Field::file_sha256, Field::body, Field::scan_match},
                                               [&](Field field) { return policy.reads(field); });
    if (config.inspect.engines.empty() && (setup->wants_members || policy.reads(Field::email_ambiguous)))
        faults.push_back({{},
                          "inspect.engines is empty, so that no payload is looked into: what rules say of file.*, body, scan.match or "
                          "email.ambiguous finds nothing",
                          {},
                          Diagnostic::Severity::warning});
    setup->keeps_content =
        std::ranges::any_of(policy.rules(), [](const policy::Rule& rule) { return rule.action == policy::Action::quarantine; });
    setup->body_patterns = policy.body_patterns().size();
    set_outside_engines(*setup, config, previous);
    // Rules may include other files, so that one that is the same is not known to answer alike.
    static std::atomic<std::uint64_t> generations{0};
    if (config.inspect.engines.has(policy::Engine::yara) && !config.inspect.yara.empty()) setup->yara_generation = ++generations;
    const bool wants_signatures = config.inspect.engines.has(policy::Engine::signatures);
    std::vector<inspect::Signature> signatures;
    if (wants_signatures) signatures = read_signatures(config, faults);
    std::vector<inspect::RulePattern> patterns;
    for (const policy::BodyPattern& pattern : policy.body_patterns()) {
        Text text;
        text.value = pattern.text;
        patterns.push_back(
            {pattern.regex ? inspect::RulePattern::Kind::matches : inspect::RulePattern::Kind::contains, std::move(text), pattern.nocase});
    }
    if (patterns.size() > inspect::BodyFound::most)
        faults.push_back(
            {{},
             fmt::format("rules have {} different patterns for `body`; {} are the most", patterns.size(), inspect::BodyFound::most),
             {},
             Diagnostic::Severity::error});
    if (has_errors(faults)) return nullptr;
    if (!wants_signatures && patterns.empty()) return setup;
    auto compiled = inspect::PatternSet::compile(signatures, patterns, config.limits, faults);
    if (!compiled) return nullptr;
    // Workers keep streams of a set: one that answers alike need not be changed.
    const bool is_same = previous && previous->patterns && previous->patterns->generation() == compiled->generation();
    setup->patterns = is_same ? previous->patterns : std::move(compiled);
    return setup;
}

inspect::Quarantine::Options quarantine_options(const Config& config) {
    return {.dir = config.quarantine.dir, .max_size = config.quarantine.max_size, .keep = config.quarantine.keep};
}

namespace {

Result<std::shared_ptr<const inspect::Descriptor>> sealed(const inspect::PatternSet& patterns) {
    const std::string image = TRY(patterns.to_image());
    auto memory = TRY(inspect::SealedMemory::create());
    TRY(memory.append(image));
    return std::make_shared<const inspect::Descriptor>(TRY(std::move(memory).seal()));
}

}  // namespace

inspect::SupervisorOptions supervisor_options(const Config& config, const inspect::Setup& setup, Diagnostics& faults) {
    inspect::SupervisorOptions options;
    options.scanners = scanner_count(config);
    if (setup.yara_generation != 0)
        for (const std::filesystem::path& file : config.inspect.yara) options.rules.push_back(file.string());
    if (!setup.patterns) return options;
    auto patterns = sealed(*setup.patterns);
    if (patterns) options.patterns = std::move(*patterns);
    else
        faults.push_back(
            {.place = {}, .message = fmt::format("the scanners cannot have the signatures: {}", patterns.error().what), .source_line = {}});
    return options;
}

std::expected<std::unique_ptr<inspect::Shared>, std::string> open_inspection(const Config& config) {
    auto shared = std::make_unique<inspect::Shared>(config.limits);
    shared->storage.folder = config.state_dir.string();
    shared->storage.memory.set_limit(config.inspect.memory);
    shared->storage.disk.set_limit(config.inspect.disk);
    const char* faults = std::getenv("SLUICE_FAULTS");
    if (std::string wrong = read_faults(faults ? faults : "", *shared); !wrong.empty()) return std::unexpected(std::move(wrong));
    if (faults && *faults) spdlog::warn("SLUICE_FAULTS is set: what it says goes wrong on purpose");
    const auto key = inspect::ContentHash::random_key();
    if (!key) return std::unexpected("the system has no random bytes for the verdict cache");
    shared->key = *key;
    return shared;
}

std::string read_faults(std::string_view words, inspect::Shared& shared) {
    for (const std::string_view word : split(words, ',')) {
        if (word == "scanners-busy") shared.faults.scanners_busy = true;
        else if (word == "scanner-crash") shared.faults.scanner = inspect::protocol::Fault::crash;
        else if (word == "scanner-hang") shared.faults.scanner = inspect::protocol::Fault::hang;
        else if (word == "clamd-down") shared.faults.clamd_down = true;
        else if (word == "icap-down") shared.faults.icap_down = true;
        else if (word == "disk-full") shared.storage.is_disk_full = true;
        else if (!word.empty()) return fmt::format("SLUICE_FAULTS: unknown fault \"{}\"", word);
    }
    return {};
}

}  // namespace sluice::app
