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

std::optional<std::string_view> CommandReader::take_line(std::string_view& in, std::size_t limit) {
    const std::size_t end = in.find('\n');
    if (end == std::string_view::npos) {
        if (is_skipping_ || in.size() > std::max(limit_, auth_limit_)) {
            is_skipping_ = true;
            in = {};
        }
        return std::nullopt;
    }
    std::string_view line = in.substr(0, end);
    in.remove_prefix(end + 1);
    const bool has_cr = line.ends_with('\r');
    if (has_cr) line.remove_suffix(1);
    if (std::exchange(is_skipping_, false) || line.size() > limit) fault_ = Command::Fault::too_long;
    else if (!has_cr || line.find_first_of(octets_no_line_has) != std::string_view::npos) fault_ = Command::Fault::bad_octet;
    else fault_ = Command::Fault::none;
    return line;
}

std::optional<Command> CommandReader::next(std::string_view& in) {
    const auto line = take_line(in, auth_limit_);
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
    const auto line = take_line(in, auth_limit_);
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
