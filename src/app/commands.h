// SPDX-License-Identifier: Apache-2.0
// The commands, apart from `run`. What people read goes to `err`, what was asked for to `out`. Each returns the exit code.
#pragma once

#include "app/command_line.h"

#include <iosfwd>
#include <string>
#include <string_view>

namespace sluice::app {

inline constexpr int exit_good = 0;
inline constexpr int exit_fault = 1;                       // what was asked for failed, or a file has faults
inline constexpr int exit_usage = 2;                       // the command line is wrong

std::string_view version();                                // "0.1.0"

int run_check(const CommandLine& line, std::ostream& out, std::ostream& err);
int run_explain(const CommandLine& line, std::ostream& out, std::ostream& err);
int run_config(std::ostream& out);
int run_version(std::ostream& out);
int run_scan(const CommandLine& line, std::ostream& out, std::ostream& err);  // 0 clean, 1 infected, 2 could not scan, 3 error
// status, reload, reopen, stop
int run_control(const CommandLine& line, std::ostream& out, std::ostream& err);
// ca init, show, export
int run_ca(const CommandLine& line, std::ostream& out, std::ostream& err);
// quarantine list, show, release, delete
int run_quarantine(const CommandLine& line, std::ostream& out, std::ostream& err);

}  // namespace sluice::app
