// SPDX-License-Identifier: Apache-2.0
#include "sessions/ftp/commands.h"

#include <algorithm>
#include <array>

namespace sluice::ftp {

namespace {

using enum Handling;

// RFC 959 4.1, 1123 4.1.3.1 (X…), 2228, 2389, 2428, 2640, 3659, 4217, 7151; CLNT, MFMT, MFCT and MFF as servers have them.
constexpr auto commands = std::to_array<CommandInfo>({
    {"ABOR", "ABOR", abort},
    {"ACCT", "ACCT", forward, Names::nothing, 530, false},
    {"ALLO", "ALLO", allocate},
    {"APPE", "APPE", store, Names::path, 553, true, true},
    {"AUTH", "AUTH", start_tls, Names::nothing, 534, false},
    {"CCC", "CCC", clear, Names::nothing, 534, false},
    {"CDUP", "CDUP", forward, Names::directory_above},
    {"CLNT", "CLNT", here, Names::nothing, 550, false},
    {"CWD", "CWD", forward, Names::path},
    {"DELE", "DELE", forward, Names::path, 550, true, true},
    {"EPRT", "EPRT", active, Names::nothing, 504},
    {"EPSV", "EPSV", passive},
    {"FEAT", "FEAT", features, Names::nothing, 550, false},
    {"HELP", "HELP", help, Names::nothing, 550, false},
    {"LANG", "LANG", forward},
    {"LIST", "LIST", list, Names::path_behind_options, 550, true, true},
    {"MDTM", "MDTM", forward, Names::path},
    {"MFCT", "MFCT", forward, Names::path_behind_time, 550, true, true},
    {"MFF", "MFF", forward, Names::path_behind_time, 550, true, true},
    {"MFMT", "MFMT", forward, Names::path_behind_time, 550, true, true},
    {"MKD", "MKD", forward, Names::path, 550, true, true},
    {"MLSD", "MLSD", list, Names::path, 550, true, true},
    {"MLST", "MLST", forward, Names::path},
    {"MODE", "MODE", only_stream},
    {"NLST", "NLST", list, Names::path_behind_options, 550, true, true},
    {"NOOP", "NOOP", here, Names::nothing, 550, false},
    {"OPTS", "OPTS", options, Names::nothing, 550, false},
    {"PASS", "PASS", password, Names::nothing, 530, false, true},
    {"PASV", "PASV", passive},
    {"PBSZ", "PBSZ", buffer_size, Names::nothing, 534, false},
    {"PORT", "PORT", active, Names::nothing, 504},
    {"PROT", "PROT", protection, Names::nothing, 534, false},
    {"PWD", "PWD", forward},
    {"QUIT", "QUIT", quit, Names::nothing, 550, false},
    {"REIN", "REIN", reinitialise, Names::nothing, 550, false},
    {"REST", "REST", restart},
    {"RETR", "RETR", retrieve, Names::path, 550, true, true},
    {"RMD", "RMD", forward, Names::path, 550, true, true},
    {"RNFR", "RNFR", forward, Names::path},
    {"RNTO", "RNTO", forward, Names::path, 553, true, true},
    {"SITE", "SITE", site, Names::nothing, 550, true, true},
    {"SIZE", "SIZE", forward, Names::path},
    {"STAT", "STAT", forward, Names::path_behind_options},
    {"STOR", "STOR", store, Names::path, 553, true, true},
    {"STOU", "STOU", store, Names::path, 553, true, true},
    {"STRU", "STRU", only_file},
    {"SYST", "SYST", forward},
    {"TYPE", "TYPE", type},
    {"USER", "USER", user, Names::nothing, 530, false},
    {"XCUP", "CDUP", forward, Names::directory_above},
    {"XCWD", "CWD", forward, Names::path},
    {"XMKD", "MKD", forward, Names::path, 550, true, true},
    {"XPWD", "PWD", forward},
    {"XRMD", "RMD", forward, Names::path, 550, true, true},
});
static_assert(std::ranges::is_sorted(commands, {}, &CommandInfo::verb));

}  // namespace

const CommandInfo* find_command(std::string_view verb) {
    const auto found = std::ranges::lower_bound(commands, verb, {}, &CommandInfo::verb);
    return found != commands.end() && found->verb == verb ? &*found : nullptr;
}

}  // namespace sluice::ftp
