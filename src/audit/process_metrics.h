// SPDX-License-Identifier: Apache-2.0
// What the kernel knows about this process (proc(5)). What cannot be read is empty: /proc may be hidden from a sandboxed service.
#pragma once

#include <cstdint>
#include <optional>

namespace sluice::audit {

struct ProcessMetrics {
    std::optional<double> cpu_seconds;               // user and system
    std::optional<std::uint64_t> resident_bytes;
    std::optional<std::uint64_t> virtual_bytes;
    std::optional<std::uint64_t> open_descriptors;
    std::optional<std::uint64_t> max_descriptors;
    std::optional<std::uint64_t> threads;
    std::optional<double> start_seconds;             // Unix time
};

// Opens and reads a few small files.
ProcessMetrics read_process_metrics();

}  // namespace sluice::audit
