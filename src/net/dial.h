// SPDX-License-Identifier: Apache-2.0
// Connections to servers. What is dialled is exactly what was judged: addresses, never a name.
#pragma once

#include "base/ip.h"
#include "base/limits.h"
#include "base/result.h"
#include "net/tcp_stream.h"

#include <chrono>
#include <memory>
#include <span>
#include <string>

namespace sluice::net {

struct Dialled {
    std::unique_ptr<TcpStream> stream;           // TCP_NODELAY, side server
    IpPort address;
    std::chrono::nanoseconds duration{};
};

// Happy eyeballs (RFC 8305 section 5): in the order given, the next one after Limits::happy_eyeballs, or at once when all begun have failed;
// each at most connect_attempt, all at most connect. The first to connect wins, the others are closed. Errors, of the server's side: that of the last attempt that failed (refused,
// unreachable, timed_out, …); overloaded, our side: no descriptor or port was left. `addresses` must live until it ends.
Task<Result<Dialled>> dial(Worker& worker, std::span<const IpPort> addresses, const Limits& limits);

// A socket of this machine, by its path; its peer is 0.0.0.0:0. Errors as above.
Task<Result<std::unique_ptr<TcpStream>>> dial_local(Worker& worker, std::string path, const Limits& limits);

}  // namespace sluice::net
