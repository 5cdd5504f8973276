// SPDX-License-Identifier: Apache-2.0
// What a balancer in front says of the client (the PROXY protocol), where a session begins.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "base/ip.h"
#include "base/limits.h"
#include "base/result.h"
#include "net/connection_limits.h"
#include "net/stream.h"
#include "net/task.h"

namespace sluice::sessions {

// The header of a peer that is among `proxies`, and what came behind it; of anybody else nothing is read. The client it names is the stream's
// peer and the permit's from then on. nullopt: the peer looked whether we are there, and has gone. Errors: the header is missing or bad.
net::Task<Result<std::optional<std::string>>> read_proxy_header(net::Stream& stream, net::ConnectionPermit& permit,
                                                                std::span<const IpNetwork> proxies, const Limits& limits);

}  // namespace sluice::sessions
