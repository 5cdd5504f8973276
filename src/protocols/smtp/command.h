// SPDX-License-Identifier: Apache-2.0
// A client's octets to commands (RFC 5321 2.3.8, 4.1.1), and commands to octets for a server. A line ends with CRLF and with nothing else. One that has
// a bare LF, CR or NUL inside is told as a fault, so that whoever sent it is answered and nothing of it goes on. A bare LF is told when it comes, for
// clients that end lines with it; what is behind it belongs to the same line and is thrown away: "NOOP a<LF>RCPT …" is one command to a relay that
// knows CRLF alone, and must not be two here.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/limits.h"

namespace sluice::smtp {

struct Command {
    // What is wrong with the line; it is answered, and never sent on.
    enum class Fault : std::uint8_t {
        none,
        too_long,  // Limits::smtp_command_line octets, CRLF not counted; AUTH has smtp_auth_line
        bad_octet,  // it has CR, LF or NUL inside
        no_verb,  // it does not begin with 1 to 16 letters and then a space or its end
    };

    std::string verb;  // upper case; of a fault empty
    std::string argument;  // behind the verb's space, without blanks at both ends
    Fault fault = Fault::none;
};

class CommandReader {
public:
    explicit CommandReader(const Limits& limits) : limit_(limits.smtp_command_line), longest_(std::max(limit_, limits.smtp_auth_line)) {}

    // The next command, its line taken from the front of `in`; nullopt: more is needed, behind what is left of `in`, at most smtp_auth_line octets and a
    // CR. A line that is too long is thrown away as it comes and told once, at its end. Where the octets are cut makes no difference. No error is final.
    std::optional<Command> next(std::string_view& in);
    // The next line as it is, of a dialogue that AUTH began (RFC 4954 4): its fault, or the line as `argument`.
    std::optional<Command> next_answer(std::string_view& in);

private:
    std::optional<std::string_view> take_line(std::string_view& in);

    std::size_t limit_;
    std::size_t longest_;  // AUTH has more
    bool is_too_long_ = false;  // the line, whose front is gone
    bool is_told_ = false;  // the line, at a bare LF: the rest of it goes unseen
    Command::Fault fault_ = Command::Fault::none;  // of the line taken last
};

// "VERB argument\r\n". Precondition: what a CommandReader gave without a fault, or our own words without CR, LF and NUL.
std::string encode(std::string_view verb, std::string_view argument = {});

}  // namespace sluice::smtp
