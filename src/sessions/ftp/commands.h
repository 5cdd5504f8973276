// SPDX-License-Identifier: Apache-2.0
// The commands that are understood, in one table: what becomes of each, and what a refusal is called. Everything else is 502.
#pragma once

#include <cstdint>
#include <string_view>

namespace sluice::ftp {

enum class Handling : std::uint8_t {
    user,
    password,
    quit,
    reinitialise,
    features,
    help,
    here,          // answered at once with a few fixed words
    type,
    only_stream,   // MODE S
    only_file,     // STRU F
    allocate,
    options,
    restart,
    passive,
    active,
    abort,
    forward,       // one reply, as the server gives it
    site,
    retrieve,
    list,
    store,
    start_tls,
    buffer_size,
    protection,
    clear,         // CCC
};

// What the argument is, for rules.
enum class Names : std::uint8_t { nothing, path, path_behind_time, path_behind_options, directory_above };

struct CommandInfo {
    std::string_view verb;
    std::string_view forwarded_as;  // as it goes to the server: XCWD is CWD's older name
    Handling handling;
    Names names = Names::nothing;
    int refused = 550;              // the code of a denial
    bool needs_login = true;
    bool is_recorded = false;       // an event of its own, also where nothing was refused
};

// Null: not understood.
const CommandInfo* find_command(std::string_view verb);

}  // namespace sluice::ftp
