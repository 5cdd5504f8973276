// SPDX-License-Identifier: Apache-2.0
// A scanner's cage: after `enter` the process can read what it was sent, compute, and answer on the sockets it has. It opens no file, makes no socket,
// starts nothing, and gets no more privileges; whatever libraries need from the outside was loaded before (`load_everything`).
//
// Calls that a library may try and do without (open, stat, readlink…) fail with EACCES; any other call that is not on the list ends the process.
// Under sanitizers the list is longer by what their runtime needs, and memory has no bound, as they reserve terabytes.
#pragma once

#include "base/result.h"

#include <cstdint>

namespace sluice::inspect {

struct SandboxLimits {
    std::uint64_t memory = 2ULL << 30;  // octets of data that the process may have of its own, rules included
    int nice = 5;  // added: scanning must not take the workers' time
};

// Loads what libraries would load later: locale, time zone, OpenSSL's digests, libarchive's readers, character sets. Once, before `enter`; a process
// that is forked later has it too.
void load_everything();

// For good. io_failed: the kernel refuses; nothing hostile may be read then. Landlock is used where the kernel has it.
Result<void> enter_sandbox(const SandboxLimits& limits);

}  // namespace sluice::inspect
