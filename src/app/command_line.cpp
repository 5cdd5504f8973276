// SPDX-License-Identifier: Apache-2.0
#include "app/command_line.h"

#include "app/commands.h"
#include "base/text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <CLI/CLI.hpp>

#include <array>
#include <ostream>
#include <string_view>

namespace sluice::app {

namespace {

struct CommandName {
    std::string_view name;
    Command command;
    std::string_view help;
    bool has_json = false;
};

constexpr std::array kCommands{
    CommandName{"run", Command::run, "Run in the foreground."},
    CommandName{"check", Command::check, "Validate the configuration; list every rule with its phase."},
    CommandName{"explain", Command::explain, "Say which rule would decide a request, and why.", true},
    CommandName{"scan", Command::scan, "Scan files as the proxy would scan payloads.", true},
    CommandName{"config", Command::config, "Print the default configuration, complete and commented."},
    CommandName{"quarantine", Command::quarantine, "List, show, release and delete what a rule has put away."},
    CommandName{"ca", Command::ca, "Make, describe and export the CA by which TLS is decrypted."},
    CommandName{"status", Command::status, "Say how the running instance is.", true},
    CommandName{"reload", Command::reload, "Have the running instance load its configuration again.", true},
    CommandName{"reopen", Command::reopen, "Have the running instance open its event log anew (log rotation).", true},
    CommandName{"stop", Command::stop, "Drain and end the running instance.", true},
    CommandName{"version", Command::version, "Print the version, the build and the libraries."},
};

struct QuarantineName {
    std::string_view name;
    QuarantineAction action;
    std::string_view help;
};

constexpr std::array kQuarantineActions{
    QuarantineName{"list", QuarantineAction::list, "The samples, the newest first."},
    QuarantineName{"show", QuarantineAction::show, "One sample: its event, its hashes, and whether it is intact."},
    QuarantineName{"release", QuarantineAction::release,
                   "Write a sample to a new file, content codings undone. The quarantine keeps its copy."},
    QuarantineName{"delete", QuarantineAction::remove, "Remove a sample for good."},
};

struct CaName {
    std::string_view name;
    CaAction action;
    std::string_view help;
};

constexpr std::array kCaActions{
    CaName{"init", CaAction::init, "Make the CA. One that is there is not replaced."},
    CaName{"show", CaAction::show, "Describe its certificate."},
    CaName{"export", CaAction::export_certificate, "Print its certificate, for devices to trust."},
};

void add_config(CLI::App& command, std::string& config) {
    command.add_option("-c,--config", config, "the configuration file")->type_name("FILE");
}

void add_json(CLI::App& command, bool& json, const std::string& what = "one JSON object instead of text") {
    command.add_flag("--json", json, what);
}

void add_quarantine_actions(CLI::App& command, CommandLine& line) {
    command.require_subcommand(1);
    for (const QuarantineName& spec : kQuarantineActions) {
        CLI::App* action = command.add_subcommand(std::string(spec.name), std::string(spec.help));
        add_config(*action, line.config);
        const bool is_list = spec.action == QuarantineAction::list;
        if (!is_list)
            action->add_option("id", line.quarantine.id, "the sample's, as `list` shows it: that of its event")
                ->required()
                ->type_name("ID");
        if (spec.action == QuarantineAction::release)
            action->add_option("file", line.quarantine.file, "where to: nothing may be there yet")->required()->type_name("FILE");
        if (is_list) add_json(*action, line.json, "an array of JSON objects instead of a table");
        if (spec.action == QuarantineAction::show) add_json(*action, line.json);
        action->callback([&line, &spec] { line.quarantine.action = spec.action; });
    }
}

void add_ca_actions(CLI::App& command, CommandLine& line) {
    command.require_subcommand(1);
    for (const CaName& spec : kCaActions) {
        CLI::App* action = command.add_subcommand(std::string(spec.name), std::string(spec.help));
        add_config(*action, line.config);
        if (spec.action == CaAction::export_certificate) action->add_flag("--der", line.ca.is_der, "DER instead of PEM");
        action->callback([&line, &spec] { line.ca.action = spec.action; });
    }
}

void add_explain_options(CLI::App& command, ExplainOptions& explain) {
    command.add_option("url", explain.url, "http:, https:, ftp: URL, or mailto: for a recipient")->required()->type_name("URL");
    command.add_option("--client", explain.client, "the client's address")->type_name("IP")->capture_default_str();
    command.add_option("--method", explain.method, "the request's method")->type_name("METHOD")->capture_default_str();
    command.add_option("--header", explain.headers, "a header field, 'name: value'; may be repeated")
        ->type_name("FIELD")
        ->expected(1)
        ->take_all();
    command.add_option("--user", explain.user, "who the client has said, and proved, to be")->type_name("NAME");
    command.add_option("--server-ip", explain.server_ips, "an address of the server's; may be repeated. Names are not resolved")
        ->type_name("IP")
        ->expected(1)
        ->take_all();
    command.add_option("--file", explain.file, "a payload: its name and size are judged, it is not scanned")->type_name("PATH");
    command.add_option("--sender", explain.sender, "the sender of a mail, for mailto:")->type_name("ADDRESS");
    command.add_option("--helo", explain.helo, "the name that a mail client says, for mailto:")->type_name("NAME");
}

// The words that are no options nor their values: the command, and what it is to do. At most two.
std::vector<std::string_view> first_words(int argc, const char* const* argv) {
    std::vector<std::string_view> words;
    for (int i = 1; i < argc && words.size() < 2; ++i) {
        const std::string_view word = argv[i];
        if (word == "-c" || word == "--config") ++i;
        else if (!word.starts_with('-')) words.push_back(word);
    }
    return words;
}

// Says that `word` is none of `names`, and which of them may be meant. True: it is one of them.
bool is_known(std::string_view word, const std::vector<std::string_view>& names, std::string_view command, std::ostream& err) {
    if (std::ranges::find(names, word) != names.end()) return true;
    err << fmt::format("sluice{}: there is no command \"{}\"", command, word);
    if (const auto nearest = nearest_name(word, names); !nearest.empty()) err << fmt::format("; did you mean \"{}\"?", nearest);
    err << fmt::format("\nCommands: {}\n", fmt::join(names, ", "));
    return false;
}

}  // namespace

std::variant<CommandLine, int> parse_command_line(int argc, const char* const* argv, std::ostream& out, std::ostream& err) {
    CommandLine line;
    CLI::App app("Sluice, an application-layer security proxy.", "sluice");
    app.require_subcommand(1);
    add_config(app, line.config);
    std::vector<std::string_view> names;
    for (const CommandName& spec : kCommands) {
        names.push_back(spec.name);
        CLI::App* command = app.add_subcommand(std::string(spec.name), std::string(spec.help));
        add_config(*command, line.config);
        if (spec.has_json) add_json(*command, line.json);
        if (spec.command == Command::explain) add_explain_options(*command, line.explain);
        if (spec.command == Command::scan) command->add_option("file", line.files, "files to scan")->required()->type_name("FILE");
        if (spec.command == Command::quarantine) add_quarantine_actions(*command, line);
        if (spec.command == Command::ca) add_ca_actions(*command, line);
        command->callback([&line, &spec] { line.command = spec.command; });
    }

    const auto words = first_words(argc, argv);
    const std::string_view word = words.empty() ? std::string_view() : words[0];
    if (!word.empty() && !is_known(word, names, "", err)) return exit_usage;
    if (word == "quarantine" && words.size() == 2) {
        std::vector<std::string_view> actions;
        for (const QuarantineName& spec : kQuarantineActions) actions.push_back(spec.name);
        if (!is_known(words[1], actions, " quarantine", err)) return exit_usage;
    }
    if (word == "ca" && words.size() == 2) {
        std::vector<std::string_view> actions;
        for (const CaName& spec : kCaActions) actions.push_back(spec.name);
        if (!is_known(words[1], actions, " ca", err)) return exit_usage;
    }
    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
        // Help on a subcommand is thrown at the top: show the one that was named.
        const CLI::App* chosen = &app;
        std::string before;
        while (!chosen->get_subcommands().empty()) {
            before += (before.empty() ? "" : " ") + chosen->get_name();
            chosen = chosen->get_subcommands().front();
        }
        out << chosen->help(before);
        return exit_good;
    } catch (const CLI::Error& error) {
        err << "sluice: " << error.what() << "\n";
        if (word.empty()) err << fmt::format("Commands: {}\n", fmt::join(names, ", "));
        else if (word == "quarantine" && words.size() < 2) err << "Commands: list, show ID, release ID FILE, delete ID\n";
        else if (word == "ca" && words.size() < 2) err << "Commands: init, show, export\n";
        else err << fmt::format("`sluice {} --help` says more.\n", word);
        return exit_usage;
    }
    return line;
}

}  // namespace sluice::app
