// SPDX-License-Identifier: Apache-2.0
// The command line as values.
#pragma once

#include <iosfwd>
#include <string>
#include <variant>
#include <vector>

namespace sluice::app {

enum class Command { run, check, explain, config, quarantine, ca, status, reload, reopen, stop, version, scan };

struct ExplainOptions {
    std::string url;
    std::string client = "127.0.0.1";
    std::string method = "GET";
    std::string user;
    std::string sender;
    std::string helo;
    std::string file;
    std::vector<std::string> headers;                      // "name: value"
    std::vector<std::string> server_ips;
};

enum class QuarantineAction { list, show, release, remove };

struct QuarantineOptions {
    QuarantineAction action = QuarantineAction::list;
    std::string id;                                        // as it was typed
    std::string file;                                      // of `release`
};

enum class CaAction { init, show, export_certificate };

struct CaOptions {
    CaAction action = CaAction::show;
    bool is_der = false;
};

struct CommandLine {
    Command command = Command::run;
    std::string config;                                    // -c; empty: not given
    bool json = false;
    std::vector<std::string> files;                        // scan
    ExplainOptions explain;
    QuarantineOptions quarantine;
    CaOptions ca;
};

// The exit code instead, after help (0) or a message about what is wrong (2) was written.
std::variant<CommandLine, int> parse_command_line(int argc, const char* const* argv, std::ostream& out, std::ostream& err);

}  // namespace sluice::app
