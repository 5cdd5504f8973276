// SPDX-License-Identifier: Apache-2.0
#include "base/source_text.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace sluice {

Diagnostic at(const Text& text, std::size_t offset, std::string message, Diagnostic::Severity severity) {
    Diagnostic out{text.place, std::move(message), text.source_line, severity};
    if (!text.verbatim || text.place.line == 0) return out;
    const std::string_view before = std::string_view(text.value).substr(0, offset);
    const auto lines = static_cast<std::size_t>(std::ranges::count(before, '\n'));
    if (lines == 0) {
        out.place.column += offset;
        return out;
    }
    const std::size_t line_start = before.rfind('\n') + 1;
    out.place.line += lines;
    out.place.column = offset - line_start + 1;
    out.source_line = text.value.substr(line_start, text.value.find_first_of("\r\n", line_start) - line_start);
    return out;
}

SourceText::SourceText(std::string file_name, std::string contents) : name(std::move(file_name)), text(std::move(contents)) {
    line_starts_.push_back(0);
    for (std::size_t i = 0; i < text.size(); ++i)
        if (text[i] == '\n') line_starts_.push_back(i + 1);
}

std::size_t SourceText::offset(std::size_t number) const {
    return number == 0 || number > line_starts_.size() ? text.size() : line_starts_[number - 1];
}

std::string SourceText::line(std::size_t number) const {
    if (number == 0 || number > line_starts_.size()) return {};
    const std::size_t start = line_starts_[number - 1];
    std::size_t end = number < line_starts_.size() ? line_starts_[number] - 1 : text.size();
    if (end > start && text[end - 1] == '\r') --end;
    return text.substr(start, end - start);
}

Text SourceText::string_at(std::size_t line_number, std::size_t column, std::string value) const {
    Text out{std::move(value), Place{name, line_number, column}, line(line_number), true};
    // Columns count characters, the line holds bytes.
    const std::string_view stands = out.source_line;
    std::size_t at = 0;
    for (std::size_t passed = 1; passed < column && at < stands.size(); ++at)
        if (at + 1 == stands.size() || (static_cast<unsigned char>(stands[at + 1]) & 0xC0U) != 0x80U) ++passed;
    const std::string_view rest = std::string_view(text).substr(std::min(offset(line_number) + at, text.size()));
    const bool three = rest.starts_with("'''") || rest.starts_with("\"\"\"");
    std::size_t start = three ? 3 : 1;
    if (rest.empty() || (rest.front() != '\'' && rest.front() != '"')) return out;
    out.place.column += start;
    // The line break right after the delimiter does not count (TOML 1.0, "String").
    const std::size_t line_break = rest.substr(start).starts_with("\r\n") ? 2 : rest.substr(start).starts_with('\n') ? 1 : 0;
    if (three && line_break != 0) {
        start += line_break;
        out.place = {name, line_number + 1, 1};
        out.source_line = line(line_number + 1);
    }
    // Escapes make the value differ from what stands there: then it cannot be followed character by character.
    const std::string_view inside = rest.substr(std::min(start, rest.size()));
    out.verbatim = inside.starts_with(out.value) && inside.substr(out.value.size()).starts_with(rest.front());
    return out;
}

}  // namespace sluice
