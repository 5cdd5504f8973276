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
    CommandName{"status", Command::status, "Say how the running instance is.", true},
    CommandName{"reload", Command::reload, "Have the running instance load its configuration again.", true},
    CommandName{"reopen", Command::reopen, "Have the running instance open its event log anew (log rotation).", true},
    CommandName{"stop", Command::stop, "Drain and end the running instance.", true},
    CommandName{"version", Command::version, "Print the version, the build and the libraries."},
};

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
}

std::string_view first_word(int argc, const char* const* argv) {
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        if (word == "-c" || word == "--config") ++i;
        else if (!word.starts_with('-')) return word;
    }
    return {};
}

}  // namespace

std::variant<CommandLine, int> parse_command_line(int argc, const char* const* argv, std::ostream& out, std::ostream& err) {
    CommandLine line;
    CLI::App app("Sluice, an application-layer security proxy.", "sluice");
    app.require_subcommand(1);
    app.add_option("-c,--config", line.config, "the configuration file")->type_name("FILE");
    std::vector<std::string_view> names;
    for (const CommandName& spec : kCommands) {
        names.push_back(spec.name);
        CLI::App* command = app.add_subcommand(std::string(spec.name), std::string(spec.help));
        command->add_option("-c,--config", line.config, "the configuration file")->type_name("FILE");
        if (spec.has_json) command->add_flag("--json", line.json, "one JSON object instead of text");
        if (spec.command == Command::explain) add_explain_options(*command, line.explain);
        if (spec.command == Command::scan) command->add_option("file", line.files, "files to scan")->required()->type_name("FILE");
        command->callback([&line, &spec] { line.command = spec.command; });
    }

    const std::string_view word = first_word(argc, argv);
    if (!word.empty() && std::ranges::find(names, word) == names.end()) {
        err << fmt::format("sluice: there is no command \"{}\"", word);
        if (const auto nearest = nearest_name(word, names); !nearest.empty()) err << fmt::format("; did you mean \"{}\"?", nearest);
        err << fmt::format("\nCommands: {}\n", fmt::join(names, ", "));
        return exit_usage;
    }
    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
        // Help on a subcommand is thrown at the top: show the one that was named.
        const auto chosen = app.get_subcommands();
        out << (chosen.empty() ? app.help() : chosen.front()->help("sluice"));
        return exit_good;
    } catch (const CLI::Error& error) {
        err << "sluice: " << error.what() << "\n";
        if (word.empty()) err << fmt::format("Commands: {}\n", fmt::join(names, ", "));
        else err << fmt::format("`sluice {} --help` says more.\n", word);
        return exit_usage;
    }
    return line;
}

}  // namespace sluice::app
