// SPDX-License-Identifier: Apache-2.0
// A client's commands and answers: cuts make no difference, no more is kept than a line, no more commands come than lines, and what goes to a server is
// one line that reads the same again.
#include "protocols/smtp/command.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "base/text.h"

using namespace sluice;
using smtp::Command;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

struct Outcome {
    std::vector<Command> commands;
    std::string left;
};

// After AUTH comes one line of its dialogue.
Outcome read(std::string_view text, const Limits& limits, std::size_t step) {
    smtp::CommandReader reader(limits);
    Outcome out;
    bool is_answer = false;
    for (std::size_t at = 0; at < text.size(); at += step) {
        out.left += text.substr(at, step);
        std::string_view in = out.left;
        while (auto command = is_answer ? reader.next_answer(in) : reader.next(in)) {
            require(!is_answer || command->verb.empty());
            is_answer = command->verb == "AUTH";
            out.commands.push_back(*std::move(command));
        }
        require(in.size() <= limits.smtp_auth_line + 1 && out.left.ends_with(in));
        out.left = std::string(in);
    }
    return out;
}

bool are_same(const Command& a, const Command& b) { return a.verb == b.verb && a.argument == b.argument && a.fault == b.fault; }

std::ptrdiff_t ends(std::string_view text) {
    std::ptrdiff_t out = 0;
    for (std::size_t at = text.find("\r\n"); at != std::string_view::npos; at = text.find("\r\n", at + 2)) ++out;
    return out;
}

void check(const Command& command, const Limits& limits) {
    require(command.verb.size() <= 16 && std::ranges::all_of(command.verb, [](char c) { return c >= 'A' && c <= 'Z'; }));
    require(command.argument.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
    if (command.fault != Command::Fault::none) {
        require(command.verb.empty() && command.argument.empty());
        return;
    }
    if (command.verb.empty()) return;
    const std::string line = smtp::encode(command.verb, command.argument);
    require(line.size() <= (command.verb == "AUTH" ? limits.smtp_auth_line : limits.smtp_command_line) + 2);
    const Outcome again = read(line, limits, line.size());
    require(ends(line) == 1 && again.commands.size() == 1 && again.left.empty() && are_same(again.commands.front(), command));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Limits limits;
    limits.smtp_command_line = 48;
    limits.smtp_auth_line = 80;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const Outcome whole = read(text, limits, std::max<std::size_t>(size, 1));
    for (const std::size_t step : {std::size_t{1}, std::size_t{7}, size % 97 + 1}) {
        const Outcome cut = read(text, limits, step);
        require(std::ranges::equal(cut.commands, whole.commands, are_same) && cut.left == whole.left);
    }
    // A line with a bare LF is told before its end, and once.
    require(std::ssize(whole.commands) >= ends(text) && std::ssize(whole.commands) <= ends(text) + 1);
    for (const Command& command : whole.commands) check(command, limits);
    return 0;
}
