// SPDX-License-Identifier: Apache-2.0
#include "protocols/ftp/command.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "protocols/ftp/telnet.h"

namespace sluice::ftp {

namespace {

constexpr std::string_view line_end = "\r\n";
constexpr std::size_t longest_verb = 16;

struct Undone {
    std::string text;
    bool is_urgent = false;
    bool is_broken = false;  // what follows is left out
};

// Octets of the sequence at the front, which begins with IAC; 0: it is none, or not whole.
std::size_t sequence_size(std::string_view text) {
    if (text.size() < 2) return 0;
    const char command = text[1];
    if (command == telnet::iac) return 2;
    if (!telnet::is_command(command)) return 0;
    if (telnet::has_option(command)) return text.size() < 3 ? 0 : 3;
    if (command != telnet::subnegotiation) return 2;
    for (std::size_t at = text.find(telnet::iac, 2); at < text.size() - 1; at = text.find(telnet::iac, at + 2))
        if (text[at + 1] == telnet::end_of_subnegotiation) return at + 2;
    return 0;
}

// Of IAC IP IAC DM before ABOR a socket without SO_OOBINLINE drops the octet that was sent urgent, the second IAC or DM, and clients differ
// in which: at a line's front DM and IP count without their IAC, and so does an IAC before a letter.
Undone undo_telnet(std::string_view line) {
    Undone out;
    while (!line.empty()) {
        const bool is_front = out.text.empty();
        const char c = line.front();
        std::size_t size = 1;
        if (is_front && (c == telnet::data_mark || c == telnet::interrupt_process)) {
            out.is_urgent = true;
        } else if (c != telnet::iac) {
            out.text += c;
        } else if (is_front && line.size() > 1 && is_alpha(line[1])) {
            out.is_urgent = true;
        } else if (line.size() == 1 || (line[1] != telnet::iac && !telnet::is_command(line[1]))) {
            out.text += c;  // a client that knows no Telnet
        } else if (size = sequence_size(line); size == 0) {
            out.is_broken = true;
            return out;
        } else if (line[1] == telnet::iac) {
            out.text += telnet::iac;
        } else {
            out.is_urgent = out.is_urgent || line[1] == telnet::data_mark || line[1] == telnet::interrupt_process;
        }
        line.remove_prefix(size);
    }
    return out;
}

// Letters up to a space or the end; empty: no verb.
std::string verb_of(std::string_view text) {
    std::string out(text.substr(0, text.find(' ')));
    if (out.size() > longest_verb || !std::ranges::all_of(out, is_alpha)) return {};
    for (char& c : out)
        if (c >= 'a') c = static_cast<char>(c - ('a' - 'A'));
    return out;
}

Command read_line(std::string_view line) {
    // Looked for in the line as it came, so that no option of Telnet's (10 and 13 are some) hides what others take for an end.
    const bool has_line_end = line.find_first_of(line_end) != std::string_view::npos;
    const Undone undone = undo_telnet(line);
    const std::string_view text = undone.text;
    Command out;
    out.is_urgent = undone.is_urgent;
    if (!undone.is_broken || text.find(' ') != std::string_view::npos) out.verb = verb_of(text);
    if (has_line_end || undone.is_broken || text.find('\0') != std::string_view::npos) {
        out.fault = Command::Fault::bad_octet;
    } else if (out.verb.empty()) {
        out.fault = Command::Fault::no_verb;
    } else if (text.size() > out.verb.size()) {
        out.has_argument = true;
        out.argument = text.substr(out.verb.size() + 1);
    }
    return out;
}

}  // namespace

std::optional<Command> CommandReader::next(std::string_view& in) {
    const std::size_t end = in.find(line_end);
    if (end == std::string_view::npos) {
        // So many, and none of them is the CR of an end in time. A CR at the end may be that of the line's.
        if (in.size() >= limit_ + line_end.size()) is_skipping_ = true;
        if (is_skipping_) in.remove_prefix(in.size() - (in.ends_with('\r') ? 1 : 0));
        return std::nullopt;
    }
    const std::string_view line = in.substr(0, end);
    in.remove_prefix(end + line_end.size());
    if (std::exchange(is_skipping_, false) || line.size() > limit_) {
        Command out;
        out.fault = Command::Fault::too_long;
        return out;
    }
    return read_line(line);
}

std::string encode(std::string_view verb, std::string_view argument) {
    std::string out(verb);
    out += ' ';
    telnet::append_escaped(out, argument);
    return out += line_end;
}

std::string encode(std::string_view verb) { return std::string(verb).append(line_end); }

}  // namespace sluice::ftp
