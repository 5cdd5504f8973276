// SPDX-License-Identifier: Apache-2.0
#include "app/authority.h"
#include "app/command_line.h"
#include "app/commands.h"
#include "app/instance.h"
#include "app/scanners.h"

#include <iostream>

int main(int argc, char** argv) {
    using namespace sluice::app;
    if (const auto code = run_as_supervisor(argc, argv)) return *code;
    if (const auto code = run_as_signer(argc, argv)) return *code;
    const auto parsed = parse_command_line(argc, argv, std::cout, std::cerr);
    if (const int* code = std::get_if<int>(&parsed)) return *code;
    const CommandLine& line = std::get<CommandLine>(parsed);
    switch (line.command) {
        case Command::run: return run_instance(line.config);
        case Command::check: return run_check(line, std::cout, std::cerr);
        case Command::explain: return run_explain(line, std::cout, std::cerr);
        case Command::config: return run_config(std::cout);
        case Command::scan: return run_scan(line, std::cout, std::cerr);
        case Command::version: return run_version(std::cout);
        case Command::ca: return run_ca(line, std::cout, std::cerr);
        case Command::quarantine: return run_quarantine(line, std::cout, std::cerr);
        case Command::status:
        case Command::reload:
        case Command::reopen:
        case Command::stop: return run_control(line, std::cout, std::cerr);
    }
    return exit_usage;
}
