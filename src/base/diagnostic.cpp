// SPDX-License-Identifier: Apache-2.0
#include "base/diagnostic.h"

#include <algorithm>

namespace sluice {

bool has_errors(const Diagnostics& diagnostics) {
    return std::ranges::any_of(diagnostics, [](const Diagnostic& d) { return d.severity == Diagnostic::Severity::error; });
}

std::string to_string(const Diagnostic& diagnostic) {
    const Place& place = diagnostic.place;
    std::string out = place.file;
    if (place.line != 0) out += ":" + std::to_string(place.line);
    if (place.column != 0) out += ":" + std::to_string(place.column);
    if (!out.empty()) out += ": ";
    if (diagnostic.severity == Diagnostic::Severity::warning) out += "warning: ";
    out += diagnostic.message + "\n";
    if (!diagnostic.source_line.empty()) {
        out += "    " + diagnostic.source_line + "\n";
        if (place.column != 0) {
            out += "    ";
            // Tabs are kept, so that the caret stands below its character whatever a tab's width is.
            for (std::size_t i = 0; i + 1 < place.column; ++i)
                out += i < diagnostic.source_line.size() && diagnostic.source_line[i] == '\t' ? '\t' : ' ';
            out += "^\n";
        }
    }
    return out;
}

}  // namespace sluice
