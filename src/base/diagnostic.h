// SPDX-License-Identifier: Apache-2.0
// A fault in a user's file: where, what, and the line with a caret. Never on a hot path.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace sluice {

// A place in a file a person wrote. Lines and columns count from 1; 0: not known.
struct Place {
    std::string file;
    std::size_t line = 0;
    std::size_t column = 0;
};

struct Diagnostic {
    enum class Severity { error, warning };
    Place place;
    std::string message;
    std::string source_line;             // the line of the file that `place` names, without its end; may be empty
    Severity severity = Severity::error;
};

using Diagnostics = std::vector<Diagnostic>;

bool has_errors(const Diagnostics& diagnostics);

// "file:line:column: message\n" and, where the line is known, the line and a caret below its column.
std::string to_string(const Diagnostic& diagnostic);

}  // namespace sluice
