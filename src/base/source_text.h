// SPDX-License-Identifier: Apache-2.0
// A file that a person wrote, with its lines, and the strings that stand in it with their places: what a fault with a caret needs.
#pragma once

#include "base/diagnostic.h"

#include <cstddef>
#include <string>
#include <vector>

namespace sluice {

// A string value of a file.
struct Text {
    std::string value;
    Place place;                          // of the value's first character, inside the quotes
    std::string source_line;              // the line of the file that `place` names
    // The value stands in the file character by character (no escapes): a fault inside it is shown at its own column and line. Otherwise
    // every fault points at `place`.
    bool verbatim = true;
};

// A diagnostic at `offset` bytes into a value.
Diagnostic at(const Text& text, std::size_t offset, std::string message, Diagnostic::Severity severity = Diagnostic::Severity::error);

struct SourceText {
    SourceText(std::string name, std::string text);
    std::size_t offset(std::size_t number) const;  // of that line's first byte in `text`
    std::string line(std::size_t number) const;  // from 1; empty beyond the end

    // The TOML string whose delimiter stands at a line and column (in characters), and whose value is known. Where escapes or line breaks make
    // the way from value to file ambiguous, the value's own start is what is pointed at.
    Text string_at(std::size_t line_number, std::size_t column, std::string value) const;

    std::string name;  // as it stands in faults
    std::string text;

private:
    std::vector<std::size_t> line_starts_;
};

}  // namespace sluice
