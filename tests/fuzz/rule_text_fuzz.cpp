// SPDX-License-Identifier: Apache-2.0
// A rule's condition and, after a line "---", values: nothing may crash, and what compiles must decide the same with and without indexes.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "policy/policy.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace sluice::policy;
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    if (size > 8192) return 0;
    const std::size_t cut = input.find("\n---\n");
    const std::string_view when = input.substr(0, cut);
    const std::string_view values = cut == std::string_view::npos ? std::string_view{} : input.substr(cut + 5);

    PolicySource source;
    const auto text = [](std::string_view value) { return Text{std::string(value), {"fuzz", 1, 1}, ""}; };
    RuleSource rule;
    rule.place = {"fuzz", 1, 1};
    rule.name = text("r");
    rule.when = text(when);
    rule.action = text("block");
    rule.phase = text("response");
    source.rules.push_back(rule);
    ListSource names{.name = text("ads"), .type = text("domain"), .file = {}, .values = {text("ads.test")}, .place = {}, .source_line = {}};
    ListSource addresses{
        .name = text("drop"), .type = text("ip"), .file = {}, .values = {text("192.0.2.0/24")}, .place = {}, .source_line = {}};
    source.lists = {names, addresses};
    sluice::Diagnostics diagnostics;
    const auto policy = Policy::compile(source, diagnostics, nullptr);
    if ((policy == nullptr) != has_errors(diagnostics)) std::abort();
    for (const sluice::Diagnostic& diagnostic : diagnostics) {
        if (diagnostic.message.empty() || diagnostic.place.column > when.size() + 2) std::abort();
    }
    if (!policy || policy->rules()[0].phase(Protocol::http) != Phase::response) return 0;

    Facts facts;
    const auto lines = sluice::split(values, '\n');
    std::vector<sluice::NameValue> headers;
    for (const std::string_view line : lines) headers.push_back({"X-A", line});
    facts.set(Field::url_path, lines[0]);
    facts.set(Field::url_domain, lines.back());
    facts.set(Field::request_method, "GET");
    facts.set(Field::url_port, static_cast<int>(values.size()));
    facts.set(Field::client_ip, sluice::IpAddress::v4(0xc0000200U + static_cast<std::uint32_t>(values.size())));
    facts.set_headers(Field::request_header, headers);
    Scratch scratch;
    Effects effects;
    RateLimits limits(64);
    const Decision decision = policy->evaluate(Phase::response, Protocol::http, facts, scratch, effects, limits, 0);
    const auto trace = policy->trace(Phase::response, Protocol::http, facts);
    if (trace.size() != 1 || (trace[0].outcome == RuleTrace::Outcome::decided) != (decision.action == Action::block)) std::abort();
    return 0;
}
