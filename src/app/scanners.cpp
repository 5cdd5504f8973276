// SPDX-License-Identifier: Apache-2.0
#include "app/scanners.h"

#include "inspect/scanner/scanner_main.h"

#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::app {

namespace {

constexpr std::string_view supervisor_word = "--scanner-supervisor";

}  // namespace

std::unique_ptr<inspect::ScannerPool> start_scanners() {
    try {
        // By this name the program is the one that runs, though its file may have been replaced.
        return std::make_unique<inspect::ScannerPool>(
            inspect::ScannerPool::Options{.program = "/proc/self/exe", .arguments = {std::string(supervisor_word)}});
    } catch (const std::exception& error) {
        fmt::print(stderr, "sluice: cannot start the scanner processes: {}\n", error.what());
        return nullptr;
    }
}

std::optional<int> run_as_supervisor(int argc, char** argv) {
    if (argc < 2 || argv[1] != supervisor_word) return std::nullopt;
    const std::vector<std::string> arguments(argv + 2, argv + argc);
    const auto options = inspect::from_arguments(arguments);
    if (!options) return 1;
    return inspect::run_supervisor(inspect::supervisor_descriptor, *options);
}

}  // namespace sluice::app
