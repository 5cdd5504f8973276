// SPDX-License-Identifier: Apache-2.0
// errno as an Error.
#pragma once

#include "base/result.h"

#include <string_view>

namespace sluice::net {

// ECONNRESET and EPIPE: reset; ECONNREFUSED: refused; no route: unreachable; ETIMEDOUT: timed_out; descriptors or memory run out:
// overloaded, our own side; the rest: io_failed.
Error error_from_errno(int cause, Side side, std::string_view what);

}  // namespace sluice::net
