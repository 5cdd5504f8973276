// SPDX-License-Identifier: Apache-2.0
#include "audit/process_metrics.h"

#include "base/text.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::audit {

namespace {

std::string read_small_file(const char* path) {
    std::string out(8192, '\0');
    const int descriptor = ::open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return {};
    std::size_t size = 0;
    while (size < out.size()) {
        const ssize_t got = ::read(descriptor, out.data() + size, out.size() - size);
        if (got <= 0) break;
        size += static_cast<std::size_t>(got);
    }
    ::close(descriptor);
    out.resize(size);
    return out;
}

std::optional<std::uint64_t> count_descriptors() {
    DIR* directory = opendir("/proc/self/fd");
    if (!directory) return std::nullopt;
    std::uint64_t entries = 0;
    while (const dirent* entry = readdir(directory))
        if (entry->d_name[0] != '.') ++entries;
    closedir(directory);
    return entries > 0 ? entries - 1 : 0;                          // without the one that reads the directory
}

// Seconds since 1970 at which the machine started: the line "btime N" of /proc/stat, which may be longer than one small read where there
// are many processors.
std::optional<double> boot_time() {
    const int descriptor = ::open("/proc/stat", O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return std::nullopt;
    std::string text;
    char block[4096];
    for (ssize_t got = ::read(descriptor, block, sizeof block); got > 0; got = ::read(descriptor, block, sizeof block))
        text.append(block, static_cast<std::size_t>(got));
    ::close(descriptor);
    const std::size_t at = text.find("\nbtime ");
    if (at == std::string::npos) return std::nullopt;
    const std::size_t start = at + 7;
    const auto seconds = parse_decimal<std::uint64_t>(std::string_view(text).substr(start, text.find('\n', start) - start));
    if (!seconds) return std::nullopt;
    return static_cast<double>(*seconds);
}

}  // namespace

ProcessMetrics read_process_metrics() {
    ProcessMetrics out;
    out.open_descriptors = count_descriptors();
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) out.max_descriptors = limit.rlim_cur;
    const std::string stat = read_small_file("/proc/self/stat");
    const std::size_t after_name = stat.rfind(") ");  // the name may hold spaces and brackets
    if (after_name == std::string::npos) return out;
    const std::vector<std::string_view> fields = split(trim(std::string_view(stat).substr(after_name + 2)), ' ');
    // proc(5) counts from 1; the first field here is number 3.
    const auto field = [&](std::size_t number) {
        return number - 3 < fields.size() ? parse_decimal<std::uint64_t>(fields[number - 3]) : std::nullopt;
    };
    const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
    if (const auto user = field(14), system = field(15); user && system) out.cpu_seconds = static_cast<double>(*user + *system) / ticks;
    out.threads = field(20);
    if (const auto start = field(22))
        if (const auto boot = boot_time()) out.start_seconds = *boot + static_cast<double>(*start) / ticks;
    out.virtual_bytes = field(23);
    if (const auto pages = field(24)) out.resident_bytes = *pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    return out;
}

}  // namespace sluice::audit
