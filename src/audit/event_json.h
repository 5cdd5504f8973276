// SPDX-License-Identifier: Apache-2.0
// An event as one line of JSON with dotted keys of the Elastic Common Schema. Texts that are not UTF-8 are mended with U+FFFD; texts beyond
// `Limits::log_text` are cut and end in "…". Nothing is allocated.
#pragma once

#include "audit/event.h"
#include "audit/redact.h"
#include "base/limits.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace sluice::audit {

// "2026-01-31T23:59:59.123Z". Remembers the seconds it wrote last, since neighbours in a log share them. One a thread.
class Timestamps {
public:
    static constexpr std::size_t size = 24;
    // Writes `size` bytes.
    char* write(char* out, std::int64_t unix_ns);

private:
    struct Second {
        std::int64_t unix_seconds = INT64_MIN;  // none yet
        std::array<char, 20> text{};  // "2026-01-31T23:59:59."
    };
    std::array<Second, 4> seconds_{};  // by the two low bits of the second
};

class EventEncoder {
public:
    explicit EventEncoder(std::size_t text_limit = Limits{}.log_text) : text_limit_(text_limit) {}

    // No line of `event` is longer than this, with its "\n" and the room that `encode` scribbles over after it.
    std::size_t bound(const Event& event) const;
    // Writes the line with its "\n"; returns its end. `out` has `bound(event)` bytes.
    char* encode(const Event& event, const Redaction& redaction, char* out);

private:
    std::size_t text_limit_;
    Timestamps timestamps_;
};

// Appends the line. For tests and for places that are not hot: it allocates.
void write_json(const Event& event, const Redaction& redaction, std::string& out);

}  // namespace sluice::audit
