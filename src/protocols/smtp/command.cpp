// SPDX-License-Identifier: Apache-2.0
#include "protocols/smtp/command.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace sluice::smtp {

namespace {

constexpr std::size_t longest_verb = 16;
constexpr std::string_view octets_no_line_has("\r\0", 2);

}  // namespace

// A line without its end, or up to a bare LF in it; `fault_` says what is wrong with it.
std::optional<std::string_view> CommandReader::take_line(std::string_view& in) {
    for (;;) {
        const std::size_t lf = in.find('\n');
        if (lf == std::string_view::npos) {
            if (!is_told_ && in.size() > longest_ + 1) is_too_long_ = true;
            // A CR at the end may be half of the line's.
            if (is_told_ || is_too_long_) in.remove_prefix(in.size() - (in.ends_with('\r') ? 1 : 0));
            return std::nullopt;
        }
        std::string_view line = in.substr(0, lf);
        in.remove_prefix(lf + 1);
        const bool has_cr = line.ends_with('\r');
        if (has_cr) line.remove_suffix(1);
        if (std::exchange(is_told_, !has_cr)) continue;
        if (std::exchange(is_too_long_, false) || line.size() > longest_) fault_ = Command::Fault::too_long;
        else if (!has_cr || line.find_first_of(octets_no_line_has) != std::string_view::npos) fault_ = Command::Fault::bad_octet;
        else fault_ = Command::Fault::none;
        return line;
    }
}

std::optional<Command> CommandReader::next(std::string_view& in) {
    const auto line = take_line(in);
    if (!line) return std::nullopt;
    Command out;
    out.fault = fault_;
    if (out.fault != Command::Fault::none) return out;
    const std::string_view word = line->substr(0, line->find(' '));
    if (word.empty() || word.size() > longest_verb || !std::ranges::all_of(word, is_alpha)) {
        out.fault = line->size() > limit_ ? Command::Fault::too_long : Command::Fault::no_verb;
        return out;
    }
    out.verb = upper(word);
    if (line->size() > limit_ && out.verb != "AUTH") return Command{.verb = {}, .argument = {}, .fault = Command::Fault::too_long};
    out.argument = trim(line->substr(word.size()));
    return out;
}

std::optional<Command> CommandReader::next_answer(std::string_view& in) {
    const auto line = take_line(in);
    if (!line) return std::nullopt;
    Command out;
    out.fault = fault_;
    if (out.fault == Command::Fault::none) out.argument = *line;
    return out;
}

std::string encode(std::string_view verb, std::string_view argument) {
    std::string out(verb);
    if (!argument.empty()) out.append(" ").append(argument);
    return out += "\r\n";
}

}  // namespace sluice::smtp
