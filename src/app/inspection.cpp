// SPDX-License-Identifier: Apache-2.0
#include "app/inspection.h"

#include "inspect/signatures/signature_file.h"

#include <fmt/format.h>

#include <cerrno>
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
            faults.push_back({{path.string(), 0, 0}, fmt::format("cannot be read: {}", std::strerror(errno)), {}, Diagnostic::Severity::error});
            continue;
        }
        for (inspect::Signature& signature : inspect::parse_signature_file(path.string(), std::move(text), config.limits, faults))
            signatures.push_back(std::move(signature));
    }
    return signatures;
}

}  // namespace

std::shared_ptr<const inspect::Setup> load_inspection(const Config& config, const policy::Policy& policy, Diagnostics& faults,
                                                      const inspect::Setup* previous) {
    auto setup = std::make_shared<inspect::Setup>();
    setup->limits = config.limits;
    setup->max_size = config.inspect.max_size;
    setup->wants_sha256 = policy.reads(policy::Field::file_sha256);
    const bool wants_signatures = config.inspect.engines.has(policy::Engine::signatures);
    std::vector<inspect::Signature> signatures;
    if (wants_signatures) signatures = read_signatures(config, faults);
    std::vector<inspect::RulePattern> patterns;
    for (const policy::BodyPattern& pattern : policy.body_patterns()) {
        Text text;
        text.value = pattern.text;
        patterns.push_back({pattern.regex ? inspect::RulePattern::Kind::matches : inspect::RulePattern::Kind::contains, std::move(text),
                            pattern.nocase});
    }
    if (has_errors(faults)) return nullptr;
    if (!wants_signatures && patterns.empty()) return setup;
    auto compiled = inspect::PatternSet::compile(signatures, patterns, config.limits, faults);
    if (!compiled) return nullptr;
    // Workers keep streams of a set: one that answers alike need not be changed.
    const bool is_same = previous && previous->patterns && previous->patterns->generation() == compiled->generation();
    setup->patterns = is_same ? previous->patterns : std::move(compiled);
    return setup;
}

}  // namespace sluice::app
