// SPDX-License-Identifier: Apache-2.0
// A client's octets to commands (RFC 959 5.3, over Telnet's NVT as RFC 1123 4.1.2.12 has it), and commands to octets for a server.
// CRLF alone ends a line, and it does so wherever it stands: no Telnet sequence hides it. Inside a line they are undone: IAC IAC is the octet
// 0xFF, whole other sequences vanish. None is answered: a server that offers nothing has nothing to agree to.
#pragma once

#include "base/limits.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::ftp {

struct Command {
    // What is wrong with the line; it is answered, and never sent on. The first that holds.
    enum class Fault : std::uint8_t {
        none,
        too_long,  // 500; Limits::ftp_line, Telnet's octets counted, CRLF not
        bad_octet,  // 501: CR, LF or NUL inside it (CR NUL too), or IAC before what Telnet does not have
        no_verb,  // 500: it does not begin with 1 to 16 letters and then a space or its end
    };

    std::string verb;  // upper case, letters alone; of a bad_octet where it is known; else of a fault empty
    std::string argument;  // behind the one space, to the last octet: names may begin and end in spaces
    bool has_argument = false;  // there was a space
    bool is_urgent = false;  // Telnet's IP or DM came in its line (ABOR and STAT in a transfer); never of a too_long
    Fault fault = Fault::none;
};

class CommandReader {
public:
    explicit CommandReader(const Limits& limits) : limit_(limits.ftp_line) {}

    // The next command, taken from the front of `in`, the unread octets; nullopt: more are needed, which go behind what is left of `in`: at most
    // ftp_line + 1 octets. A line that is too long is thrown away as it comes and told once, at its end. Where the octets are cut makes no
    // difference. No error is final: a client's faults are answered one by one.
    std::optional<Command> next(std::string_view& in);

private:
    std::size_t limit_;
    bool is_skipping_ = false;  // a line that is too long
};

// "VERB argument\r\n", 0xFF doubled where Telnet would see a command. Precondition: what a CommandReader gave without a fault, or our own words without CR, LF and NUL.
std::string encode(std::string_view verb, std::string_view argument);
std::string encode(std::string_view verb);

}  // namespace sluice::ftp
