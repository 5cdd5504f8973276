// SPDX-License-Identifier: Apache-2.0
// What libyara alone takes for a file, in memory, with rules compiled before:  yara_time ROUNDS FILE RULES…
// Prints the median CPU milliseconds of one scan. Flags and externals as Sluice's scanners have them.
#include <yara.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

namespace {

int on_rule(YR_SCAN_CONTEXT*, int, void*, void*) { return CALLBACK_CONTINUE; }

double cpu_milliseconds() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

}  // namespace

int main(int argc, char** argv) {
    YR_COMPILER* compiler = nullptr;
    if (argc < 4 || yr_initialize() != ERROR_SUCCESS || yr_compiler_create(&compiler) != ERROR_SUCCESS) return 2;
    for (const char* external : {"filename", "filepath", "extension", "filetype", "owner"})
        yr_compiler_define_string_variable(compiler, external, "");
    for (int i = 3; i < argc; ++i) {
        const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(argv[i], "r"), &std::fclose);
        if (!file || yr_compiler_add_file(compiler, file.get(), argv[i], argv[i]) != 0) return 2;
    }
    YR_RULES* rules = nullptr;
    YR_SCANNER* scanner = nullptr;
    if (yr_compiler_get_rules(compiler, &rules) != ERROR_SUCCESS || yr_scanner_create(rules, &scanner) != ERROR_SUCCESS) return 2;
    std::ifstream in(argv[2], std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(in)), {});
    yr_scanner_set_flags(scanner, SCAN_FLAGS_FAST_MODE | SCAN_FLAGS_NO_TRYCATCH | SCAN_FLAGS_REPORT_RULES_MATCHING);
    yr_scanner_set_callback(scanner, on_rule, nullptr);
    std::vector<double> times;
    for (int round = 0; round < std::atoi(argv[1]); ++round) {
        const double begun = cpu_milliseconds();
        if (yr_scanner_scan_mem(scanner, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()) != ERROR_SUCCESS) return 1;
        times.push_back(cpu_milliseconds() - begun);
    }
    std::ranges::sort(times);
    std::printf("%.3f\n", times[times.size() / 2]);
    return 0;
}
