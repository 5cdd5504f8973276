// SPDX-License-Identifier: Apache-2.0
#include "app/commands.h"
#include "app/loaded.h"
#include "inspect/scanner/yara_engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ostream>
#include <vector>

namespace sluice::app {

namespace {

using Row = std::array<std::string, 5>;

// Columns as wide as their widest cell.
void print_table(std::ostream& out, const std::vector<Row>& rows) {
    std::array<std::size_t, 5> widths{};
    for (const Row& row : rows)
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
    for (const Row& row : rows) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) line += fmt::format("{:<{}}  ", row[i], widths[i]);
        line.erase(line.find_last_not_of(' ') + 1);
        out << line << "\n";
    }
}

Row row_of(const policy::Builtin& builtin) {
    return {std::string(builtin.name), std::string(builtin.phase), "", builtin.on ? "block" : "off",
            "built in: " + std::string(builtin.when)};
}

void print_rules(std::ostream& out, const policy::Policy& policy) {
    std::vector<Row> rows{{"RULE", "PHASE", "PROTOCOLS", "ACTION", "PLACE"}};
    const auto builtins = policy.builtins();
    // protect-host stands before the rules, what is built in for payloads after them.
    for (std::size_t i = 0; i < std::min<std::size_t>(1, builtins.size()); ++i) rows.push_back(row_of(builtins[i]));
    for (const policy::Rule& rule : policy.rules())
        rows.push_back({rule.name, policy::describe_phases(rule), policy::describe_protocols(rule),
                        std::string(policy::to_string(rule.action)) + (rule.shadow ? " (shadow)" : ""),
                        fmt::format("{}:{}", rule.place.file, rule.place.line)});
    for (std::size_t i = 1; i < builtins.size(); ++i) rows.push_back(row_of(builtins[i]));
    rows.push_back({"(default)", "request", "", std::string(policy::to_string(policy.default_action())), "[policy] default"});
    print_table(out, rows);
}

// Mail that a rule may add to waits for its verdict, of which other mail keeps back its end alone. Rules of all protocols count where mail is taken.
void print_mail_held(std::ostream& out, const policy::Policy& policy, bool takes_mail) {
    std::string names;
    for (const policy::Rule& rule : policy.rules()) {
        const bool is_told = takes_mail || !rule.phase(policy::Protocol::http);
        if (is_told && policy::may_add_header(rule, policy::Protocol::smtp)) names += (names.empty() ? "" : ", ") + rule.name;
    }
    if (!names.empty()) out << "\nmail is held until its verdict, because of rules that may edit its header: " << names << "\n";
}

void print_lists(std::ostream& out, const policy::Lists& lists) {
    if (lists.size() == 0) return;
    out << "\n";
    std::vector<Row> rows{{"LIST", "TYPE", "ENTRIES", "BAD LINES", ""}};
    for (std::size_t i = 0; i < lists.size(); ++i) {
        const auto id = static_cast<policy::ListId>(i);
        const policy::LoadReport& report = lists.report(id);
        std::string first;
        for (const std::size_t number : report.first_bad_lines) first += fmt::format("{}{}", first.empty() ? "first: " : ", ", number);
        if (report.kept_previous) first += " (kept: " + report.why_kept + ")";
        rows.push_back({std::string(lists.name(id)), std::string(policy::to_string(lists.type(id))), fmt::format("{}", report.entries),
                        fmt::format("{}", report.bad), first});
    }
    print_table(out, rows);
}

// Where it runs, scanner processes compile them: here it is to say what is wrong with them.
void check_yara(Loaded& loaded) {
    if (!loaded.config.inspect.engines.has(policy::Engine::yara) || loaded.config.inspect.yara.empty()) return;
    std::vector<std::string> files;
    for (const std::filesystem::path& file : loaded.config.inspect.yara) files.push_back(file.string());
    inspect::YaraRules::compile(files, loaded.faults);
}

}  // namespace

int run_check(const CommandLine& line, std::ostream& out, std::ostream& err) {
    Loaded loaded = load(line.config, nullptr);
    check_yara(loaded);
    err << to_string(loaded.faults);
    if (!loaded.is_usable()) {
        const auto errors = std::ranges::count(loaded.faults, Diagnostic::Severity::error, &Diagnostic::severity);
        err << fmt::format("{} {}\n", errors, errors == 1 ? "fault" : "faults");
        return exit_fault;
    }
    print_rules(out, *loaded.policy);
    print_mail_held(out, *loaded.policy, loaded.config.smtp.is_on());
    print_lists(out, loaded.policy->lists());
    return exit_good;
}

}  // namespace sluice::app
